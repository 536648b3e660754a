use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::bounds::{DEPTH, EMPTY};
use super::head::Head;
use super::*;

fn round_trip<T: Serialize + DeserializeOwned + 'static>(value: &T) -> Result<T> {
    let mut bytes = Vec::new();
    encode_into(&mut bytes, value)?;
    decode(&bytes)
}

#[test]
fn values_come_back() {
    assert_eq!(round_trip(&(7_i64, "seven".to_owned())).unwrap(), (7, "seven".to_owned()));
    assert_eq!(round_trip(&vec![Some(1_u8), None]).unwrap(), vec![Some(1), None]);
}

#[test]
fn trailing_bytes_are_an_error() {
    let error = decode::<u8>(&[1, 2]).unwrap_err();
    assert_eq!(error.to_string(), "cannot decode u8: 1 bytes are left over");
}

#[test]
fn a_claimed_length_is_not_believed() {
    // 0xfd: a u64 follows.
    let claim = [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert!(decode::<Vec<u64>>(&claim).is_err());
}

#[test]
fn untagged_is_refused_with_its_name() {
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u32),
    }
    let error = round_trip(&Either::Number(1)).unwrap_err();
    assert!(error.to_string().contains("Either: serde's untagged"), "{error}");
}

#[test]
fn flatten_is_refused_and_leaves_the_buffer_alone() {
    #[derive(Serialize)]
    struct Inner {
        a: u8,
    }
    #[derive(Serialize)]
    struct Outer {
        #[serde(flatten)]
        inner: Inner,
    }
    let mut bytes = vec![9];
    let error = encode_into(&mut bytes, &Outer { inner: Inner { a: 1 } }).unwrap_err();
    assert!(error.to_string().contains("flatten"), "{error}");
    assert_eq!(bytes, [9]);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Chain(Option<Box<Chain>>);

fn chain(links: u32) -> Chain {
    (1..links).fold(Chain(None), |rest, _| Chain(Some(Box::new(rest))))
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Expression {
    Number(i64),
    Sum(Vec<Expression>),
    Negative { of: Box<Expression> },
}

#[test]
fn what_is_nested_too_deep_is_an_error_both_ways() {
    // A newtype and an option for each link but the last.
    let whole = chain(DEPTH / 2);
    assert_eq!(round_trip(&whole).unwrap(), whole);
    let error = round_trip(&chain(DEPTH / 2 + 1)).unwrap_err();
    assert!(error.to_string().ends_with("Chain: it is nested more than 128 deep"), "{error}");

    for claim in [vec![1; 1 << 20], vec![2; 1 << 20]] {
        let error = decode::<Expression>(&claim).unwrap_err();
        assert!(error.to_string().ends_with("nested more than 128 deep"), "{error}");
        let error = decode::<Chain>(&vec![1; claim.len()]).unwrap_err();
        assert!(error.to_string().ends_with("nested more than 128 deep"), "{error}");
    }
    // Nothing of the depth is kept from one element to the next.
    let wide = Expression::Sum((0..1000).map(Expression::Number).collect());
    let wide = Expression::Negative { of: Box::new(wide) };
    assert_eq!(round_trip(&wide).unwrap(), wide);
}

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
        assert!(round_trip(&wide).is_ok());
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(deepest);
    thread.unwrap().join().unwrap();
}

#[test]
fn elements_without_bytes_are_counted() {
    let most = vec![(); EMPTY];
    assert_eq!(round_trip(&most).unwrap(), most);
    let error = round_trip(&(most.clone(), most.clone())).unwrap_err();
    assert!(error.to_string().starts_with("cannot encode"), "{error}");
    assert!(error.to_string().ends_with("a length in it claims more than there is"), "{error}");
    let mut twice = Vec::new();
    encode_into(&mut twice, &most).unwrap();
    encode_into(&mut twice, &most).unwrap();
    assert!(decode::<(Vec<()>, Vec<()>)>(&twice).is_err());
    assert!(decode::<HashSet<()>>(&[0xfc, 0xff, 0xff, 0xff, 0x3f]).is_err());
    // A message is paid for by its bytes, however many lengths it claims.
    assert_eq!(round_trip(&vec![vec![(); 3]; 20_000]).unwrap().len(), 20_000);
}

#[test]
fn claims_cost_no_more_than_their_bytes() {
    // Each of the inner sequences claims as much as there can be.
    let mut claims = Vec::new();
    encode_into(&mut claims, &200_000_u32).unwrap();
    for _ in 0..200_000 {
        encode_into(&mut claims, &(EMPTY as u64)).unwrap();
    }
    let began = Instant::now();
    assert!(decode::<Vec<Vec<()>>>(&claims).is_err());
    assert!(decode::<Vec<BTreeSet<()>>>(&claims).is_err());
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

#[test]
fn malformed_values_are_errors() {
    let huge = [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert!(decode::<String>(&huge).is_err());
    assert!(decode::<Vec<()>>(&huge).is_err());
    assert!(decode::<Vec<String>>(&huge).is_err());
    assert!(decode::<BTreeMap<String, u8>>(&huge).is_err());
    assert!(decode::<String>(&[2, 0xc3, 0x28]).is_err(), "invalid UTF-8");
    assert!(decode::<bool>(&[2]).is_err());
    assert!(decode::<char>(&[0xed, 0xa0, 0x80]).is_err(), "a surrogate");
    assert!(decode::<Option<u8>>(&[2, 0]).is_err());
    assert!(decode::<Expression>(&[3]).is_err(), "an unknown variant");
    assert!(decode::<u16>(&[0xfc, 1, 0, 0, 0]).is_err(), "too wide");
    assert!(decode::<u64>(&[0xff]).is_err());
}

#[test]
fn borrowed_and_owned_forms_are_read_alike() {
    let text = round_trip(&std::borrow::Cow::Borrowed("text")).unwrap();
    assert_eq!(text, "text");
    assert_eq!(round_trip(&'é').unwrap(), 'é');
    assert_eq!(round_trip(&(u128::MAX, i128::MIN)).unwrap(), (u128::MAX, i128::MIN));
    assert_eq!(round_trip(&std::ffi::CString::from(c"bytes")).unwrap().as_c_str(), c"bytes");
}

/// Bytes are copied, whoever encodes or decodes them element by element.
#[test]
fn bytes_have_the_form_of_a_sequence() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inside {
        bytes: Vec<u8>,
    }
    for length in [0, 1, 250, 251, 70_000] {
        let bytes: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let inside = Inside { bytes: bytes.clone() };
        let (mut by_copy, mut by_element) = (Vec::new(), Vec::new());
        encode_into(&mut by_copy, &bytes).unwrap();
        encode_into(&mut by_element, &inside).unwrap();
        assert_eq!(by_copy, by_element);
        assert_eq!(decode::<Vec<u8>>(&by_element).unwrap(), bytes);
        assert_eq!(decode::<Inside>(&by_copy).unwrap(), inside);

        let maybe = Some(bytes);
        assert_eq!(round_trip(&maybe).unwrap(), maybe);
        let (mut arguments, mut tuple) = (Vec::new(), Vec::new());
        arguments.extend(encoded((7_u16, maybe.clone(), "text".to_owned())));
        encode_borrowing(&mut tuple, &(7_u16, &maybe, "text")).unwrap();
        assert_eq!(arguments, tuple);
        let all: (u16, Option<Vec<u8>>, String) = decode_arguments(&mut tuple.into(), 0).unwrap();
        assert_eq!(all, (7, maybe, "text".to_owned()));
    }
    assert_eq!(round_trip(&None::<Vec<u8>>).unwrap(), None);
    assert!(decode::<Vec<u8>>(&[3, 1, 2]).is_err(), "too few");
    let error = decode_arguments::<(Vec<u8>,)>(&mut vec![1, 1, 1].into(), 0).unwrap_err();
    assert_eq!(error.to_string(), "cannot decode (alloc::vec::Vec<u8>,): 1 bytes are left over");
}

#[test]
fn as_many_arguments_as_serde_has_tuples_for() {
    let most = (1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 8_u8, 9_u8, 10_u8);
    let mut bytes = encoded(most);
    assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let ten: (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8) =
        decode_arguments(&mut bytes.into(), 0).unwrap();
    assert_eq!(ten, most);
    bytes = encoded(());
    assert!(bytes.is_empty());
    decode_arguments::<()>(&mut bytes.into(), 0).unwrap();
}

#[test]
fn long_bytes_are_not_copied_and_look_as_if_they_were() {
    let long: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let arguments = ("key".to_owned(), long.clone());
    let mut whole = vec![9];
    encode_into(&mut whole, &arguments).unwrap();
    let at = arguments.1.as_ptr();
    let mut message = arguments_message(vec![9], arguments).unwrap();
    assert_eq!(message.tail.as_ptr(), at);
    assert_eq!(message.clone().into_bytes(), whole);
    let (key, bytes): (String, Vec<u8>) = decode_arguments(&mut message, 1).unwrap();
    assert_eq!((key.as_str(), bytes.as_ptr()), ("key", at));

    let text = "text".repeat(10_000);
    let at = text.as_ptr();
    let message = Codec::Bincode.value_message(Vec::new(), text).unwrap();
    assert_eq!(message.tail.as_ptr(), at);
    let text: String = decode_message(message).unwrap();
    assert_eq!(text.as_ptr(), at);
    let broken = Message { head: vec![4].into(), tail: vec![b'a', 0xff, b'b', b'c'] };
    assert!(decode_message::<String>(broken).is_err());
}

#[test]
fn a_message_may_be_in_two_parts_anywhere() {
    type Value = (u8, u64, String, Vec<u8>, Vec<u16>);
    let value: Value = (1, 1 << 40, "text".to_owned(), vec![1, 2, 3], vec![7, 70, 700]);
    let mut bytes = Vec::new();
    encode_into(&mut bytes, &value).unwrap();
    for at in 0..=bytes.len() {
        let (head, tail) = bytes.split_at(at);
        let message = Message { head: Head::copied(head), tail: tail.to_vec() };
        assert_eq!(decode_message::<Value>(message.clone()).unwrap(), value, "{at}");
        let mut more = message.clone();
        more.tail.push(0);
        let error = decode_message::<Value>(more).unwrap_err();
        assert!(error.to_string().ends_with("1 bytes are left over"), "{error}");
        let mut less = message;
        less.tail.pop();
        assert!(at == bytes.len() || decode_message::<Value>(less).is_err(), "{at}");
    }
}

fn encoded<A: Arguments>(arguments: A) -> Vec<u8> {
    arguments_message(Vec::new(), arguments).unwrap().into_bytes()
}
