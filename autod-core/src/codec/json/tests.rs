use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::*;
use crate::codec::bounds::DEPTH;

pub(super) fn text<T: Serialize + 'static>(value: &T) -> String {
    let mut bytes = Vec::new();
    encode_into(&mut bytes, value).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The error in words.
#[track_caller]
fn unreadable<T: DeserializeOwned + Debug + 'static>(text: &str) -> String {
    decode::<T>(text.as_bytes()).unwrap_err().to_string()
}

#[track_caller]
fn unwritable<T: Serialize + 'static>(value: &T) -> String {
    let mut bytes = vec![b'x'];
    let error = encode_into(&mut bytes, value).unwrap_err();
    assert_eq!(bytes, b"x", "the buffer is as it was");
    error.to_string()
}

/// Written like this, as `serde_json` does, and read back from it by both.
#[track_caller]
fn is_written<T>(value: &T, expected: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
{
    assert_eq!(text(value), expected);
    assert_eq!(serde_json::to_string(value).unwrap(), expected);
    assert_eq!(decode::<T>(expected.as_bytes()).unwrap(), *value);
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Name(String);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(u32),
    Line(i8, i8),
    Box { width: u8, height: Option<u8> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[test]
fn values_are_written_as_others_write_them() {
    is_written(&(), "null");
    is_written(&Unit, "null");
    is_written(&true, "true");
    is_written(&u64::MAX, "18446744073709551615");
    is_written(&i64::MIN, "-9223372036854775808");
    is_written(
        &(i128::MIN, u128::MAX),
        "[-170141183460469231731687303715884105728,340282366920938463463374607431768211455]",
    );
    is_written(&1.5_f64, "1.5");
    is_written(&0.1_f32, "0.1");
    is_written(&-0.0_f64, "-0.0");
    is_written(&'é', "\"é\"");
    is_written(
        &"a\"b\\c\n\r\t\u{1}\u{1f}\u{7f}\u{2028}/é😀".to_owned(),
        "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f\u{7f}\u{2028}/é😀\"",
    );
    is_written(&String::new(), "\"\"");
    is_written(&vec![Some(1), None], "[1,null]");
    is_written(&Vec::<u8>::new(), "[]");
    is_written(&b"bytes".to_vec(), "[98,121,116,101,115]");
    is_written(&Some(vec![1_u8, 255]), "[1,255]");
    is_written(&(1, "two".to_owned(), [3, 4]), "[1,\"two\",[3,4]]");
    is_written(&Name("n".to_owned()), "\"n\"");
    is_written(&Shape::Point, "\"Point\"");
    is_written(&Shape::Circle(3), "{\"Circle\":3}");
    is_written(&Shape::Line(-1, 1), "{\"Line\":[-1,1]}");
    is_written(&Shape::Box { width: 2, height: None }, "{\"Box\":{\"width\":2,\"height\":null}}");
    is_written(&Err::<u8, _>("no".to_owned()), "{\"Err\":\"no\"}");
    is_written(&BTreeMap::<String, u8>::new(), "{}");
    is_written(&BTreeMap::from([(-1, 'a'), (2, 'b')]), "{\"-1\":\"a\",\"2\":\"b\"}");
    is_written(&BTreeMap::from([(false, 0)]), "{\"false\":0}");
    is_written(&BTreeMap::from([('k', 0)]), "{\"k\":0}");
    is_written(
        &BTreeMap::from([(u128::MAX, 0)]),
        "{\"340282366920938463463374607431768211455\":0}",
    );
    is_written(&BTreeMap::from([(Name("n".to_owned()), 0)]), "{\"n\":0}");
    is_written(&BTreeMap::from([(Shape::Point, 0)]), "{\"Point\":0}");
    is_written(&std::net::IpAddr::from([127, 0, 0, 1]), "\"127.0.0.1\"");
    assert_eq!(text(&1e300_f64), "1e300");
    assert_eq!(decode::<f64>(b"1e300").unwrap().to_bits(), 1e300_f64.to_bits());
    assert_eq!(decode::<f64>(b"5").unwrap().to_bits(), 5_f64.to_bits());
}

#[test]
fn what_bincode_cannot_carry_is_carried() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Outer {
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        maybe: Option<u8>,
    }
    let outer = Outer { rest: BTreeMap::from([("a".to_owned(), 1)]), maybe: None };
    assert_eq!(text(&outer), "{\"a\":1}");
    assert_eq!(decode::<Outer>(b"{\"a\":1}").unwrap(), outer);
}

#[test]
fn what_json_cannot_say_is_an_error() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(unwritable(&value).ends_with("no number that is infinite or none"));
        assert!(unwritable(&vec![Some(value)]).ends_with("no number that is infinite or none"));
    }
    assert!(unwritable(&f32::NAN).contains("f32"));
    for error in [
        unwritable(&BTreeMap::from([((1, 2), 0)])),
        unwritable(&BTreeMap::from([(Some("a"), 0)])),
        unwritable(&BTreeMap::from([(Shape::Circle(1), 0)])),
        unwritable(&BTreeMap::from([(vec!["a"], 0)])),
    ] {
        assert!(error.contains("the keys of a map have to be text"), "{error}");
    }
    assert_eq!(unreadable::<f64>("1e999"), "cannot decode f64: the number 1e999 is out of range");
    assert!(unreadable::<f32>("1e39").ends_with("is out of range"));
    assert!(unreadable::<u64>("18446744073709551616").ends_with("is out of range"));
    assert!(unreadable::<Value>("18446744073709551616").ends_with("is out of range"));
    assert!(unreadable::<i128>(&"9".repeat(1000)).ends_with("9.. is out of range"));
    assert!(unreadable::<u8>("256").contains("integer `256`, expected u8"));
    assert!(unreadable::<i64>("1.0").contains("floating point `1.0`, expected i64"));
    assert!(unreadable::<i128>("1.0").ends_with("is out of range"));
    assert!(unreadable::<i64>("\"1\"").contains("string \"1\", expected i64"));
    assert!(unreadable::<f64>("null").contains("unit value, expected f64"));
    assert!(unreadable::<Vec<u8>>("\"text\"").contains("expected bytes"));
    assert!(unreadable::<BTreeMap<u8, u8>>("{\"x\":1}").contains("expected u8"));
    assert!(unreadable::<BTreeMap<u8, u8>>("{\" 1\":1}").contains("expected u8"));
    assert!(unreadable::<BTreeMap<u8, u8>>("{\"256\":1}").ends_with("is out of range"));
    assert!(unreadable::<(u8, u8)>("[1,2,3]").ends_with("more elements than expected"));
    assert!(unreadable::<(u8, u8)>("[1]").contains("invalid length 1"));
    assert!(unreadable::<Shape>("\"Ball\"").contains("unknown variant `Ball`"));
    assert!(unreadable::<Shape>("{\"Point\":0}").ends_with("has none"));
    assert!(unreadable::<Shape>("{\"Circle\":1,\"Point\":null}").contains("`}`"));
    assert!(unreadable::<Shape>("{}").contains("a key is expected"));
    assert!(unreadable::<Shape>("{\"Box\":{\"width\":1,\"width\":2}}").contains("duplicate field"));
}

