//! The syntax of the options and of attributes; no rule about services is known here.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, MetaNameValue, Path, Token, parse_quote};

use crate::mistakes::Mistakes;

const SERVICE_FORM: &str = "the only option of a service is `crate = \"path\"`";
const METHOD_FORM: &str = "the options of a method are `rename = \"name\"`, `no_cancel`, `idempotent` \
     and, if it streams, `drop_oldest = 64`";

/// The options of `#[autod::service(..)]`.
pub(crate) struct ServiceOptions {
    /// The path of the `autod` crate.
    pub(crate) root: Path,
}

impl ServiceOptions {
    pub(crate) fn parse(tokens: TokenStream, mistakes: &mut Mistakes) -> Self {
        let mut root = None;
        for option in list(tokens, SERVICE_FORM, mistakes) {
            let Some(value) = text(&option, "crate", SERVICE_FORM, mistakes) else { continue };
            match value.parse_with(Path::parse_mod_style) {
                Ok(_) if root.is_some() => mistakes.at(&option, "`crate` is given twice"),
                Ok(path) => root = Some(path),
                Err(_) => mistakes
                    .at(value, "this is no path: write `crate = \"name\"` or `\"::path::to::it\"`"),
            }
        }
        Self { root: root.unwrap_or_else(|| parse_quote!(::autod)) }
    }
}

/// The options of `#[autod(..)]` on a method.
#[derive(Default)]
pub(crate) struct MethodOptions {
    /// The name on the wire, if it is not that of the method.
    pub(crate) rename: Option<LitStr>,
    /// How many items are kept for a slow caller.
    pub(crate) drop_oldest: Option<(Meta, usize)>,
    /// The handler is not stopped when its caller is gone.
    pub(crate) no_cancel: Option<Meta>,
    /// Executed twice it does no more than once.
    pub(crate) idempotent: Option<Meta>,
}

impl MethodOptions {
    pub(crate) fn parse(attributes: &[Attribute], mistakes: &mut Mistakes) -> Self {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|attribute| is_conditional_option(attribute)) {
            mistakes.at(
                attribute,
                "an option has no condition: write the method twice, each with its `#[cfg(..)]`",
            );
        }
        for attribute in attributes.iter().filter(|attribute| is_option(attribute)) {
            let Meta::List(meta) = &attribute.meta else {
                mistakes.at(attribute, format_args!("an option is missing: {METHOD_FORM}"));
                continue;
            };
            for option in list(meta.tokens.clone(), METHOD_FORM, mistakes) {
                if option.path().is_ident("drop_oldest") {
                    let most = number(&option, mistakes);
                    if options.drop_oldest.is_some() {
                        mistakes.at(&option, "`drop_oldest` is given twice");
                    } else {
                        options.drop_oldest = most.map(|most| (option, most));
                    }
                    continue;
                }
                if option.path().is_ident("no_cancel") {
                    flag(option, &mut options.no_cancel, mistakes);
                    continue;
                }
                if option.path().is_ident("idempotent") {
                    flag(option, &mut options.idempotent, mistakes);
                    continue;
                }
                let Some(value) = text(&option, "rename", METHOD_FORM, mistakes) else { continue };
                let name = value.value();
                if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
                    mistakes.at(value, "a name on the wire is not empty and has no white space");
                } else if options.rename.is_some() {
                    mistakes.at(&option, "`rename` is given twice");
                } else {
                    options.rename = Some(value);
                }
            }
        }
        options
    }
}

/// Whether this is our `#[autod(..)]`.
pub(crate) fn is_option(attribute: &Attribute) -> bool {
    attribute.path().is_ident("autod")
}

/// Whether this is our `#[autod(..)]` in a `cfg_attr`.
pub(crate) fn is_conditional_option(attribute: &Attribute) -> bool {
    !is_option(attribute)
        && !attributes_named(std::slice::from_ref(attribute), &["autod"]).is_empty()
}

