//! The tokens of a service. Nothing here can fail: what could be wrong was checked before.

mod blocking;
mod client;
mod contract;
mod fallback;
mod server;
mod table;
#[cfg(test)]
mod tests;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::spanned::Spanned;
use syn::{Item, Type};

use crate::check;
use crate::mistakes::Mistakes;
use crate::model::{Answer, Input, Method, Service};
use crate::parse::{ServiceOptions, attributes_named};

/// The longest tuple that serde knows.
const TUPLE: usize = 16;

/// What `#[autod::service]` leaves in the place of an item.
pub(crate) fn service(options: TokenStream, tokens: &TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let options = ServiceOptions::parse(options, &mut mistakes);
    let item = match syn::parse2(tokens.clone()) {
        Ok(Item::Trait(item)) => item,
        Ok(_) => {
            let message = "`#[autod::service]` goes on a trait: write `pub trait Name { .. }`";
            mistakes.add(syn::Error::new(Span::call_site(), message));
            return fallback::item(tokens, &mistakes);
        }
        Err(error) => {
            mistakes.add(error);
            return fallback::item(tokens, &mistakes);
        }
    };
    let service = check::service(&item, &options.root, &mut mistakes);
    if mistakes.is_empty() { full(&service) } else { fallback::service(&service, &mistakes) }
}

/// All of it. What is not for users sits in a constant without a name, where nothing of it can
/// meet a name of theirs.
fn full(service: &Service<'_>) -> TokenStream {
    let contract = contract::contract(service);
    let declaration = client::declaration(service);
    let blocking = blocking::declaration(service);
    let rows = table::rows(service);
    let table = table::table(service);
    let methods = client::methods(service);
    let connection = client::connection(service);
    let blocking_methods = blocking::methods(service);
    let blocking_connection = blocking::connection(service);
    let server = server::server(service);
    quote! {
        #contract
        #declaration
        #blocking
        #[allow(deprecated)]
        const _: () = {
            #rows
            #table
            #methods
            #connection
            #blocking_methods
            #blocking_connection
            #server
        };
    }
}

/// The `#[cfg]`s of a method, which go onto everything that is generated for it.
fn conditions(method: &Method<'_>) -> Vec<TokenStream> {
    attributes_named(&method.item.attrs, &["cfg"])
}

/// The name of the row of the method at this position.
fn row(position: usize) -> Ident {
    format_ident!("__METHOD_{position}")
}

/// The elements as one tuple, or as tuples of tuples where serde's tuples are too short. Nesting
/// does not show in the binary form.
fn tuple(elements: &[TokenStream]) -> TokenStream {
    if elements.len() <= TUPLE {
        return quote!((#(#elements,)*));
    }
    tuple(&elements.chunks(TUPLE).map(tuple).collect::<Vec<_>>())
}

/// The types of the arguments as one tuple.
fn argument_types(method: &Method<'_>) -> TokenStream {
    let types = method.arguments.iter().map(|argument| argument.ty.to_token_stream());
    tuple(&types.collect::<Vec<_>>())
}

/// The type of the answer as the trait wrote it, `()` where it wrote nothing.
fn output(answer: &Answer<'_>) -> TokenStream {
    match answer {
        Answer::Unit => quote!(()),
        Answer::Value(ty) | Answer::Fallible { written: ty, .. } => ty.to_token_stream(),
        Answer::Stream { bounds, error: None, .. } => quote!(impl #bounds),
        Answer::Stream { error: Some((written, _)), .. } => written.to_token_stream(),
    }
}

/// What the trait and its implementations take: the arguments, and a stream behind them.
fn parameters(service: &Service<'_>, method: &Method<'_>) -> Vec<(Ident, TokenStream)> {
    let root = service.root;
    let arguments = method.arguments.iter();
    let mut parameters: Vec<_> =
        arguments.map(|argument| (argument.ident.clone(), argument.ty.to_token_stream())).collect();
    match method.input {
        Input::None => {}
        Input::Items { ident, item, .. } => {
            parameters.push((ident.clone(), quote!(#root::Incoming<#item>)));
        }
        Input::Bytes { ident, ty } => parameters.push((ident.clone(), ty.to_token_stream())),
    }
    parameters
}

/// The value and the error of a fallible answer.
fn parts(
    service: &Service<'_>,
    written: &Type,
    parts: Option<(&Type, &Type)>,
) -> (TokenStream, TokenStream) {
    if let Some((value, error)) = parts {
        return (value.to_token_stream(), error.to_token_stream());
    }
    let root = service.root;
    (
        quote!(<#written as #root::__private::Fallible>::Value),
        quote!(<#written as #root::__private::Fallible>::Error),
    )
}

/// The same tokens at another place, where the compiler shows what is wrong with them.
fn at(tokens: impl ToTokens, span: Span) -> TokenStream {
    let moved = tokens.into_token_stream().into_iter().map(|mut token| {
        token.set_span(token.span().located_at(span));
        token
    });
    moved.collect()
}

/// Where a complaint of the compiler about the answer is shown: at the type, as generated code.
fn answer_span(method: &Method<'_>) -> Span {
    let place = match &method.answer {
        Answer::Unit => method.ident().span(),
        Answer::Value(ty) | Answer::Fallible { written: ty, .. } => ty.span(),
        Answer::Stream { item, .. } => item.span(),
    };
    Span::call_site().located_at(place)
}

/// The same for the arguments, which are sent as one.
fn arguments_span(method: &Method<'_>) -> Span {
    let place = match &method.arguments[..] {
        [argument] => argument.ty.span(),
        _ => method.ident().span(),
    };
    Span::call_site().located_at(place)
}
