//! The rules of what a method returns.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{
    GenericArgument, PathArguments, PathSegment, ReturnType, Signature, Token, Type, TypeImplTrait,
    TypeParamBound, TypePath,
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
    if let Type::Path(path) = ty
        && is_result(path)
        && let Some(stream) = opened(path)
    {
        return fallible_items(path, stream, mistakes);
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

/// The stream of a `Result<impl Stream<..>, ..>`.
fn opened(path: &TypePath) -> Option<&TypeImplTrait> {
    let PathArguments::AngleBracketed(generics) = &path.path.segments.last()?.arguments else {
        return None;
    };
    match generics.args.first()? {
        GenericArgument::Type(ty) => match bare(ty) {
            Type::ImplTrait(stream) => Some(stream),
            _ => None,
        },
        _ => None,
    }
}

fn fallible_items<'a>(
    path: &'a TypePath,
    stream: &'a TypeImplTrait,
    mistakes: &mut Mistakes,
) -> Option<Answer<'a>> {
    let item = item_of(&stream.bounds, mistakes)?;
    value::check(item, value::Place::Answer, mistakes);
    let Some((_, error)) = visible_parts(path) else {
        mistakes.at(path, "a stream that may fail names its error: `Result<impl Stream<..>, E>`");
        return None;
    };
    value::check(error, value::Place::Answer, mistakes);
    Some(Answer::Stream { bounds: &stream.bounds, item, error: Some((path, error)) })
}

/// The `Stream` of bounds, if one of them is it.
pub(super) fn stream_of(bounds: &Punctuated<TypeParamBound, Token![+]>) -> Option<&PathSegment> {
    bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().filter(|segment| segment.ident == "Stream")
        }
        _ => None,
    })
}

/// The type of the items of a `Stream`.
pub(super) fn item_type(stream: &PathSegment) -> Option<&Type> {
    match &stream.arguments {
        PathArguments::AngleBracketed(generics) => {
            generics.args.iter().find_map(|argument| match argument {
                GenericArgument::AssocType(assoc) if assoc.ident == "Item" => Some(&assoc.ty),
                _ => None,
            })
        }
        _ => None,
    }
}

fn items<'a>(
    signature: &Signature,
    bounds: &'a Punctuated<TypeParamBound, Token![+]>,
    mistakes: &mut Mistakes,
) -> Option<Answer<'a>> {
    let item = item_of(bounds, mistakes);
    if let Some(token) = &signature.asyncness
        && stream_of(bounds).is_some()
    {
        let name = &signature.ident;
        let item = item.map_or_else(|| "T".to_owned(), crate::types::text);
        mistakes.at(
            token,
            format_args!(
                "a stream is returned without `async`: write `fn {name}(..) -> impl Stream<Item = {item}>`"
            ),
        );
    }
    let item = item?;
    value::check(item, value::Place::Answer, mistakes);
    Some(Answer::Stream { bounds, item, error: None })
}

/// What flows in the stream that a method returns.
fn item_of<'a>(
    bounds: &'a Punctuated<TypeParamBound, Token![+]>,
    mistakes: &mut Mistakes,
) -> Option<&'a Type> {
    let Some(stream) = stream_of(bounds) else {
        mistakes.at(
            bounds,
            "the only `impl Trait` that a method returns is `impl Stream<Item = T>`; else name the type",
        );
        return None;
    };
    let item = item_type(stream);
    if item.is_none() {
        mistakes.at(stream, "a stream says what flows: write `impl Stream<Item = T>`");
    }
    item
}