fn list(tokens: TokenStream, form: &str, mistakes: &mut Mistakes) -> Vec<Meta> {
    match Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens) {
        Ok(options) => options.into_iter().collect(),
        Err(error) => {
            mistakes.add(syn::Error::new(error.span(), format_args!("{error}: {form}")));
            Vec::new()
        }
    }
}

/// An option that has no value.
fn flag(option: Meta, found: &mut Option<Meta>, mistakes: &mut Mistakes) {
    let name = crate::types::tokens(option.path().to_token_stream());
    if !matches!(option, Meta::Path(_)) {
        mistakes.at(&option, format_args!("`{name}` has no value: write `#[autod({name})]`"));
    } else if found.is_some() {
        mistakes.at(&option, format_args!("`{name}` is given twice"));
    }
    found.get_or_insert(option);
}

/// The value of `drop_oldest = 64`.
fn number(option: &Meta, mistakes: &mut Mistakes) -> Option<usize> {
    if let Meta::NameValue(MetaNameValue { value, .. }) = option
        && let Expr::Lit(ExprLit { lit: Lit::Int(value), .. }) = value
        && let Ok(most @ 1..) = value.base10_parse()
    {
        return Some(most);
    }
    mistakes.at(option, "`drop_oldest` needs the number of items to keep, at least 1");
    None
}

/// The value of `key = "value"`.
fn text(option: &Meta, key: &str, form: &str, mistakes: &mut Mistakes) -> Option<LitStr> {
    if !option.path().is_ident(key) {
        let name = crate::types::tokens(option.path().to_token_stream());
        mistakes.at(option.path(), format_args!("unknown option `{name}`: {form}"));
        return None;
    }
    if let Meta::NameValue(MetaNameValue { value, .. }) = option
        && let Expr::Lit(ExprLit { lit: Lit::Str(value), .. }) = value
    {
        return Some(value.clone());
    }
    mistakes.at(option, format_args!("`{key}` needs a string: {form}"));
    None
}

