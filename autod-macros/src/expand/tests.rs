use std::path::Path;

use proc_macro2::TokenStream;
use quote::quote;

use super::{service, tuple};

fn counter() -> TokenStream {
    quote! {
        /// A total that all callers share.
        pub trait Counter {
            /// Adds `n` and returns the new total.
            async fn add(&self, n: i64) -> i64;
            /// The total now, and after every change.
            fn watch(&self) -> impl Stream<Item = i64>;
            #[cfg(feature = "division")]
            async fn div(&self, a: i64, b: i64) -> Result<i64, String>;
            #[autod(idempotent)]
            async fn load(&self) -> io::Result<Vec<u8>>;
            #[autod(no_cancel)]
            async fn save(&self, path: String) -> Result<(), String>;
            #[autod(rename = "quit")]
            async fn close(&self) {
                self.add(0).await;
            }
        }
    }
}

/// Set `UPDATE_SNAPSHOTS` to write the files anew, then review the difference.
#[track_caller]
fn assert_snapshot(name: &str, tokens: TokenStream) {
    let file = syn::parse2(tokens).unwrap_or_else(|error| panic!("{name}: {error}"));
    let found = prettyplease::unparse(&file);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, found).unwrap_or_else(|error| panic!("{name}: {error}"));
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{name} differs from what is generated now:\n{found}");
}

#[test]
fn the_expansion_is_reviewed() {
    assert_snapshot("counter.rs", service(TokenStream::new(), &counter()));
}

#[test]
fn the_expansion_of_streams_is_reviewed() {
    let item = quote! {
        pub trait Meter {
            async fn sum(&self, start: i64, numbers: impl Stream<Item = i64>) -> i64;
            #[autod(drop_oldest = 64)]
            fn twice(&self, numbers: impl Stream<Item = i64>) -> impl Stream<Item = i64>;
            async fn open(&self, name: String) -> Result<impl Stream<Item = i64>, String>;
            async fn upper(&self, bytes: ByteStream) -> Result<u64, String>;
        }
    };
    assert_snapshot("streams.rs", service(TokenStream::new(), &item));
}

#[test]
fn the_expansion_of_parameters_is_reviewed() {
    let item = quote! {
        pub trait Store<K: Ord, V = String, const MOST: usize = 3>: Debug
        where
            V: Clone,
        {
            async fn put(&self, key: K, value: V) -> Option<V>;
            async fn take(&self, key: K) -> Result<V, String>;
            fn values(&self, keys: impl Stream<Item = K>) -> impl Stream<Item = V>;
        }
    };
    assert_snapshot("parameters.rs", service(TokenStream::new(), &item));
}

#[test]
fn the_expansion_of_a_trait_with_mistakes_is_reviewed() {
    let item = quote! {
        pub trait Counter {
            async fn add(&self, n: &i64) -> i64;
            fn get(&self) -> i64;
        }
    };
    assert_snapshot("mistakes.rs", service(TokenStream::new(), &item));
}

#[test]
fn the_path_of_the_crate_is_used_everywhere() {
    let tokens = service(quote!(crate = "::other"), &counter()).to_string();
    assert!(tokens.contains(":: other ::"));
    assert!(!tokens.contains("autod"));
}

#[test]
fn an_item_that_is_no_trait_stays() {
    for item in [
        quote!(
            struct A;
        ),
        quote!(not an item),
    ] {
        let tokens = service(TokenStream::new(), &item).to_string();
        assert!(tokens.starts_with(&item.to_string()) && tokens.contains("compile_error"));
    }
}

#[test]
fn long_tuples_are_nested() {
    let elements = |count: usize| vec![quote!(a); count];
    assert_eq!(tuple(&elements(0)).to_string(), "()");
    assert_eq!(tuple(&elements(1)).to_string(), quote!((a,)).to_string());
    for (count, groups) in [(16, 0), (17, 2), (256, 16), (257, 19)] {
        let text = tuple(&elements(count)).to_string();
        assert_eq!(text.matches('(').count(), groups + 1, "{count}");
        assert_eq!(text.matches('a').count(), count);
    }
}