#[test]
fn an_error_is_short_whatever_it_quotes() {
    for long in ["x".repeat(1 << 20), "é".repeat(1 << 20)] {
        for error in [
            unreadable::<u8>(&format!("\"{long}\"")),
            unreadable::<Shape>(&format!("\"{long}\"")),
            arguments::<(u8,)>(&["a"], &format!("{{\"{long}\":1}}")).unwrap_err(),
        ] {
            assert!(error.len() < 700, "{} bytes", error.len());
        }
    }
}

#[test]
fn numbers_and_texts_of_serde_jsons_own_are_refused() {
    #[derive(Serialize)]
    #[serde(rename = "$serde_json::private::Number")]
    struct Number {
        digits: String,
    }
    let error = unwritable(&Number { digits: "1".to_owned() });
    assert!(error.ends_with("cannot travel in this format"), "{error}");
}

#[test]
fn a_value_is_all_of_its_text() {
    assert_eq!(decode::<u8>(b" 7\n").unwrap(), 7);
    assert_eq!(unreadable::<u8>("7 8"), "cannot decode u8: 1 bytes are left over");
    assert_eq!(unreadable::<u8>(""), "cannot decode u8: the text ends where a value is expected");
    for broken in [
        "nul",
        "nulL",
        "tru",
        "+1",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "'a'",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800x\"",
        "\"\n\"",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "{1:2}",
        "{\"a\" 1}",
        "]",
        "}",
        ",",
        "NaN",
        "Infinity",
        "\u{feff}1",
        "// 1",
        "1]",
    ] {
        assert!(decode::<Value>(broken.as_bytes()).is_err(), "{broken}");
        assert!(decode::<serde::de::IgnoredAny>(broken.as_bytes()).is_err(), "skipped: {broken}");
        assert!(serde_json::from_str::<Value>(broken).is_err(), "{broken}");
    }
    assert!(decode::<String>(b"\"\xff\"").is_err());
    assert_eq!(decode::<String>(br#""\ud83d\ude00\/\b\f\u00e9""#).unwrap(), "😀/\u{8}\u{c}é");
}

#[test]
fn items_stand_one_after_the_other() {
    let mut bytes = Vec::new();
    for item in [12, -3, 300] {
        encode_item(&mut bytes, &item).unwrap();
    }
    assert_eq!(bytes, b"12\n-3\n300\n");
    let mut rest = &bytes[..];
    for expected in [12, -3, 300] {
        let (item, length) = decode_prefix::<i32>(rest).unwrap();
        assert_eq!(item, expected);
        rest = &rest[length..];
    }
    assert!(rest.is_empty());
}

fn expected(names: &[&'static str]) -> Vec<Argument> {
    names.iter().map(|name| Argument { name, ty: "" }).collect()
}

#[track_caller]
fn arguments<A: Arguments>(names: &[&'static str], text: &str) -> Result<A, String> {
    decode_arguments(text.as_bytes(), &expected(names)).map_err(|error| error.to_string())
}

#[test]
fn arguments_come_by_name_or_in_order() {
    type Three = (i64, String, Option<u8>);
    let names = ["n", "name", "maybe"];
    let three = |text| arguments::<Three>(&names, text);
    let all = (2, "x".to_owned(), Some(1));
    assert_eq!(three(r#"{"n":2,"name":"x","maybe":1}"#).unwrap(), all);
    assert_eq!(three(r#" { "maybe" : 1 , "na\u006de" : "x" , "n" : 2 } "#).unwrap(), all);
    assert_eq!(three(r#"[2,"x",1]"#).unwrap(), all);
    let two = (2, "x".to_owned(), None);
    assert_eq!(three(r#"{"n":2,"name":"x"}"#).unwrap(), two);
    assert_eq!(three(r#"{"n":2,"name":"x","maybe":null}"#).unwrap(), two);
    assert_eq!(three(r#"[2,"x"]"#).unwrap(), two);

    for (text, error) in [
        (r#"{"n":2}"#, "the argument name is missing; expected: n, name, maybe"),
        ("[2]", "the argument name is missing; expected: n, name, maybe"),
        ("", "the argument n is missing; expected: n, name, maybe"),
        ("{}", "the argument n is missing; expected: n, name, maybe"),
        (r#"{"m\n":2}"#, r#"there is no argument "m\n"; expected: n, name, maybe"#),
        (r#"{"n":2,"n":3}"#, "the argument n is given twice"),
        ("[1,2,3,4]", "there are more arguments than 3; expected: n, name, maybe"),
        ("2", "an object of arguments is expected at byte 0"),
        ("{} 2", "the end of the arguments is expected at byte 3"),
        (r#"{"n":"#, "the text ends where a value is expected"),
    ] {
        assert_eq!(three(text).unwrap_err(), error, "{text}");
    }
    let error = three(r#"{"n":"two","name":"x"}"#).unwrap_err();
    assert!(
        error.starts_with("the argument n does not fit: invalid type: string \"two\""),
        "{error}"
    );
    let error = three(r#"{"n":2,"name":[[}"#).unwrap_err();
    assert!(error.starts_with("a value is expected at byte"), "{error}");
}

#[test]
fn a_method_without_arguments_takes_none() {
    for text in ["", " ", "{}", "[ ]", "null", " { } \n"] {
        assert_eq!(arguments::<()>(&[], text), Ok(()), "{text}");
    }
    let error = arguments::<()>(&[], r#"{"n":1}"#).unwrap_err();
    assert_eq!(error, "there is no argument \"n\"; none is expected");
    assert!(arguments::<()>(&[], "[1]").is_err());
    assert_eq!(arguments::<(Option<Vec<u8>>,)>(&["bytes"], ""), Ok((None,)));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Chain(Option<Box<Chain>>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    next: Option<Box<Node>>,
}

#[test]
fn what_is_nested_too_deep_is_an_error_both_ways() {
    let lists = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let most = DEPTH as usize;
    let deepest: Value = decode(lists(most).as_bytes()).unwrap();
    assert_eq!(text(&deepest), lists(most));
    let too_deep = serde_json::json!([deepest]);
    assert!(unwritable(&too_deep).ends_with("nested more than 128 deep"));
    assert!(unreadable::<Value>(&lists(most + 1)).ends_with("nested more than 128 deep"));
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        let bomb = open.repeat(1 << 20);
        assert!(unreadable::<Value>(&bomb).ends_with("nested more than 128 deep"));
        let skipped = unreadable::<serde::de::IgnoredAny>(&bomb);
        assert!(skipped.ends_with("nested more than 128 deep"), "{skipped}");
        let error = arguments::<(Value,)>(&["a"], &format!("{{\"a\":{bomb}")).unwrap_err();
        assert!(error.ends_with("nested more than 128 deep"), "{error}");
    }
    // The text says nothing of these levels.
    assert!(unreadable::<Chain>("5").ends_with("nested more than 128 deep"));
    assert!(unreadable::<BTreeMap<Link, u8>>("{\"a\":1}").ends_with("nested more than 128 deep"));
    // Nothing of the depth is kept from one element to the next.
    let wide: BTreeMap<Name, Option<Name>> =
        (0..1000).map(|n| (Name(n.to_string()), Some(Name(n.to_string())))).collect();
    assert_eq!(decode::<BTreeMap<Name, Option<Name>>>(text(&wide).as_bytes()).unwrap(), wide);
}

/// A key without end.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Link(Option<Box<Link>>);

/// The deepest value must fit into the stack of a thread of a runtime, also in a debug build.
#[test]
fn the_deepest_value_fits_into_two_mebibytes_of_stack() {
    #[derive(Serialize, Deserialize)]
    struct Wide {
        name: String,
        numbers: ([u64; 32], [u64; 32]),
        next: Option<Box<Wide>>,
    }
    let deepest = || {
        let mut wide = None;
        for _ in 0..DEPTH / 2 - 1 {
            let numbers = ([7; 32], [8; 32]);
            wide = Some(Box::new(Wide { name: "wide".to_owned(), numbers, next: wide }));
        }
        decode::<Option<Box<Wide>>>(text(&wide).as_bytes()).unwrap();
        assert!(decode::<Node>(&b"{\"next\":".repeat(1 << 16)).is_err());
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(deepest);
    thread.unwrap().join().unwrap();
}

#[test]
fn sets_and_other_sequences_are_lists() {
    let set = BTreeSet::from([3, 1, 2]);
    assert_eq!(text(&set), "[1,2,3]");
    assert_eq!(decode::<BTreeSet<u8>>(b"[3,3,1,2]").unwrap(), set);
}
