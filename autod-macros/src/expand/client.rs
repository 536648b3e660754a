//! The typed client: the methods of the trait on a connection, and nothing of ours beside them.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use crate::expand::{answer_span, arguments_span, at, output, parts, row, tuple};
use crate::model::{Answer, Input, Method, Service};
use crate::parse::attributes_named;

/// The attributes that mean the same on a method of the client as on that of the trait.
const CARRIED: &[&str] = &["cfg", "doc", "deprecated", "allow"];

pub(super) fn declaration(service: &Service<'_>) -> TokenStream {
    let root = service.root;
    let item = service.item;
    let client = service.client();
    let visibility = &item.vis;
    let attributes = attributes_named(&item.attrs, &["doc", "deprecated"]);
    let docs = format!(" The client of [`{}`].", service.name());
    let parameters = &service.generics;
    let clause = &parameters.where_clause;
    let marker = marker(service).map(|marker| quote!(parameters: #marker,));
    let gap = (!attributes_named(&item.attrs, &["doc"]).is_empty()).then(|| quote!(#[doc = ""]));
    quote! {
        #[doc = #docs]
        #gap
        #(#attributes)*
        #[allow(deprecated)]
        #visibility struct #client #parameters #clause {
            connection: #root::__private::Connection,
            #marker
        }
    }
}

/// What holds the parameters that are types; the type is `Send` and `Sync` whatever they are.
pub(super) fn marker(service: &Service<'_>) -> Option<TokenStream> {
    let types: Vec<_> = service.generics.type_params().map(|parameter| &parameter.ident).collect();
    (!types.is_empty()).then(|| quote!(::core::marker::PhantomData<fn() -> (#(#types,)*)>))
}

pub(super) fn methods(service: &Service<'_>) -> TokenStream {
    let client = service.client_type();
    let (parameters, _, clause) = service.generics.split_for_impl();
    let methods =
        service.methods.iter().enumerate().map(|(position, item)| method(service, position, item));
    quote! {
        #[allow(dead_code, deprecated, clippy::all, clippy::pedantic)]
        impl #parameters #client #clause {
            #(#methods)*
        }
    }
}

fn method(service: &Service<'_>, position: usize, method: &Method<'_>) -> TokenStream {
    let root = service.root;
    let attributes = attributes(service, method);
    let visibility = &service.item.vis;
    let ident = method.ident();
    let names: Vec<_> = method.arguments.iter().map(|argument| argument.ident).collect();
    let types = method.arguments.iter().map(|argument| argument.ty);
    let returned = returned(service, method);
    let span = answer_span(method);
    let place = at(root, span);
    let function = Ident::new(function(method), span);
    let upstream = upstream(service, &method.input);
    let stream = match method.input {
        Input::Items { ident, bounds, .. } => {
            Some(quote!(#ident: impl #bounds + ::core::marker::Send + 'static))
        }
        _ => None,
    };
    let row = row(position);
    let arguments = tuple(&names.iter().map(ToTokens::to_token_stream).collect::<Vec<_>>());
    let arguments = at(quote!(#arguments), arguments_span(method));
    let body = quote_spanned! {span=>
        #place::__private::#function(&self.connection, &#row, #arguments #upstream)
    };
    quote! {
        #(#attributes)*
        #visibility fn #ident(&self, #(#names: #types,)* #stream) -> #returned {
            #body
        }
    }
}

/// The function that makes such a call.
fn function(method: &Method<'_>) -> &'static str {
    match (&method.answer, &method.input) {
        (Answer::Unit | Answer::Value(_), Input::Bytes { .. }) => "pipe",
        (Answer::Unit | Answer::Value(_), _) => "call",
        (Answer::Fallible { .. }, Input::Bytes { .. }) => "pipe_fallible",
        (Answer::Fallible { .. }, _) => "call_fallible",
        (Answer::Stream { error: None, .. }, _) => "open",
        (Answer::Stream { error: Some(_), .. }, _) => "open_fallible",
    }
}

/// The stream that goes along with a call, as its last argument.
fn upstream(service: &Service<'_>, input: &Input<'_>) -> Option<TokenStream> {
    let root = service.root;
    match input {
        Input::None => Some(quote!(, #root::__private::Upstream::NONE)),
        Input::Items { ident, item, .. } => {
            let span = Span::call_site().located_at(item.span());
            let place = at(root, span);
            Some(quote_spanned!(span=> , #place::__private::Upstream::items::<#item>(#ident)))
        }
        Input::Bytes { .. } => None,
    }
}

/// The attributes of a method of the client.
pub(super) fn attributes(service: &Service<'_>, method: &Method<'_>) -> Vec<TokenStream> {
    let mut attributes = attributes_named(&method.item.attrs, CARRIED);
    if attributes_named(&method.item.attrs, &["doc"]).is_empty() {
        let docs = format!(" Calls [`{}::{}`].", service.name(), method.ident().unraw());
        attributes.push(quote!(#[doc = #docs]));
    }
    attributes
}

/// What a method of the client returns.
pub(super) fn returned(service: &Service<'_>, method: &Method<'_>) -> TokenStream {
    let root = service.root;
    let takes_bytes = matches!(method.input, Input::Bytes { .. });
    let call = if takes_bytes { quote!(Pipe) } else { quote!(Call) };
    match &method.answer {
        Answer::Unit | Answer::Value(_) => {
            let output = output(&method.answer);
            quote!(#root::#call<#output>)
        }
        Answer::Fallible { written, parts: visible } => {
            let (value, error) = parts(service, written, *visible);
            quote!(#root::#call<#value, #root::CallError<#error>>)
        }
        Answer::Stream { item, error: None, .. } => quote!(#root::Incoming<#item>),
        Answer::Stream { item, error: Some((_, error)), .. } => {
            quote!(#root::Incoming<#item, #root::CallError<#error>>)
        }
    }
}

/// The way into the client and out of it.
pub(super) fn connection(service: &Service<'_>) -> TokenStream {
    let root = service.root;
    let client = service.client_type();
    let name = service.client().to_string();
    let (parameters, _, clause) = service.generics.split_for_impl();
    let marker = marker(service).map(|_| quote!(parameters: ::core::marker::PhantomData,));
    quote! {
        #[automatically_derived]
        impl #parameters ::core::clone::Clone for #client #clause {
            fn clone(&self) -> Self {
                Self { connection: ::core::clone::Clone::clone(&self.connection), #marker }
            }
        }

        #[automatically_derived]
        impl #parameters ::core::fmt::Debug for #client #clause {
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                __f.debug_struct(#name).field("connection", &self.connection).finish()
            }
        }

        #[automatically_derived]
        impl #parameters #root::__private::Client for #client #clause {
            fn from_connection(__connection: #root::__private::Connection) -> Self {
                Self { connection: __connection, #marker }
            }

            fn connection(&self) -> &#root::__private::Connection {
                &self.connection
            }
        }
    }
}
