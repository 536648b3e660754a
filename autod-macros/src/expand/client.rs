//! The typed client: the methods of the trait on a connection, and nothing of ours beside them.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;

use crate::expand::{answer_span, arguments_span, at, output, parts, row, tuple};
use crate::model::{Answer, Method, Service};
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
    let gap = (!attributes_named(&item.attrs, &["doc"]).is_empty()).then(|| quote!(#[doc = ""]));
    quote! {
        #[doc = #docs]
        #gap
        #(#attributes)*
        #[allow(deprecated)]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #visibility struct #client {
            connection: #root::__private::Connection,
        }
    }
}

pub(super) fn methods(service: &Service<'_>) -> TokenStream {
    let client = service.client();
    let methods =
        service.methods.iter().enumerate().map(|(position, item)| method(service, position, item));
    quote! {
        #[allow(dead_code, deprecated, clippy::all, clippy::pedantic)]
        impl #client {
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
    let returned = returned(service, &method.answer);
    let span = answer_span(method);
    let place = at(root, span);
    let function = match method.answer {
        Answer::Unit | Answer::Value(_) => quote_spanned!(span=> call),
        Answer::Fallible { .. } => quote_spanned!(span=> call_fallible),
        Answer::Stream { .. } => quote_spanned!(span=> open),
    };
    let row = row(position);
    let arguments = tuple(&names.iter().map(ToTokens::to_token_stream).collect::<Vec<_>>());
    let arguments = at(quote!(&#arguments), arguments_span(method));
    let body = quote_spanned! {span=>
        #place::__private::#function(&self.connection, &#row, #arguments)
    };
    quote! {
        #(#attributes)*
        #visibility fn #ident(&self, #(#names: #types),*) -> #returned {
            #body
        }
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
pub(super) fn returned(service: &Service<'_>, answer: &Answer<'_>) -> TokenStream {
    let root = service.root;
    match answer {
        Answer::Unit | Answer::Value(_) => {
            let output = output(answer);
            quote!(#root::Call<#output>)
        }
        Answer::Fallible { written, parts: visible } => {
            let (value, error) = parts(service, written, *visible);
            quote!(#root::Call<#value, #root::CallError<#error>>)
        }
        Answer::Stream { item, .. } => quote!(#root::Incoming<#item>),
    }
}

/// The way into the client and out of it.
pub(super) fn connection(service: &Service<'_>) -> TokenStream {
    let root = service.root;
    let client = service.client();
    quote! {
        #[automatically_derived]
        impl #root::__private::Client for #client {
            fn from_connection(__connection: #root::__private::Connection) -> Self {
                Self { connection: __connection }
            }

            fn connection(&self) -> &#root::__private::Connection {
                &self.connection
            }
        }
    }
}
