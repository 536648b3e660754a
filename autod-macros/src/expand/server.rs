//! The dispatch of a request to an object that implements the trait.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::parse_quote;

use crate::expand::{
    answer_span, argument_types, arguments_span, at, conditions, output, parts, row, tuple,
};
use crate::model::{Answer, Input, Method, Service};

pub(super) fn server(service: &Service<'_>) -> TokenStream {
    let root = service.root;
    let client = service.client_type();
    let contract = service.contract();
    let generics = service.generics_with(parse_quote!(__T: #contract));
    let (parameters, _, clause) = generics.split_for_impl();
    let ids = service.methods.iter().enumerate().map(|(position, method)| {
        let conditions = conditions(method);
        let id = id(position);
        let row = row(position);
        quote! {
            #(#conditions)*
            const #id: u64 = #row.id;
        }
    });
    let arms =
        service.methods.iter().enumerate().map(|(position, method)| arm(service, position, method));
    quote! {
        #(#ids)*

        #[automatically_derived]
        impl #parameters #root::__private::Serves<__T> for #client #clause {
            fn dispatch<__R: #root::__private::Request>(
                __target: ::std::sync::Arc<__T>,
                __request: __R,
            ) -> impl ::core::future::Future<Output = #root::__private::Answered>
                + ::core::marker::Send
                + 'static
            {
                async move {
                    match <__R as #root::__private::Request>::method(&__request) {
                        #(#arms)*
                        _ => <__R as #root::__private::Request>::unknown(__request),
                    }
                }
            }
        }
    }
}

fn id(position: usize) -> Ident {
    format_ident!("__ID_{position}")
}

fn arm(service: &Service<'_>, position: usize, method: &Method<'_>) -> TokenStream {
    let root = service.root;
    let contract = service.contract();
    let conditions = conditions(method);
    let id = id(position);
    let ident = method.ident();
    let names: Vec<_> =
        (0..method.arguments.len()).map(|at| format_ident!("__argument_{at}")).collect();
    let arguments = tuple(&names.iter().map(ToTokens::to_token_stream).collect::<Vec<_>>());
    let answered = answered(service, position, method);
    let span = arguments_span(method);
    let place = at(root, span);
    let types = at(argument_types(method), span);
    let (decoded, pattern, input) = match &method.input {
        Input::None => (quote_spanned!(span=> arguments::<#types>), quote!(#arguments), None),
        Input::Items { item, .. } => (
            quote_spanned!(span=> arguments_and_items::<#types, #item>),
            quote!(#arguments, __input),
            Some(quote!(__input)),
        ),
        Input::Bytes { .. } => (
            quote_spanned!(span=> arguments_and_bytes::<#types>),
            quote!(#arguments, __input),
            Some(quote!(__input)),
        ),
    };
    let decoded = quote_spanned! {span=>
        <__R as #place::__private::Request>::#decoded(__request)
    };
    let keep =
        method.no_cancel.then(|| quote!(<__R as #root::__private::Request>::keep(&__request);));
    let called = quote!(<__T as #contract>::#ident(&*__target, #(#names,)* #input));
    let called = if method.is_plain_stream() { called } else { quote!(#called.await) };
    quote! {
        #(#conditions)*
        #id => {
            #keep
            let (#pattern, __request) =
                match #decoded {
                    ::core::result::Result::Ok(__decoded) => __decoded,
                    ::core::result::Result::Err(__answered) => return __answered,
                };
            let __output = #called;
            #answered
        }
    }
}

/// Gives `__output` to the request.
fn answered(service: &Service<'_>, position: usize, method: &Method<'_>) -> TokenStream {
    let root = service.root;
    let span = answer_span(method);
    let place = at(root, span);
    let request = quote_spanned!(span=> <__R as #place::__private::Request>);
    match &method.answer {
        Answer::Unit | Answer::Value(_) => {
            let output = output(&method.answer);
            quote_spanned!(span=> #request::reply::<#output>(__request, __output))
        }
        Answer::Fallible { written, parts: visible } => {
            let (value, error) = parts(service, written, *visible);
            quote_spanned! {span=>
                #request::reply_result::<#value, #error>(
                    __request,
                    <#written as #root::__private::Fallible>::into_result(__output),
                )
            }
        }
        Answer::Stream { error: None, .. } => {
            let row = row(position);
            quote_spanned!(span=> #request::stream(__request, __output, #row.policy).await)
        }
        Answer::Stream { error: Some((_, error)), .. } => {
            let row = row(position);
            quote_spanned! {span=>
                match #root::__private::Fallible::into_result(__output) {
                    ::core::result::Result::Ok(__items) => {
                        #request::stream(__request, __items, #row.policy).await
                    }
                    ::core::result::Result::Err(__error) => {
                        #request::reply_error::<#error>(__request, __error)
                    }
                }
            }
        }
    }
}
