//! The method table: one row for each method, and the proof that their ids differ.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{ConstParam, GenericParam, TypeParam};

use crate::expand::{conditions, row};
use crate::model::{Answer, Input, Method, Service};
use crate::parse::docs;
use crate::types::text;

/// The rows, each a constant, so that one that is configured away takes nothing with it.
pub(super) fn rows(service: &Service<'_>) -> TokenStream {
    let rows = service.methods.iter().enumerate().map(|(position, method)| {
        let conditions = conditions(method);
        let name = row(position);
        let value = value(service, method);
        let root = service.root;
        quote! {
            #(#conditions)*
            const #name: #root::__private::Method = #value;
        }
    });
    quote!(#(#rows)*)
}

fn value(service: &Service<'_>, method: &Method<'_>) -> TokenStream {
    let root = service.root;
    let name = &method.name;
    let streams = matches!(method.answer, Answer::Stream { .. });
    let kind = match (&method.input, streams) {
        (Input::None, false) => quote!(Unary),
        (Input::None, true) => quote!(Stream),
        (Input::Items { .. }, false) => quote!(ClientStream),
        (Input::Items { .. }, true) => quote!(BothWays),
        (Input::Bytes { .. }, _) => quote!(Bytes),
    };
    let input = option(match method.input {
        Input::Items { ident, item, .. } => {
            let name = ident.unraw().to_string();
            let ty = text(item);
            Some(quote!(#root::__private::Argument { name: #name, ty: #ty }))
        }
        _ => None,
    });
    let policy = match method.drop_oldest {
        None => quote!(BackPressure),
        Some(most) => quote!(DropOldest(#most)),
    };
    let arguments = method.arguments.iter().map(|argument| {
        let name = argument.ident.unraw().to_string();
        let ty = text(argument.ty);
        quote!(#root::__private::Argument { name: #name, ty: #ty })
    });
    let (output, error) = match &method.answer {
        Answer::Unit => ("()".to_owned(), None),
        Answer::Value(ty) => (text(ty), None),
        Answer::Stream { item, error, .. } => (text(item), error.map(|(_, error)| text(error))),
        Answer::Fallible { parts: Some((value, error)), .. } => (text(value), Some(text(error))),
        Answer::Fallible { written, parts: None } => {
            let written = text(written);
            (format!("<{written}>::Value"), Some(format!("<{written}>::Error")))
        }
    };
    let error = option(error.map(|error| quote!(#error)));
    let no_cancel = method.no_cancel;
    let idempotent = method.idempotent;
    let docs = docs(&method.item.attrs);
    quote! {
        #root::__private::Method {
            name: #name,
            id: #root::__private::method_id(#name),
            kind: #root::__private::Kind::#kind,
            arguments: &[#(#arguments),*],
            input: #input,
            output: #output,
            error: #error,
            policy: #root::__private::Policy::#policy,
            no_cancel: #no_cancel,
            idempotent: #idempotent,
            docs: #docs,
        }
    }
}

fn option(value: Option<TokenStream>) -> TokenStream {
    value.map_or_else(
        || quote!(::core::option::Option::None),
        |value| quote!(::core::option::Option::Some(#value)),
    )
}

/// The table of the rows that are left.
pub(super) fn table(service: &Service<'_>) -> TokenStream {
    let root = service.root;
    let client = service.client_type();
    let (generics, _, clause) = service.generics.split_for_impl();
    let parameters = parameters(service);
    let name = service.name();
    let docs = docs(&service.item.attrs);
    let rows = service.methods.iter().enumerate().map(|(position, method)| {
        let conditions = conditions(method);
        let row = row(position);
        quote!(#(#conditions)* #row)
    });
    quote! {
        const __TABLE: #root::__private::Table =
            #root::__private::Table::new(#name, #docs, &[#(#rows),*]);
        const _: () = #root::__private::assert_distinct(__TABLE.methods);

        #[automatically_derived]
        impl #generics #root::__private::Service for #client #clause {
            const TABLE: &'static #root::__private::Table = &__TABLE #parameters;
        }
    }
}

/// The parameters of the service, if it has any.
fn parameters(service: &Service<'_>) -> Option<TokenStream> {
    let root = service.root;
    let parameters = service.generics.params.iter().map(|parameter| {
        let (ident, identity) = match parameter {
            GenericParam::Type(TypeParam { ident, .. }) => {
                (ident, quote!(#root::__private::shape::<#ident>))
            }
            GenericParam::Const(ConstParam { ident, .. }) => (
                ident,
                quote!(|| #root::__private::constant(&::std::string::ToString::to_string(&#ident))),
            ),
            // No service has one.
            GenericParam::Lifetime(_) => return TokenStream::new(),
        };
        let name = ident.unraw().to_string();
        quote!(#root::__private::Parameter { name: #name, identity: #identity },)
    });
    (!service.generics.params.is_empty()).then(|| quote!(.with_parameters(&[#(#parameters)*])))
}
