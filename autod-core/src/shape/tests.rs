use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU8;

use serde::Deserialize;

use super::shape;

/// The types of two builds, which may have one name in both.
mod older {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "it is never made")]
    pub(super) struct Point {
        x: i64,
        y: i64,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "it is never made")]
    pub(super) enum Event {
        Start,
        Moved(Point),
        Stopped { why: String },
    }
}

mod newer {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "it is never made")]
    pub(super) struct Point {
        x: i64,
        y: i64,
        z: i64,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "it is never made")]
    pub(super) enum Event {
        Start,
        Moved(Point),
        Stopped { why: String },
    }
}

#[test]
fn types_that_differ_have_different_shapes() {
    let shapes = [
        shape::<()>(),
        shape::<u64>(),
        shape::<i64>(),
        shape::<String>(),
        shape::<Vec<u64>>(),
        shape::<Vec<i64>>(),
        shape::<Vec<Vec<u64>>>(),
        shape::<Option<u64>>(),
        shape::<(u64,)>(),
        shape::<(u64, u64)>(),
        shape::<[u64; 3]>(),
        shape::<HashMap<String, u64>>(),
        shape::<HashMap<String, i64>>(),
        shape::<Result<u64, String>>(),
        shape::<Result<u64, u64>>(),
        shape::<older::Point>(),
        shape::<newer::Point>(),
        shape::<Vec<older::Point>>(),
        shape::<Option<newer::Point>>(),
        shape::<older::Event>(),
        shape::<newer::Event>(),
    ];
    let different: std::collections::HashSet<_> = shapes.iter().collect();
    assert_eq!(different.len(), shapes.len());
}

#[test]
fn one_form_has_one_shape() {
    assert_eq!(shape::<HashMap<u8, u8>>(), shape::<BTreeMap<u8, u8>>());
    assert_eq!(shape::<Box<String>>(), shape::<String>());
    assert_eq!(shape::<NonZeroU8>(), shape::<u8>());
}

/// What is noted must not depend on the compiler: other builds have to come to the same number.
#[test]
fn shapes_do_not_change() {
    assert_eq!(shape::<u64>(), 18_163_215_171_701_261_781);
    assert_eq!(shape::<older::Event>(), 3_458_042_751_536_433_618);
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is never made")]
struct Tree {
    name: String,
    left: Option<Box<Tree>>,
    right: Option<Box<Tree>>,
    others: Vec<Tree>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is never made")]
enum Expression {
    Sum(Box<Expression>, Box<Expression>),
    Number(i64),
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is never made")]
struct Endless(Box<Endless>);

#[derive(Deserialize)]
enum Never {}

#[test]
fn a_type_that_contains_itself_has_a_shape() {
    let shapes = [shape::<Tree>(), shape::<Expression>(), shape::<Endless>(), shape::<Never>()];
    let different: std::collections::HashSet<_> = shapes.iter().collect();
    assert_eq!(different.len(), shapes.len());
}

#[test]
fn a_type_that_refuses_a_value_has_a_shape() {
    #[derive(Deserialize)]
    #[serde(try_from = "u8")]
    struct Even;
    impl TryFrom<u8> for Even {
        type Error = String;
        fn try_from(n: u8) -> Result<Self, String> {
            if n.is_multiple_of(2) { Ok(Self) } else { Err(format!("{n} is odd")) }
        }
    }
    assert_eq!(shape::<Even>(), shape::<Even>());
    assert_ne!(shape::<(Even, u8)>(), shape::<(u8, Even)>());
}
