//! Types as text, and a walk over the parts of a type.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{
    AngleBracketedGenericArguments, GenericArgument, Lifetime, Path, PathArguments, ReturnType,
    Type, TypeParamBound, TypePath,
};

/// The type as it was written, but for white space, needless parentheses and trailing commas.
///
/// The text goes into the fingerprint of a service: it must not change when a formatter does.
pub(crate) fn text(ty: &Type) -> String {
    match ty {
        Type::Group(group) => text(&group.elem),
        Type::Paren(paren) => text(&paren.elem),
        Type::Tuple(tuple) if tuple.elems.len() == 1 => format!("({},)", joined(&tuple.elems)),
        Type::Tuple(tuple) => format!("({})", joined(&tuple.elems)),
        Type::Array(array) => {
            format!("[{}; {}]", text(&array.elem), tokens(array.len.to_token_stream()))
        }
        Type::Slice(slice) => format!("[{}]", text(&slice.elem)),
        Type::Path(path) => path_text(path),
        other => tokens(other.to_token_stream()),
    }
}

fn joined<'a>(types: impl IntoIterator<Item = &'a Type>) -> String {
    types.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

fn path_text(path: &TypePath) -> String {
    let mut out = String::new();
    let position = match &path.qself {
        Some(qself) => {
            out.push('<');
            out.push_str(&text(&qself.ty));
            if qself.position == 0 {
                out.push('>');
            } else {
                out.push_str(" as ");
            }
            qself.position
        }
        None => 0,
    };
    for (at, segment) in path.path.segments.iter().enumerate() {
        let after_self = path.qself.is_some() && at >= position;
        if after_self && at == position && position > 0 {
            out.push('>');
        }
        if at == 0 && path.path.leading_colon.is_some() || after_self || at > 0 {
            out.push_str("::");
        }
        out.push_str(&segment.ident.to_string());
        match &segment.arguments {
            PathArguments::None => {}
            PathArguments::AngleBracketed(arguments) => out.push_str(&generics_text(arguments)),
            PathArguments::Parenthesized(arguments) => {
                let inputs = joined(arguments.inputs.iter().map(|input| &input.ty));
                out.extend(["(", &inputs, ")"]);
                if let ReturnType::Type(_, ty) = &arguments.output {
                    out.extend([" -> ", &text(ty)]);
                }
            }
        }
    }
    out
}

fn generics_text(generics: &AngleBracketedGenericArguments) -> String {
    let arguments: Vec<String> = generics
        .args
        .iter()
        .map(|argument| match argument {
            GenericArgument::Type(ty) => text(ty),
            GenericArgument::AssocType(assoc) if assoc.generics.is_none() => {
                format!("{} = {}", assoc.ident, text(&assoc.ty))
            }
            other => tokens(other.to_token_stream()),
        })
        .collect();
    format!("<{}>", arguments.join(", "))
}

/// Tokens as text with the spaces that people write.
pub(crate) fn tokens(stream: TokenStream) -> String {
    let mut out = String::new();
    append(stream, &mut out);
    out
}

fn append(stream: TokenStream, out: &mut String) {
    let mut joint = false;
    for token in stream {
        match &token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::None => ("", ""),
                };
                out.push_str(open);
                append(group.stream(), out);
                out.push_str(close);
                joint = false;
            }
            TokenTree::Punct(punct) => {
                let c = punct.as_char();
                let arrow = joint && c == '>' && out.ends_with('-');
                if matches!(c, '+' | '=' | '-' | '*' | '/' | '|') && !joint {
                    out.push(' ');
                }
                out.push(c);
                joint = punct.spacing() == Spacing::Joint;
                let spaced = matches!(c, ',' | ';' | '+' | '=' | '*' | '/' | '|' | '-') || arrow;
                if spaced && !joint {
                    out.push(' ');
                }
            }
            TokenTree::Ident(_) | TokenTree::Literal(_) => {
                let word = token.to_string();
                let is_word = |c: char| c.is_alphanumeric() || c == '_';
                if out.ends_with(|c| is_word(c) || matches!(c, ')' | ']' | '}' | '>')) {
                    out.push(' ');
                }
                out.push_str(&word);
                joint = false;
            }
        }
    }
}

