//! The rules of what a method returns.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{
    GenericArgument, PathArguments, ReturnType, Signature, Token, Type, TypeParamBound, TypePath,
};

use crate::check::{bare, value};
use crate::mistakes::Mistakes;
use crate::model::Answer;

pub(super) fn check<'a>(signature: &'a Signature, mistakes: &mut Mistakes) -> Option<Answer<'a>> {
    let before = mistakes.count();
    let answer = match &signature.output {
        ReturnType::Default if signature.asyncness.is_some() => Some(Answer::Unit),
        ReturnType::Default => {
            mistakes.at(head(signature), unclear(signature));
            None
        }
        ReturnType::Type(_, written) => match bare(written) {
            Type::ImplTrait(stream) => items(signature, &stream.bounds, mistakes),
            ty => value_of(signature, written, ty, mistakes),
        },
    };
    answer.filter(|_| mistakes.count() == before)
}

fn unclear(signature: &Signature) -> String {
    let name = &signature.ident;
    format!(
        "write `async fn {name}` for one answer, or `fn {name}(..) -> impl Stream<Item = T>` for many"
    )
}

fn value_of<'a>(
    signature: &Signature,
    written: &'a Type,
    ty: &'a Type,
    mistakes: &mut Mistakes,
) -> Option<Answer<'a>> {
    if signature.asyncness.is_none() {
        // The type is judged when the kind of the method is clear.
        mistakes.at(head(signature), unclear(signature));
        return None;
    }
    value::check(written, value::Place::Answer, mistakes);
    match ty {
        Type::Path(path) if is_result(path) => {
            Some(Answer::Fallible { written, parts: visible_parts(path) })
        }
        _ => Some(Answer::Value(written)),
    }
}

/// `fn name`: the place where `async` is missing.
fn head(signature: &Signature) -> TokenStream {
    let mut tokens = signature.fn_token.to_token_stream();
    signature.ident.to_tokens(&mut tokens);
    tokens
}

fn is_result(path: &TypePath) -> bool {
    path.path.segments.last().is_some_and(|last| last.ident == "Result")
}

/// The value and the error of a `Result`, where both are written.
fn visible_parts(path: &TypePath) -> Option<(&Type, &Type)> {
    let PathArguments::AngleBracketed(generics) = &path.path.segments.last()?.arguments else {
        return None;
    };
    let mut arguments = generics.args.iter();
    match (arguments.next(), arguments.next(), arguments.next()) {
        (Some(GenericArgument::Type(value)), Some(GenericArgument::Type(error)), None) => {
            Some((value, error))
        }
        _ => None,
    }
}

fn items<'a>(
    signature: &Signature,
    bounds: &'a Punctuated<TypeParamBound, Token![+]>,
    mistakes: &mut Mistakes,
) -> Option<Answer<'a>> {
    let name = &signature.ident;
    let stream = bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().filter(|segment| segment.ident == "Stream")
        }
        _ => None,
    });
    let Some(stream) = stream else {
        mistakes.at(
            bounds,
            "the only `impl Trait` that a method returns is `impl Stream<Item = T>`; else name the type",
        );
        return None;
    };
    let item = match &stream.arguments {
        PathArguments::AngleBracketed(generics) => {
            generics.args.iter().find_map(|argument| match argument {
                GenericArgument::AssocType(assoc) if assoc.ident == "Item" => Some(&assoc.ty),
                _ => None,
            })
        }
        _ => None,
    };
    if let Some(token) = &signature.asyncness {
        let item = item.map_or_else(|| "T".to_owned(), crate::types::text);
        mistakes.at(
            token,
            format_args!(
                "a stream is returned without `async`: write `fn {name}(..) -> impl Stream<Item = {item}>`"
            ),
        );
    }
    let Some(item) = item else {
        mistakes.at(stream, "a stream says what flows: write `impl Stream<Item = T>`");
        return None;
    };
    value::check(item, value::Place::Answer, mistakes);
    Some(Answer::Stream { bounds, item })
}
