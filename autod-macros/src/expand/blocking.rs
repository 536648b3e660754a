//! The client that blocks: each method is that of the async client, and waits for what it gives. So a
//! type that cannot travel is one mistake of one method, and the code of a call is compiled once.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use crate::expand::client::{attributes, marker};
use crate::expand::{output, parts};
use crate::model::{Answer, Input, Method, Service};
use crate::parse::attributes_named;

pub(super) fn declaration(service: &Service<'_>) -> TokenStream {
    let root = service.root;
    let item = service.item;
    let client = service.blocking_client();
    let visibility = &item.vis;
    let attributes = attributes_named(&item.attrs, &["deprecated"]);
    let docs = format!(" The client of [`{}`] that blocks.", service.name());
    let parameters = &service.generics;
    let clause = &parameters.where_clause;
    let marker = marker(service).map(|marker| quote!(parameters: #marker,));
    quote! {
        #[doc = #docs]
        #(#attributes)*
        #[allow(dead_code, deprecated)]
        #visibility struct #client #parameters #clause {
            connection: #root::__private::blocking::Connection,
            #marker
        }
    }
}

pub(super) fn methods(service: &Service<'_>) -> TokenStream {
    let client = service.blocking_client_type();
    let (parameters, _, clause) = service.generics.split_for_impl();
    let methods = service.methods.iter().map(|item| method(service, item));
    quote! {
        #[allow(dead_code, deprecated, clippy::all, clippy::pedantic)]
        impl #parameters #client #clause {
            #(#methods)*
        }
    }
}

/// Inline, so that who does not use it does not compile it.
fn method(service: &Service<'_>, method: &Method<'_>) -> TokenStream {
    let root = service.root;
    let attributes = attributes(service, method);
    let visibility = &service.item.vis;
    let client = service.client_type();
    let ident = method.ident();
    let names: Vec<_> = method.arguments.iter().map(|argument| argument.ident).collect();
    let types = method.arguments.iter().map(|argument| argument.ty);
    let returned = returned(service, method);
    let items = items(method).map(|(ident, ty)| quote!(#ident: #ty));
    let upstream = match method.input {
        Input::Items { ident, .. } => Some(quote!(#root::__private::blocking::items(#ident))),
        _ => None,
    };
    let wait = Ident::new(wait(method), ident.span());
    quote! {
        #(#attributes)*
        #[inline]
        #visibility fn #ident(&self, #(#names: #types,)* #items) -> #returned {
            #root::__private::blocking::#wait(
                &self.connection,
                <#client>::#ident(
                    &#root::__private::blocking::client::<#client>(&self.connection),
                    #(#names,)*
                    #upstream
                ),
            )
        }
    }
}

/// The function that waits for what the async method gives.
fn wait(method: &Method<'_>) -> &'static str {
    match (&method.answer, &method.input) {
        (Answer::Stream { .. }, _) => "open",
        (_, Input::Bytes { .. }) => "pipe",
        _ => "call",
    }
}

/// The stream among the arguments, as what an iterator gives.
fn items<'a>(method: &Method<'a>) -> Option<(&'a Ident, TokenStream)> {
    let Input::Items { ident, item, .. } = method.input else { return None };
    let ty = quote! {
        impl ::core::iter::IntoIterator<Item = #item, IntoIter: ::core::marker::Send + 'static>
    };
    Some((ident, ty))
}

fn returned(service: &Service<'_>, method: &Method<'_>) -> TokenStream {
    let root = service.root;
    let takes_bytes = matches!(method.input, Input::Bytes { .. });
    match &method.answer {
        Answer::Unit | Answer::Value(_) => {
            let output = output(&method.answer);
            if takes_bytes {
                quote!(#root::blocking::Pipe<#output>)
            } else {
                quote!(::core::result::Result<#output, #root::Error>)
            }
        }
        Answer::Fallible { written, parts: visible } => {
            let (value, error) = parts(service, written, *visible);
            if takes_bytes {
                quote!(#root::blocking::Pipe<#value, #root::CallError<#error>>)
            } else {
                quote!(::core::result::Result<#value, #root::CallError<#error>>)
            }
        }
        Answer::Stream { item, error: None, .. } => quote!(#root::blocking::Incoming<#item>),
        Answer::Stream { item, error: Some((_, error)), .. } => {
            quote!(#root::blocking::Incoming<#item, #root::CallError<#error>>)
        }
    }
}

/// The way into the client and out of it.
pub(super) fn connection(service: &Service<'_>) -> TokenStream {
    let root = service.root;
    let (client, blocking) = (service.client_type(), service.blocking_client_type());
    let name = service.blocking_client().to_string();
    let (parameters, _, clause) = service.generics.split_for_impl();
    let marker = marker(service).map(|_| quote!(parameters: ::core::marker::PhantomData,));
    quote! {
        #[automatically_derived]
        impl #parameters ::core::clone::Clone for #blocking #clause {
            fn clone(&self) -> Self {
                Self { connection: ::core::clone::Clone::clone(&self.connection), #marker }
            }
        }

        #[automatically_derived]
        impl #parameters ::core::fmt::Debug for #blocking #clause {
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                __f.debug_struct(#name).field("connection", &self.connection).finish()
            }
        }

        #[automatically_derived]
        impl #parameters #root::__private::blocking::Client for #blocking #clause {
            type Async = #client;

            fn from_connection(__connection: #root::__private::blocking::Connection) -> Self {
                Self { connection: __connection, #marker }
            }

            fn connection(&self) -> &#root::__private::blocking::Connection {
                &self.connection
            }
        }
    }
}

/// A method of a trait with mistakes.
pub(super) fn stub(
    service: &Service<'_>,
    method: &Method<'_>,
    arguments: &TokenStream,
) -> TokenStream {
    let attributes = attributes(service, method);
    let visibility = &service.item.vis;
    let ident = method.ident();
    let returned = returned(service, method);
    let items = items(method).filter(|_| method.right).map(|(_, ty)| quote!(_: #ty));
    quote! {
        #(#attributes)*
        #visibility fn #ident(&self, #arguments #items) -> #returned {
            ::core::unimplemented!()
        }
    }
}