/// The attributes with these names, also where a `cfg_attr` brings them.
pub(crate) fn attributes_named(attributes: &[Attribute], names: &[&str]) -> Vec<TokenStream> {
    let wanted = |path: &Path| names.iter().any(|name| path.is_ident(name));
    let mut found = Vec::new();
    for attribute in attributes {
        if wanted(attribute.path()) {
            found.push(attribute.to_token_stream());
        } else if attribute.path().is_ident("cfg_attr")
            && let Ok(parts) =
                attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
        {
            let mut parts = parts.into_iter();
            let condition = parts.next();
            let kept: Vec<Meta> = parts.filter(|part| wanted(part.path())).collect();
            if !kept.is_empty() {
                found.push(quote!(#[cfg_attr(#condition, #(#kept),*)]));
            }
        }
    }
    found
}

/// The doc comment as an expression of type `&'static str`.
pub(crate) fn docs(attributes: &[Attribute]) -> TokenStream {
    let parts: Vec<&Expr> = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(meta) => Some(&meta.value),
            _ => None,
        })
        .collect();
    if let Some(texts) = parts.iter().copied().map(literal).collect::<Option<Vec<String>>>() {
        return unindented(&texts.join("\n")).to_token_stream();
    }
    // `#[doc = include_str!(..)]`: only the compiler knows the text.
    quote!(::core::concat!(#(#parts, "\n"),*))
}

fn literal(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// Takes away the indentation that all lines share, as rustdoc does.
fn unindented(text: &str) -> String {
    let shared = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start_matches(' ').len())
        .min()
        .unwrap_or(0);
    let lines: Vec<&str> =
        text.lines().map(|line| line.get(shared..).unwrap_or("").trim_end()).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(attribute: &Attribute) -> (Option<String>, Vec<String>) {
        let mut mistakes = Mistakes::default();
        let options = MethodOptions::parse(std::slice::from_ref(attribute), &mut mistakes);
        (options.rename.map(|name| name.value()), mistakes.messages())
    }

    #[test]
    fn a_method_can_be_renamed_once() {
        let (name, mistakes) = method(&parse_quote!(#[autod(rename = "plus")]));
        assert_eq!((name.as_deref(), mistakes.len()), (Some("plus"), 0));

        let (name, mistakes) = method(&parse_quote!(#[autod(rename = "a", rename = "b")]));
        assert_eq!(name.as_deref(), Some("a"));
        assert_eq!(mistakes, ["`rename` is given twice"]);
    }

    #[test]
    fn every_wrong_option_is_told() {
        let (_, mistakes) =
            method(&parse_quote!(#[autod(renmae = "a", x::y, rename, rename = "")]));
        assert_eq!(
            mistakes,
            [
                format!("unknown option `renmae`: {METHOD_FORM}").as_str(),
                &format!("unknown option `x::y`: {METHOD_FORM}"),
                &format!("`rename` needs a string: {METHOD_FORM}"),
                "a name on the wire is not empty and has no white space",
            ]
        );
        assert_eq!(method(&parse_quote!(#[autod])).1.len(), 1);
        assert_eq!(method(&parse_quote!(#[autod(rename = )])).1.len(), 1);
    }

    #[test]
    fn a_flag_is_given_once_and_without_a_value() {
        let mut mistakes = Mistakes::default();
        let attribute: Attribute = parse_quote!(#[autod(no_cancel, rename = "a")]);
        let options = MethodOptions::parse(&[attribute], &mut mistakes);
        assert!(options.no_cancel.is_some() && options.rename.is_some() && mistakes.is_empty());

        let (_, mistakes) = method(&parse_quote!(#[autod(no_cancel = true, no_cancel)]));
        assert_eq!(
            mistakes,
            ["`no_cancel` has no value: write `#[autod(no_cancel)]`", "`no_cancel` is given twice"]
        );
    }

    #[test]
    fn the_crate_can_have_another_path() {
        let mut mistakes = Mistakes::default();
        for (options, path) in [
            (quote!(), "::autod"),
            (quote!(crate = "other"), "other"),
            (quote!(crate = "::a::b"), "::a::b"),
        ] {
            let root = ServiceOptions::parse(options, &mut mistakes).root;
            assert_eq!(crate::types::tokens(root.to_token_stream()), path);
        }
        assert!(mistakes.is_empty());
        for options in [quote!(crate = "1"), quote!(crate = "a", crate = "b"), quote!(create)] {
            let mut mistakes = Mistakes::default();
            ServiceOptions::parse(options, &mut mistakes);
            assert_eq!(mistakes.messages().len(), 1);
        }
    }

    #[test]
    fn docs_lose_the_common_indentation() {
        let item: syn::ItemTrait = parse_quote! {
            /// One.
            ///
            ///   Two.
            trait A {}
        };
        assert_eq!(docs(&item.attrs).to_string(), quote!("One.\n\n  Two.").to_string());
        assert_eq!(docs(&[]).to_string(), "\"\"");
        let item: syn::ItemTrait = parse_quote!(
            #[doc = include_str!("a")]
            #[doc(hidden)]
            trait A {}
        );
        assert!(docs(&item.attrs).to_string().contains("concat"));
    }

    #[test]
    fn conditional_attributes_are_filtered() {
        let attribute: Attribute = parse_quote!(#[cfg_attr(unix, cfg(a), must_use, cfg(b))]);
        let kept = attributes_named(&[attribute], &["cfg"]);
        assert_eq!(kept[0].to_string(), quote!(#[cfg_attr(unix, cfg(a), cfg(b))]).to_string());
        let attribute: Attribute = parse_quote!(#[cfg_attr(unix, must_use)]);
        assert!(attributes_named(&[attribute], &["cfg"]).is_empty());
    }
}
