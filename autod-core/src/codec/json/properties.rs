//! Any value, and any text, beside what `serde_json` makes of it.

use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::tests::text;
use super::{decode, decode_prefix};

/// Equal but for the last digits of floats, which `serde_json` does not read exactly.
fn alike(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) if ours.is_f64() && theirs.is_f64() => {
            let (ours, theirs) = (ours.as_f64().unwrap(), theirs.as_f64().unwrap());
            (ours - theirs).abs() <= theirs.abs() * 1e-14
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| alike(a, b))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(a, b)| a.0 == b.0 && alike(a.1, b.1))
        }
        _ => ours == theirs,
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Texts that are nearly JSON.
fn texts() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"\\u00e9\"",
        "\\ud83d",
        "\\ude00",
        "null",
        "true",
        "false",
        "0",
        "-",
        "1",
        "2.5",
        "e",
        "E+3",
        ".",
        " ",
        "\n",
        "é",
        "[]",
        "{}",
        "\"a\":",
        "\"Leaf\"",
        "\"Number\":1",
        "\"Branch\":[",
        "\"left\":",
        "\"right\":null",
        "5",
        "\\",
        "\u{1}",
    ]);
    prop::collection::vec(words, 0..24).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn every_value_comes_back_and_others_read_the_same(value in values()) {
        let written = text(&value);
        prop_assert!(alike(&decode(written.as_bytes()).unwrap(), &value));
        prop_assert!(alike(&serde_json::from_str(&written).unwrap(), &value));
        let theirs = serde_json::to_vec_pretty(&value).unwrap();
        prop_assert!(alike(&decode(&theirs).unwrap(), &value));
        let (_, length) = decode_prefix::<IgnoredAny>(&theirs).unwrap();
        prop_assert_eq!(length, theirs.len());
    }

    #[test]
    fn floats_come_back_bit_by_bit(float in any::<f64>(), short in any::<f32>()) {
        prop_assume!(float.is_finite() && short.is_finite());
        let back: (f64, f32) = decode(text(&(float, short)).as_bytes()).unwrap();
        prop_assert_eq!((back.0.to_bits(), back.1.to_bits()), (float.to_bits(), short.to_bits()));
    }

    #[test]
    fn a_text_is_json_for_us_if_it_is_for_others(text in texts()) {
        let ours = decode::<Value>(text.as_bytes());
        match serde_json::from_str::<Value>(&text) {
            Ok(theirs) => prop_assert!(ours.is_ok_and(|ours| alike(&ours, &theirs)), "{}", text),
            Err(_) => prop_assert!(ours.is_err(), "{}", text),
        }
        let skipped = decode::<IgnoredAny>(text.as_bytes());
        if serde_json::from_str::<Value>(&text).is_ok() {
            prop_assert!(skipped.is_ok(), "{}", text);
        }
    }

    #[test]
    fn no_text_breaks_anything(text in texts(), bytes in any::<Vec<u8>>()) {
        crate::fuzzing::json(text.as_bytes());
        crate::fuzzing::json(&bytes);
    }
}
