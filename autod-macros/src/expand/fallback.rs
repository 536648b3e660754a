//! What is left of a trait with mistakes: enough that only the mistakes are reported.
//!
//! The trait stays as it was written, the client has its methods with any arguments, and every
//! object seems to serve it. Nothing of it runs, since the compilation has failed.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{FnArg, ItemTrait, Pat, TraitItem, TraitItemFn, parse_quote};

use crate::check::item_of_stream;
use crate::expand::blocking;
use crate::expand::client::{attributes, connection, declaration, returned};
use crate::expand::contract::diagnostic;
use crate::mistakes::Mistakes;
use crate::model::{Input, Method, Service};
use crate::parse::{is_conditional_option, is_option};

/// An item that is no trait.
pub(super) fn item(tokens: &TokenStream, mistakes: &Mistakes) -> TokenStream {
    let errors = mistakes.to_compile_errors();
    quote! {
        #tokens
        #errors
    }
}

/// A trait with mistakes.
pub(super) fn service(service: &Service<'_>, mistakes: &Mistakes) -> TokenStream {
    let errors = mistakes.to_compile_errors();
    let diagnostic = diagnostic(service);
    let contract = tolerated(service);
    let declaration = declaration(service);
    let connection = connection(service);
    let blocking_declaration = blocking::declaration(service);
    let blocking_connection = blocking::connection(service);
    let blocking_client = service.blocking_client_type();
    let root = service.root;
    let client = service.client_type();
    let (parameters, _, clause) = service.generics.split_for_impl();
    let served = service.generics_with(parse_quote!(
        __T: ::core::marker::Send + ::core::marker::Sync + 'static
    ));
    let (served, _, _) = served.split_for_impl();
    let name = service.name();
    let methods = distinct(&service.methods).map(|method| stub(service, method));
    let blocking_methods = distinct(&service.methods)
        .map(|method| blocking::stub(service, method, &arguments(method)));
    quote! {
        #errors

        #diagnostic
        #[allow(async_fn_in_trait)]
        #contract

        #declaration

        #[allow(dead_code)]
        impl #parameters #client #clause {
            #(#methods)*
        }

        #connection

        #blocking_declaration

        #[allow(dead_code)]
        impl #parameters #blocking_client #clause {
            #(#blocking_methods)*
        }

        #blocking_connection

        impl #parameters #root::__private::Service for #client #clause {
            const TABLE: &'static #root::__private::Table =
                &#root::__private::Table::new(#name, "", &[]);
        }

        impl #served #root::__private::Serves<__T> for #client #clause {
            async fn dispatch<__R: #root::__private::Request>(
                _: ::std::sync::Arc<__T>,
                __request: __R,
            ) -> #root::__private::Answered {
                <__R as #root::__private::Request>::unknown(__request)
            }
        }
    }
}

/// The trait without what the compiler would complain about a second time.
fn tolerated(service: &Service<'_>) -> TokenStream {
    let mut item: ItemTrait = service.item.clone();
    item.attrs.retain(|attribute| !is_option(attribute));
    item.unsafety = None;
    item.modifiers.auto_token = None;
    item.colon_token = Some(syn::Token![:](item.ident.span()));
    item.supertraits.push(parse_quote!(::core::marker::Send));
    item.supertraits.push(parse_quote!(::core::marker::Sync));
    item.supertraits.push(parse_quote!(::core::marker::Sized));
    item.supertraits.push(parse_quote!('static));
    for member in &mut item.items {
        if let TraitItem::Fn(method) = member {
            tolerated_method(service, method);
        }
    }
    item.into_token_stream()
}

fn tolerated_method(service: &Service<'_>, method: &mut TraitItemFn) {
    method.attrs.retain(|attribute| !is_option(attribute) && !is_conditional_option(attribute));
    method.modifiers.defaultness = None;
    method.sig.constness = None;
    method.sig.variadic = None;
    for input in &mut method.sig.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                receiver.attrs.clear();
                if method.default.is_none() {
                    receiver.mutability = None;
                }
            }
            FnArg::Typed(argument) => {
                argument.attrs.clear();
                // Implementations name the type.
                if let Some(item) = item_of_stream(&argument.ty) {
                    let root = service.root;
                    argument.ty = parse_quote!(#root::Incoming<#item>);
                }
                if method.default.is_none() && !matches!(*argument.pat, Pat::Wild(_)) {
                    argument.pat = parse_quote!(_);
                }
            }
        }
    }
}

/// The first of the methods of each name.
fn distinct<'a, 'b>(methods: &'a [Method<'b>]) -> impl Iterator<Item = &'a Method<'b>> {
    let mut seen = std::collections::HashSet::new();
    methods.iter().filter(move |method| seen.insert(method.ident()))
}

fn stub(service: &Service<'_>, method: &Method<'_>) -> TokenStream {
    let attributes = attributes(service, method);
    let visibility = &service.item.vis;
    let ident = method.ident();
    let returned = returned(service, method);
    let arguments = arguments(method);
    let stream = match method.input {
        Input::Items { bounds, .. } if method.right => {
            Some(quote!(_: impl #bounds + ::core::marker::Send + 'static))
        }
        _ => None,
    };
    quote! {
        #(#attributes)*
        #visibility fn #ident(&self, #arguments #stream) -> #returned {
            ::core::unimplemented!()
        }
    }
}

/// What a stub takes: any arguments, if they are not right.
fn arguments(method: &Method<'_>) -> TokenStream {
    if method.right {
        let types = method.arguments.iter().map(|argument| argument.ty);
        return quote!(#(_: #types,)*);
    }
    let arguments = method
        .item
        .sig
        .inputs
        .iter()
        .filter(|input| match (input, &method.input) {
            (FnArg::Receiver(_), _) => false,
            (FnArg::Typed(argument), Input::Bytes { ty, .. }) => {
                !std::ptr::eq(&raw const *argument.ty, *ty)
            }
            (FnArg::Typed(_), _) => true,
        })
        .map(|_| quote!(_: impl ::core::marker::Sized));
    quote!(#(#arguments,)*)
}
