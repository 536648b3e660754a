//! The rules of a stream among the arguments.

use syn::punctuated::Punctuated;
use syn::{
    GenericArgument, PatType, PathArguments, PathSegment, Token, Type, TypeParamBound, TypePath,
};

use crate::check::answer::{item_type, stream_of};
use crate::check::{argument, bare, value};
use crate::mistakes::Mistakes;
use crate::model::{Argument, Input};

type Bounds = Punctuated<TypeParamBound, Token![+]>;

/// What flows in an argument that is a stream.
enum Flow<'a> {
    Items(&'a Bounds, &'a PathSegment),
    Bytes,
    /// What the implementation takes, written in the trait.
    Incoming(&'a TypePath),
}

fn flow(ty: &Type) -> Option<Flow<'_>> {
    match bare(ty) {
        Type::ImplTrait(stream) => {
            stream_of(&stream.bounds).map(|segment| Flow::Items(&stream.bounds, segment))
        }
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            if last.ident == "ByteStream" {
                Some(Flow::Bytes)
            } else {
                (last.ident == "Incoming").then_some(Flow::Incoming(path))
            }
        }
        _ => None,
    }
}

/// The stream and the other arguments.
pub(super) fn check<'a>(
    inputs: &[&'a PatType],
    mistakes: &mut Mistakes,
) -> (Vec<Argument<'a>>, Input<'a>) {
    let streams = inputs.iter().filter(|input| flow(&input.ty).is_some()).count();
    let mut arguments = Vec::new();
    let mut found = Input::None;
    for (at, &input) in inputs.iter().enumerate() {
        let Some(flow) = flow(&input.ty) else {
            value::check(&input.ty, value::Place::Argument, mistakes);
            arguments.extend(argument::check(input, mistakes));
            continue;
        };
        if at + 1 < inputs.len() {
            let message = if streams > 1 {
                "a method takes one stream: its items can be tuples or an enum"
            } else {
                "a stream is the last argument"
            };
            mistakes.at(&input.ty, message);
        }
        let Some(Argument { ident, ty }) = argument::check(input, mistakes) else { continue };
        found = match flow {
            Flow::Bytes => Input::Bytes { ident, ty },
            Flow::Items(bounds, stream) => {
                let Some(item) = item_type(stream) else {
                    let message = "a stream says what flows: write `impl Stream<Item = T>`";
                    mistakes.at(stream, message);
                    continue;
                };
                value::check(item, value::Place::Argument, mistakes);
                Input::Items { ident, bounds, item }
            }
            Flow::Incoming(path) => {
                let item = item_of_incoming(path);
                mistakes.at(
                    path,
                    format_args!(
                        "the trait says what flows: write `impl Stream<Item = {item}>`; its \
                         implementations take `autod::Incoming<{item}>`"
                    ),
                );
                continue;
            }
        };
    }
    (arguments, found)
}

fn item_of_incoming(path: &TypePath) -> String {
    let arguments = path.path.segments.last().map(|last| &last.arguments);
    if let Some(PathArguments::AngleBracketed(generics)) = arguments
        && let Some(GenericArgument::Type(item)) = generics.args.first()
    {
        return crate::types::text(item);
    }
    "T".to_owned()
}
