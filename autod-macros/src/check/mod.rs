//! The rules of a service. Every rule that is broken is told, with the form that is right.

mod answer;
mod argument;
mod generics;
mod input;
#[cfg(test)]
mod tests;
mod value;

use std::collections::HashSet;

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{FnArg, ItemTrait, Path, ReceiverKind, Safety, Signature, TraitItem, TraitItemFn, Type};

use crate::mistakes::Mistakes;
use crate::model::{Answer, Input, Method, Service};
use crate::parse::{MethodOptions, attributes_named, is_option};

/// Checks a trait. What comes back is a service only if there are no mistakes; with mistakes it
/// holds the methods whose answer is right.
pub(crate) fn service<'a>(
    item: &'a ItemTrait,
    root: &'a Path,
    mistakes: &mut Mistakes,
) -> Service<'a> {
    header(item, mistakes);
    let mut names = HashSet::new();
    let mut methods = Vec::new();
    for member in &item.items {
        match member {
            TraitItem::Fn(item) => methods.extend(method(item, &mut names, mistakes)),
            TraitItem::Const(item) => foreign(item, "constant", mistakes),
            TraitItem::Type(item) => foreign(item, "type", mistakes),
            TraitItem::Macro(item) => foreign(item, "macro", mistakes),
            other => foreign(other, "item", mistakes),
        }
    }
    let generics = generics::of(item, root);
    Service { item, root, generics, methods }
}

fn header(item: &ItemTrait, mistakes: &mut Mistakes) {
    if let Some(token) = &item.unsafety {
        mistakes.at(token, "a service is a safe trait: remove `unsafe`");
    }
    if let Some(token) = &item.modifiers.auto_token {
        mistakes.at(token, "a service has methods: remove `auto`");
    }
    generics::check(item, mistakes);
    for attribute in item.attrs.iter().filter(|attribute| is_option(attribute)) {
        mistakes.at(
            attribute,
            "options of a service are written `#[autod::service(..)]`, `#[autod(..)]` is for methods",
        );
    }
}

fn foreign(item: &impl ToTokens, what: &str, mistakes: &mut Mistakes) {
    mistakes
        .at(item, format_args!("a service has only methods: move this {what} out of the trait"));
}

fn method<'a>(
    item: &'a TraitItemFn,
    names: &mut HashSet<String>,
    mistakes: &mut Mistakes,
) -> Option<Method<'a>> {
    let before = mistakes.count();
    let signature = &item.sig;
    qualifiers(item, mistakes);
    receiver(signature, mistakes);
    let inputs: Vec<_> = signature
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(input) => Some(input),
            FnArg::Receiver(_) => None,
        })
        .collect();
    let (arguments, input) = input::check(&inputs, mistakes);
    let options = MethodOptions::parse(&item.attrs, mistakes);
    let name = match &options.rename {
        Some(name) => name.value(),
        None => signature.ident.unraw().to_string(),
    };
    // Of two methods under a condition only one may remain; the table is checked again by the
    // compiler.
    if attributes_named(&item.attrs, &["cfg"]).is_empty() && !names.insert(name.clone()) {
        let message = format_args!(
            "another method is named `{name}` on the wire: choose a name with `#[autod(rename = \"name\")]`"
        );
        match &options.rename {
            Some(place) => mistakes.at(place, message),
            None => mistakes.at(&signature.ident, message),
        }
    }
    let answer = answer::check(signature, mistakes)?;
    let streams = matches!(answer, Answer::Stream { .. });
    if streams && let Input::Bytes { ty, .. } = input {
        mistakes.at(ty, "a method with a byte stream answers with one value, at the end");
    }
    if let Some((option, _)) = options.drop_oldest.as_ref().filter(|_| !streams) {
        mistakes.at(option, "`drop_oldest` is for a method that returns a stream");
    }
    if let Some(option) = &options.no_cancel
        && (streams || !matches!(input, Input::None))
    {
        mistakes.at(
            option,
            "`no_cancel` is for a method without a stream, which ends when nobody takes it",
        );
    }
    let drop_oldest = options.drop_oldest.map(|(_, most)| most);
    let no_cancel = options.no_cancel.is_some();
    let idempotent = options.idempotent.is_some();
    let right = mistakes.count() == before;
    Some(Method { item, name, arguments, input, answer, drop_oldest, no_cancel, idempotent, right })
}

fn qualifiers(item: &TraitItemFn, mistakes: &mut Mistakes) {
    let signature = &item.sig;
    let name = &signature.ident;
    let mut plain = |token: &dyn ToTokens, word: &str| {
        mistakes.at(
            token.to_token_stream(),
            format_args!(
                "a method of a service cannot be `{word}`: write `async fn {name}(&self, ..)`"
            ),
        );
    };
    if let Some(token) = &item.modifiers.defaultness {
        plain(token, "default");
    }
    if let Some(token) = &signature.constness {
        plain(token, "const");
    }
    match &signature.safety {
        Safety::Unsafe(token) => plain(token, "unsafe"),
        Safety::Safe(token) => plain(token, "safe"),
        Safety::Default => {}
    }
    if let Some(token) = &signature.abi {
        plain(token, "extern");
    }
    if let Some(token) = &signature.variadic {
        mistakes.at(token, "a method of a service names all its arguments: use a `Vec`");
    }
    if !signature.generics.params.is_empty() {
        mistakes.at(
            &signature.generics,
            "a method of a service is not generic: what is sent has one type, name it",
        );
    }
    if let Some(clause) = &signature.generics.where_clause {
        mistakes.at(clause, "a method of a service has no `where` clause");
    }
}

fn receiver(signature: &Signature, mistakes: &mut Mistakes) {
    let name = &signature.ident;
    let dots = if signature.inputs.iter().any(|input| matches!(input, FnArg::Typed(_))) {
        ", .."
    } else {
        ""
    };
    let keyword = if signature.asyncness.is_some() { "async fn" } else { "fn" };
    let form =
        format!("a method of a service takes `&self`: write `{keyword} {name}(&self{dots})`");
    match signature.receiver() {
        None => mistakes.at(name, form),
        Some(receiver) => {
            for attribute in &receiver.attrs {
                mistakes.at(attribute, "the receiver of a method has no attributes");
            }
            if !matches!(receiver.kind, ReceiverKind::Reference(_, None, None)) {
                mistakes.at(receiver, form);
            }
        }
    }
}

/// What flows in an argument of type `impl Stream<Item = T>`.
pub(crate) fn item_of_stream(ty: &Type) -> Option<&Type> {
    match bare(ty) {
        Type::ImplTrait(stream) => answer::item_type(answer::stream_of(&stream.bounds)?),
        _ => None,
    }
}

/// What is in the groups and parentheses.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}
