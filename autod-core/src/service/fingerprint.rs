//! Names on the wire: ids of methods, and the hash over all that is written in a trait.

use super::table::Method;

/// The id of a method on the wire: 64-bit FNV-1a of its name.
pub const fn method_id(name: &str) -> u64 {
    hash(FNV_OFFSET, name)
}

pub(crate) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
pub(crate) const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

pub(crate) const fn hash(mut state: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        state = (state ^ bytes[at] as u64).wrapping_mul(FNV_PRIME);
        at += 1;
    }
    state
}

/// Ends a field, so that neighbouring fields cannot trade characters.
pub(crate) const fn end(state: u64) -> u64 {
    (state ^ 0xff).wrapping_mul(FNV_PRIME)
}

/// Does not depend on the order of the methods, on docs or on argument names: none of them is on
/// the wire.
pub(super) const fn written(name: &str, methods: &[Method]) -> u64 {
    let mut sum = end(hash(FNV_OFFSET, name));
    let mut at = 0;
    while at < methods.len() {
        let method = &methods[at];
        let mut state = end(hash(FNV_OFFSET, method.name));
        state = end(hash(state, method.kind.word()));
        let mut argument = 0;
        while argument < method.arguments.len() {
            state = end(hash(state, method.arguments[argument].ty));
            argument += 1;
        }
        if let Some(input) = method.input {
            state = end(hash(state, input.ty));
        }
        state = end(hash(end(state), method.output));
        if let Some(error) = method.error {
            state = end(hash(state, error));
        }
        sum = sum.wrapping_add(state);
        at += 1;
    }
    sum
}

/// Stops the compilation of a service in which two names have the same id.
pub const fn assert_distinct(methods: &[Method]) {
    let mut left = 0;
    while left < methods.len() {
        let mut right = left + 1;
        while right < methods.len() {
            assert!(
                methods[left].id != methods[right].id,
                "two methods of this service have the same id: rename one of them"
            );
            right += 1;
        }
        left += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Argument, Kind, Policy};

    const ADD: Method = Method {
        name: "add",
        id: method_id("add"),
        kind: Kind::Unary,
        arguments: &[Argument { name: "n", ty: "i64" }],
        input: None,
        output: "i64",
        error: None,
        policy: Policy::BackPressure,
        no_cancel: false,
        idempotent: false,
        docs: "",
    };

    #[test]
    fn ids_are_fnv_1a() {
        assert_eq!(method_id(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(method_id("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(method_id("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn only_what_is_on_the_wire_changes_the_fingerprint() {
        let base = written("Counter", &[ADD]);
        let docs = Method { docs: "Adds.", ..ADD };
        let argument = Method { arguments: &[Argument { name: "by", ty: "i64" }], ..ADD };
        assert_eq!(base, written("Counter", &[docs]));
        assert_eq!(base, written("Counter", &[argument]));

        let ty = Method { arguments: &[Argument { name: "n", ty: "u64" }], ..ADD };
        let stream = Method { kind: Kind::Stream, ..ADD };
        let fallible = Method { error: Some("String"), ..ADD };
        let output = Method { output: "i32", ..ADD };
        for other in [ty, stream, fallible, output] {
            assert_ne!(base, written("Counter", &[other]), "{other:?}");
        }
        assert_ne!(base, written("Meter", &[ADD]));
        let get = Method { name: "get", arguments: &[], ..ADD };
        assert_eq!(written("Counter", &[ADD, get]), written("Counter", &[get, ADD]));
    }

    #[test]
    fn fields_cannot_trade_characters() {
        let left = Method {
            arguments: &[Argument { name: "", ty: "ab" }, Argument { name: "", ty: "c" }],
            ..ADD
        };
        let right = Method {
            arguments: &[Argument { name: "", ty: "a" }, Argument { name: "", ty: "bc" }],
            ..ADD
        };
        assert_ne!(written("", &[left]), written("", &[right]));
    }
}
