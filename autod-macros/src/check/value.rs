//! The rules of a type that is sent: it owns its data and is the same type at both ends.

use syn::{Type, TypePath, TypeReference};

use crate::check::bare;
use crate::mistakes::Mistakes;
use crate::types::{Part, text, walk};

/// Where the type stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Argument,
    Answer,
}

pub(super) fn check(ty: &Type, place: Place, mistakes: &mut Mistakes) {
    if let Type::TraitObject(object) = bare(ty) {
        mistakes.at(object, "a `dyn Trait` is not a value that can be sent: name a type");
        return;
    }
    if let Type::Slice(slice) = bare(ty) {
        let instead = text(&slice.elem);
        mistakes.at(slice, format_args!("a slice has no size: use `Vec<{instead}>`"));
        return;
    }
    walk(ty, &mut |part| match part {
        Part::Lifetime(lifetime) if lifetime.ident != "static" => {
            mistakes.at(
                lifetime,
                format_args!(
                    "what is sent owns its data: `{lifetime}` cannot be, use an owned type"
                ),
            );
            false
        }
        Part::Lifetime(_) => true,
        Part::Type(ty) => part_of(ty, place, mistakes),
    });
}

fn part_of(ty: &Type, place: Place, mistakes: &mut Mistakes) -> bool {
    match ty {
        Type::Reference(reference) => {
            let message = match (owned(reference), place) {
                (instead, Place::Argument) => {
                    format!("an argument owns its data: use `{instead}`")
                }
                (instead, Place::Answer) => format!("an answer owns its data: use `{instead}`"),
            };
            mistakes.at(ty, message);
        }
        Type::ImplTrait(_) => {
            mistakes.at(ty, "what is sent has one type: name it instead of `impl Trait`");
        }
        Type::Infer(_) => mistakes.at(ty, "the type is part of the contract: name it"),
        Type::Ptr(_) | Type::FnPtr(_) => {
            mistakes.at(ty, "a pointer means nothing in another process: send a value");
        }
        Type::Path(path)
            if path.path.segments.last().is_some_and(|last| last.ident == "ByteStream") =>
        {
            mistakes.at(
                ty,
                "a byte stream is the last argument; the client's method returns its other end",
            );
        }
        Type::Path(path) if is_self(path) => {
            mistakes.at(
                ty,
                "`Self` is the object in the daemon, which the caller does not have: name a type",
            );
        }
        _ => return true,
    }
    false
}

fn is_self(path: &TypePath) -> bool {
    path.path.segments.first().is_some_and(|segment| segment.ident == "Self")
}

/// The owned type that holds what the reference refers to.
fn owned(reference: &TypeReference) -> String {
    match bare(&reference.elem) {
        Type::Slice(slice) => format!("Vec<{}>", text(&slice.elem)),
        Type::Reference(inner) => owned(inner),
        Type::Path(path)
            if path.path.segments.last().is_some_and(|last| last.arguments.is_none()) =>
        {
            let written = text(&reference.elem);
            match written.rsplit("::").next() {
                Some("str") => "String".to_owned(),
                Some("Path") => "PathBuf".to_owned(),
                Some("OsStr") => "OsString".to_owned(),
                Some("CStr") => "CString".to_owned(),
                _ => written,
            }
        }
        other => text(other),
    }
}
