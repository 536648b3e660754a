//! The rules of how one argument is written.

use syn::{Pat, PatType};

use crate::mistakes::Mistakes;
use crate::model::Argument;

pub(super) fn check<'a>(input: &'a PatType, mistakes: &mut Mistakes) -> Option<Argument<'a>> {
    for attribute in &input.attrs {
        mistakes.at(attribute, "an argument has no attributes: write them on the method");
    }
    let argument = Argument::read(input);
    if argument.is_none() {
        let message = match &*input.pat {
            Pat::Ident(pat) => format!(
                "an argument is a plain name: write `{}: {}`",
                pat.ident,
                crate::types::text(&input.ty)
            ),
            _ => format!(
                "an argument is a plain name, which the method table shows: write `name: {}`",
                crate::types::text(&input.ty)
            ),
        };
        mistakes.at(&input.pat, message);
    }
    argument
}
