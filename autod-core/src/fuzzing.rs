//! What the fuzz targets call: each takes any bytes and panics if the code does not keep its word.
//!
//! Seeds are in `fuzz/corpus`, made of the test vectors of PROTOCOL.md. With
//! `UPDATE_CORPUS=1` the tests write them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use crate::mux::fuzzing::connection;

use crate::codec;
use crate::wire::frame::{self, HEADER, Header};
use crate::wire::greeting::{Answer, Hello, PREFIX, Prefix};

/// Frames, one after the other: what is read is written the same.
pub fn frame(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some(header)) = Header::parse(rest) {
        assert_eq!(header.to_bytes(), rest[..HEADER]);
        let Some(payload) = rest.get(HEADER..HEADER + header.length) else { return };
        let mut written = Vec::new();
        frame::put(&mut written, header.kind, header.id, header.more, payload);
        assert_eq!(written, rest[..written.len()]);
        rest = &rest[written.len()..];
    }
}

/// A greeting: what is understood is the same after it was written and read again.
pub fn greeting(bytes: &[u8]) {
    let Ok(Some(prefix)) = Prefix::parse(bytes) else { return };
    let Some(fields) = bytes.get(PREFIX..PREFIX + prefix.length) else { return };
    if let Ok(hello) = Hello::parse(prefix, fields) {
        let written = hello.to_bytes();
        let again = read(&written, Hello::parse);
        // One that is too long loses its arguments and variables.
        assert!(again == hello || again.caller.args.is_empty() && again.caller.env.is_empty());
    }
    if let Ok(answer) = Answer::parse(prefix, fields) {
        let again = read(&answer.to_bytes(), Answer::parse);
        match (&again, &answer) {
            (Answer::Wait(again), Answer::Wait(text)) => assert!(text.starts_with(again.as_str())),
            (Answer::Reject(again), Answer::Reject(answer)) => {
                assert_eq!((again.code, again.life), (answer.code, answer.life));
            }
            _ => assert_eq!(again, answer),
        }
    }
}

fn read<T, E: Debug>(bytes: &[u8], parse: fn(Prefix, &[u8]) -> Result<T, E>) -> T {
    let prefix = Prefix::parse(bytes).expect("it was written here").expect("all of it");
    parse(prefix, &bytes[PREFIX..]).expect("it was written here")
}

/// A value of each of several types: what decodes encodes, and decodes to the same.
pub fn value(bytes: &[u8]) {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Tree {
        Leaf,
        Number(i64),
        Branch(Vec<Tree>),
        Pair { left: Box<Tree>, right: Option<Box<Tree>> },
    }
    same::<(bool, char, String)>(bytes);
    same::<(i8, i16, i32, i64, i128, u8, u16, u32, u64, u128)>(bytes);
    same::<Vec<Vec<()>>>(bytes);
    same::<BTreeMap<String, BTreeSet<u16>>>(bytes);
    same::<Vec<Option<Result<u8, String>>>>(bytes);
    same::<Tree>(bytes);
}

/// A JSON text as a value of each of several types, and as arguments: what decodes encodes, and
/// decodes to the same.
#[cfg(feature = "json")]
pub fn json(bytes: &[u8]) {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Tree {
        Leaf,
        Number(i64),
        Branch(Vec<Tree>),
        Pair { left: Box<Tree>, right: Option<Box<Tree>> },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Chain(Option<Box<Chain>>);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Any {
        Nothing,
        Flag(bool),
        Integer(i64),
        Float(f64),
        Text(String),
        List(Vec<Any>),
        Object(BTreeMap<String, Any>),
    }
    same_json::<Tree>(bytes);
    same_json::<Chain>(bytes);
    same_json::<Any>(bytes);
    same_json::<(bool, char, String)>(bytes);
    same_json::<(i8, i16, i32, i64, i128, u8, u16, u32, u64, u128)>(bytes);
    same_json::<(f32, f64)>(bytes);
    same_json::<Vec<u8>>(bytes);
    same_json::<BTreeMap<i16, BTreeSet<u16>>>(bytes);
    same_json::<BTreeMap<bool, Result<u8, String>>>(bytes);
    let expected = ["a", "b"].map(|name| crate::service::Argument { name, ty: "Option<Vec<u8>>" });
    let _ = codec::json::decode_arguments::<(Option<Vec<u8>>, Option<Chain>)>(bytes, &expected);
}

#[cfg(feature = "json")]
fn same_json<T: Serialize + DeserializeOwned + PartialEq + Debug + 'static>(bytes: &[u8]) {
    let Ok((value, length)) = codec::json::decode_prefix::<T>(bytes) else { return };
    assert!(length <= bytes.len());
    let mut written = Vec::new();
    codec::json::encode_item(&mut written, &value).expect("it was decoded");
    assert!(
        std::str::from_utf8(&written).is_ok_and(|text| text.find('\n') == Some(text.len() - 1))
    );
    assert_eq!(codec::json::decode::<T>(&written).expect("it was encoded"), value);
}

