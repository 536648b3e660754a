use syn::{ItemTrait, parse_quote};

use crate::check;
use crate::mistakes::Mistakes;
use crate::model::{Answer, Input};

fn mistakes(item: &ItemTrait) -> Vec<String> {
    let mut mistakes = Mistakes::default();
    check::service(item, &parse_quote!(::autod), &mut mistakes);
    mistakes.messages()
}

#[test]
fn all_mistakes_are_told_at_once() {
    let told = mistakes(&parse_quote! {
        trait Counter<'a, T> where T: Clone, Self: Clone {
            const N: u8;
            fn get() -> &str;
            async fn add<A>(&mut self, _: A, b: &B) -> Self;
        }
    });
    assert_eq!(told.len(), 10, "{told:#?}");
}

#[test]
fn a_right_trait_is_read() {
    let item: ItemTrait = parse_quote! {
        pub trait Counter: Debug {
            async fn unit(&self);
            async fn value(&self, n: (i64, Vec<u8>), r#type: Cow<'static, str>) -> Box<dyn Shape>;
            async fn result(&self) -> std::result::Result<u8, String>;
            async fn alias(&self) -> io::Result<u8>;
            async fn bare(&self) -> Result;
            fn stream(&self) -> impl futures::Stream<Item = u8> + Unpin;
            async fn sum(&self, n: i64, numbers: impl Stream<Item = i64>) -> i64;
            fn both(&self, numbers: impl futures::Stream<Item = i64>) -> impl Stream<Item = i64>;
            async fn open(&self) -> Result<impl Stream<Item = i64>, String>;
            async fn pipe(&self, n: i64, bytes: autod::ByteStream);
            #[autod(rename = "other-name")]
            async fn renamed(&self) { }
        }
    };
    let root = parse_quote!(::autod);
    let mut mistakes = Mistakes::default();
    let service = check::service(&item, &root, &mut mistakes);
    assert_eq!(mistakes.messages(), [] as [&str; 0]);
    let read: Vec<_> = service
        .methods
        .iter()
        .map(|method| {
            let answer = match method.answer {
                Answer::Unit => "unit",
                Answer::Value(_) => "value",
                Answer::Fallible { parts: Some(_), .. } => "fallible",
                Answer::Fallible { parts: None, .. } => "projected",
                Answer::Stream { error: None, .. } => "stream",
                Answer::Stream { error: Some(_), .. } => "fallible stream",
            };
            let input = match method.input {
                Input::None => "",
                Input::Items { .. } => "items",
                Input::Bytes { .. } => "bytes",
            };
            (method.name.as_str(), method.arguments.len(), input, answer)
        })
        .collect();
    assert_eq!(
        read,
        [
            ("unit", 0, "", "unit"),
            ("value", 2, "", "value"),
            ("result", 0, "", "fallible"),
            ("alias", 0, "", "projected"),
            ("bare", 0, "", "projected"),
            ("stream", 0, "", "stream"),
            ("sum", 1, "items", "value"),
            ("both", 0, "items", "stream"),
            ("open", 0, "", "fallible stream"),
            ("pipe", 1, "bytes", "unit"),
            ("other-name", 0, "", "unit"),
        ]
    );
}

#[test]
fn names_on_the_wire_differ() {
    let told = mistakes(&parse_quote! {
        trait Counter {
            async fn r#type(&self);
            #[autod(rename = "type")]
            async fn kind(&self);
        }
    });
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn methods_under_opposite_conditions_may_share_a_name() {
    let told = mistakes(&parse_quote! {
        trait Counter {
            #[cfg(unix)]
            async fn get(&self) -> u8;
            #[cfg(not(unix))]
            async fn get(&self) -> u16;
        }
    });
    assert_eq!(told, [] as [&str; 0]);
}

#[test]
fn a_reference_is_told_its_owned_type() {
    for (written, owned) in [
        ("&str", "String"),
        ("&'static str", "String"),
        ("&[u8]", "Vec<u8>"),
        ("&std::path::Path", "PathBuf"),
        ("&&OsStr", "OsString"),
        ("&mut Vec<u8>", "Vec<u8>"),
        ("&Thing", "Thing"),
        ("&(u8, u8)", "(u8, u8)"),
    ] {
        let ty: syn::Type = syn::parse_str(written).unwrap_or_else(|error| panic!("{error}"));
        let told = mistakes(&parse_quote!(trait A { async fn a(&self, a: #ty); }));
        assert_eq!(told, [format!("an argument owns its data: use `{owned}`")]);
    }
}

#[test]
fn a_type_from_a_macro_is_looked_through() {
    let group = proc_macro2::Group::new(proc_macro2::Delimiter::None, quote::quote!(&str));
    let told = mistakes(&parse_quote!(trait A { async fn a(&self) -> #group; }));
    assert_eq!(told, ["an answer owns its data: use `String`"]);
}