/// A part of a type that a rule may be about.
pub(crate) enum Part<'a> {
    Type(&'a Type),
    Lifetime(&'a Lifetime),
}

/// Visits a type and what is in it, the outer before the inner.
///
/// The visitor says whether to go on into the part: what was reported once is left alone.
pub(crate) fn walk<'a>(ty: &'a Type, visit: &mut impl FnMut(Part<'a>) -> bool) {
    if !visit(Part::Type(ty)) {
        return;
    }
    match ty {
        Type::Group(inner) => walk(&inner.elem, visit),
        Type::Paren(inner) => walk(&inner.elem, visit),
        Type::Array(inner) => walk(&inner.elem, visit),
        Type::Slice(inner) => walk(&inner.elem, visit),
        Type::Reference(inner) => walk(&inner.elem, visit),
        Type::Ptr(inner) => walk(&inner.elem, visit),
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|ty| walk(ty, visit)),
        Type::Path(path) => {
            if let Some(qself) = &path.qself {
                walk(&qself.ty, visit);
            }
            walk_path(&path.path, visit);
        }
        Type::ImplTrait(inner) => walk_bounds(&inner.bounds, visit),
        Type::TraitObject(inner) => walk_bounds(&inner.bounds, visit),
        _ => {}
    }
}

fn walk_bounds<'a, P>(
    bounds: &'a Punctuated<TypeParamBound, P>,
    visit: &mut impl FnMut(Part<'a>) -> bool,
) {
    for bound in bounds {
        match bound {
            TypeParamBound::Trait(bound) => walk_path(&bound.path, visit),
            TypeParamBound::Lifetime(lifetime) => {
                visit(Part::Lifetime(lifetime));
            }
            _ => {}
        }
    }
}

fn walk_path<'a>(path: &'a Path, visit: &mut impl FnMut(Part<'a>) -> bool) {
    for segment in &path.segments {
        let PathArguments::AngleBracketed(generics) = &segment.arguments else { continue };
        for argument in &generics.args {
            match argument {
                GenericArgument::Type(ty) => walk(ty, visit),
                GenericArgument::AssocType(assoc) => walk(&assoc.ty, visit),
                GenericArgument::Lifetime(lifetime) => {
                    visit(Part::Lifetime(lifetime));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn types_are_written_as_people_write_them() {
        for ty in [
            "()",
            "i64",
            "(u8,)",
            "(u8, String)",
            "Vec<u8>",
            "[u8; 4]",
            "[[u8; N]; 2]",
            "[u8; A + 1]",
            "::std::collections::HashMap<String, Vec<(u8, Option<i64>)>>",
            "<Vec<u8> as IntoIterator>::Item",
            "<Vec<u8> as ::std::iter::IntoIterator>::Item",
            "<Foo>::Item",
            "Cow<'static, str>",
            "Box<dyn Shape + Send>",
            "Box<dyn Fn(u8, i8) -> u8 + Send>",
            "fn(u8) -> Vec<u8>",
            "Buffer<4>",
            "Buffer<{ N }>",
            "r#type::r#fn",
            "&'a str",
            "crate::a::B",
        ] {
            let parsed = syn::parse_str(ty).unwrap_or_else(|error| panic!("{ty}: {error}"));
            assert_eq!(text(&parsed), ty);
        }
    }

    #[test]
    fn formatting_does_not_change_a_type() {
        for (written, expected) in [
            ("Vec < u8 >", "Vec<u8>"),
            ("HashMap<\n String,\n u8,\n>", "HashMap<String, u8>"),
            ("(\n u8,\n String,\n)", "(u8, String)"),
            ("((u8))", "u8"),
            ("Box<dyn  Shape+Send>", "Box<dyn Shape + Send>"),
            ("[ u8 ;4 ]", "[u8; 4]"),
        ] {
            let parsed = syn::parse_str(written).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(text(&parsed), expected);
        }
    }
}