fn same<T: Serialize + DeserializeOwned + PartialEq + Debug + 'static>(bytes: &[u8]) {
    let Ok((value, length)) = codec::decode_prefix::<T>(bytes) else { return };
    assert!(length <= bytes.len());
    let mut written = Vec::new();
    codec::encode_into(&mut written, &value).expect("it was decoded");
    assert_eq!(codec::decode::<T>(&written).expect("it was encoded"), value);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::wire::vectors::all;

    type Target = fn(&[u8]);

    const TARGETS: &[(&str, Target)] = &[
        ("frame", frame),
        ("greeting", greeting),
        ("connection", connection),
        ("value", value),
        #[cfg(feature = "json")]
        ("json", json),
    ];

    /// The seeds of a target by their names.
    fn seeds(target: &str) -> BTreeMap<String, Vec<u8>> {
        let vectors = |block| {
            all(block).into_iter().map(|(name, bytes)| {
                let name = name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
                (name.trim_matches('-').to_lowercase(), bytes)
            })
        };
        match target {
            "greeting" => vectors("greetings").collect(),
            "value" => vectors("values").collect(),
            "json" => vectors("json-values").collect(),
            "frame" => {
                let mut seeds: BTreeMap<_, _> = vectors("frames").collect();
                let together = seeds.values().flatten().copied().collect();
                seeds.insert("all".to_owned(), together);
                seeds
            }
            // The frames as one end hears them from a stranger, in the form of its script.
            _ => {
                let mut seeds = BTreeMap::new();
                for (name, bytes) in self::seeds("frame") {
                    for (mode, side) in [(0, "acceptor"), (1, "connector")] {
                        let length = u16::try_from(bytes.len()).unwrap().to_le_bytes();
                        let script = [&[mode, 0][..], &length, &bytes].concat();
                        seeds.insert(format!("{side}-{name}"), script);
                    }
                }
                seeds
            }
        }
    }

    #[test]
    fn the_corpus_holds_the_vectors_and_breaks_nothing() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        for &(target, run) in TARGETS {
            let directory = corpus.join(target);
            for (name, bytes) in seeds(target) {
                let path = directory.join(name);
                if std::env::var_os("UPDATE_CORPUS").is_some() {
                    std::fs::create_dir_all(&directory).unwrap();
                    std::fs::write(&path, &bytes).unwrap();
                }
                let found = std::fs::read(&path).unwrap_or_default();
                assert!(found == bytes, "{} is old: set UPDATE_CORPUS=1", path.display());
            }
            for entry in std::fs::read_dir(directory).unwrap() {
                run(&std::fs::read(entry.unwrap().path()).unwrap());
            }
        }
    }

    #[test]
    fn random_scripts_break_nothing() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..2000 {
            let script: Vec<u8> = (0..300)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    // Small numbers more often: they are kinds, slots and operations.
                    let [a, b, ..] = state.to_le_bytes();
                    if b < 200 { a & 15 } else { a }
                })
                .collect();
            connection(&script);
        }
    }
}
