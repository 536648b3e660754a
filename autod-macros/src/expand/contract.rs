//! The trait, with futures and streams that can go to another thread, and its gift to `Arc`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{GenericArgument, Generics, PathArguments, TraitItemFn, Type, TypePath, parse_quote};

use crate::expand::{answer_span, conditions, output, parameters};
use crate::model::{Answer, Method, Service};
use crate::parse::is_option;

pub(super) fn contract(service: &Service<'_>) -> TokenStream {
    let item = service.item;
    let attributes = item.attrs.iter();
    let diagnostic = diagnostic(service);
    let visibility = &item.vis;
    let keyword = &item.trait_token;
    let ident = &item.ident;
    let parameters = &service.generics;
    let clause = &parameters.where_clause;
    let supertraits = item.supertraits.iter();
    let methods = service.methods.iter().map(|method| declared(service, method));
    let name = service.contract();
    let shared = service.methods.iter().map(|method| forwarded(service, method));
    let shared_generics = shareable(service);
    let (shared_parameters, _, shared_clause) = shared_generics.split_for_impl();
    quote! {
        #(#attributes)*
        #diagnostic
        #visibility #keyword #ident #parameters:
            #(#supertraits +)*
            ::core::marker::Send + ::core::marker::Sync + 'static
        #clause
        {
            #(#methods)*
        }

        #[allow(deprecated)]
        #[automatically_derived]
        impl #shared_parameters #name for ::std::sync::Arc<__T> #shared_clause {
            #(#shared)*
        }
    }
}

/// The parameters of the implementation for an `Arc<__T>`, which is what the trait asks of its objects.
fn shareable(service: &Service<'_>) -> Generics {
    let contract = service.contract();
    let mut generics = service.generics_with(parse_quote!(__T: #contract + ?::core::marker::Sized));
    let supertraits = &service.item.supertraits;
    if !supertraits.is_empty() {
        let clause = generics.make_where_clause();
        clause.predicates.push(parse_quote!(::std::sync::Arc<__T>: #supertraits));
    }
    generics
}

/// The compiler's words for an object that is no such service, unless the trait has its own.
pub(super) fn diagnostic(service: &Service<'_>) -> Option<TokenStream> {
    let own = service.item.attrs.iter().any(|attribute| {
        attribute.path().segments.last().is_some_and(|last| last.ident == "on_unimplemented")
    });
    let name = service.name();
    let message = format!("`{{Self}}` does not implement the service `{name}`");
    let label = format!("an object that serves `{name}` implements the trait `{name}`");
    (!own).then(|| {
        quote! {
            #[diagnostic::on_unimplemented(message = #message, label = #label)]
        }
    })
}

/// What the method returns in the trait.
fn returned(method: &Method<'_>) -> TokenStream {
    let output = match &method.answer {
        Answer::Stream { error: Some((written, _)), .. } => sendable(written),
        answer => output(answer),
    };
    let span = answer_span(method);
    if method.is_plain_stream() {
        quote_spanned!(span=> #output + ::core::marker::Send)
    } else {
        quote_spanned!(span=> impl ::core::future::Future<Output = #output> + ::core::marker::Send)
    }
}

/// A `Result<impl Stream<..>, ..>` whose stream can go to another thread.
fn sendable(written: &TypePath) -> TokenStream {
    let mut written = written.clone();
    if let Some(last) = written.path.segments.last_mut()
        && let PathArguments::AngleBracketed(generics) = &mut last.arguments
        && let Some(GenericArgument::Type(ty)) = generics.args.first_mut()
    {
        let stream = ty.to_token_stream();
        *ty = Type::Verbatim(quote!(#stream + ::core::marker::Send));
    }
    written.into_token_stream()
}

fn declared(service: &Service<'_>, method: &Method<'_>) -> TokenStream {
    let attributes = method.item.attrs.iter().filter(|attribute| !is_option(attribute));
    let signature = &method.item.sig;
    let keyword = &signature.fn_token;
    let ident = &signature.ident;
    let receiver = signature.inputs.first();
    let (names, types): (Vec<_>, Vec<_>) = parameters(service, method).into_iter().unzip();
    let returned = returned(method);
    let body = body(method.item);
    quote! {
        #(#attributes)*
        #keyword #ident(#receiver, #(#names: #types),*) -> #returned #body
    }
}

fn body(method: &TraitItemFn) -> TokenStream {
    match &method.default {
        None => quote!(;),
        Some(block) if method.sig.asyncness.is_some() => quote!({ async move #block }),
        Some(block) => block.to_token_stream(),
    }
}

fn forwarded(service: &Service<'_>, method: &Method<'_>) -> TokenStream {
    let conditions = conditions(method);
    let contract = service.contract();
    let ident = method.ident();
    let (names, types): (Vec<_>, Vec<_>) = parameters(service, method).into_iter().unzip();
    let returned = returned(method);
    quote! {
        #(#conditions)*
        fn #ident(&self, #(#names: #types),*) -> #returned {
            <__T as #contract>::#ident(&**self, #(#names),*)
        }
    }
}
