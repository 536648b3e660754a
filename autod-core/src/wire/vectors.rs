//! The test vectors of PROTOCOL.md against what the code writes and reads.
//!
//! They stand in fenced blocks of the kind `text NAME`. A line is bytes in hex, two spaces, words.
//! After a line `[name]` they are parts of one vector and the words are for people; before the
//! first such line each is a vector whose name the words are. Every vector is checked, and every
//! check has its vector.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame::{self, FailCode, GoodbyeCode, HEADER, Header, Kind, MAX_PIECE, Options};
use super::greeting::{
    Accept, Answer, CallerFields, Hello, Malformed, Offer, PREFIX, Prefix, Purpose, RejectCode,
    Rejection, VERSION,
};
use super::hello;
use super::limits::{Limits, Receives};
use crate::codec::{self, Codec};
use crate::service::{self, Argument, Method, Policy, Table, method_id};

const DOCUMENT: &str = include_str!("../../../PROTOCOL.md");

/// All vectors of a block by their names.
pub(crate) fn all(block: &str) -> BTreeMap<&'static str, Vec<u8>> {
    Block::new(block).vectors
}

/// The vectors of one block that were not checked yet.
struct Block {
    vectors: BTreeMap<&'static str, Vec<u8>>,
}

impl Block {
    fn new(name: &str) -> Self {
        let fence = format!("\n```text {name}\n");
        let (_, rest) = DOCUMENT.split_once(&fence).expect("the block");
        let (block, _) = rest.split_once("\n```").expect("the end of the block");
        let mut vectors = BTreeMap::new();
        let mut current = None;
        for line in block.lines().filter(|line| !line.is_empty()) {
            if let Some(name) = line.strip_prefix('[') {
                let name = name.strip_suffix(']').expect("the end of a name");
                assert!(vectors.insert(name, Vec::new()).is_none(), "[{name}] stands there twice");
                current = Some(name);
                continue;
            }
            let (hex, words) = line.split_once("  ").expect("words behind the bytes");
            let name = current.unwrap_or(words.trim_start());
            vectors.entry(name).or_insert_with(Vec::new).extend(hex.split(' ').map(|pair| {
                assert_eq!(pair.len(), 2, "{line}");
                u8::from_str_radix(pair, 16).expect("hex")
            }));
        }
        Self { vectors }
    }

    #[track_caller]
    fn take(&mut self, name: &str) -> Vec<u8> {
        self.vectors.remove(name).unwrap_or_else(|| panic!("[{name}] is missing"))
    }

    #[track_caller]
    fn take_written(&mut self, name: &str, written: &[u8]) -> Vec<u8> {
        let vector = self.take(name);
        assert!(vector == written, "[{name}] is\n{}", hex(written));
        vector
    }

    #[track_caller]
    fn value<T>(&mut self, name: &str, value: &T)
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
    {
        let bytes = self.take_written(name, &encoded(value));
        assert_eq!(codec::decode::<T>(&bytes).expect(name), *value);
    }

    fn finish(self) {
        assert!(self.vectors.is_empty(), "nobody checks {:?}", self.vectors.keys());
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn encoded<T: Serialize + 'static>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode_into(&mut bytes, value).expect("it encodes");
    bytes
}

const N: &[Argument] = &[Argument { name: "n", ty: "i64" }];

const fn method(name: &'static str, arguments: &'static [Argument]) -> Method {
    Method {
        name,
        id: method_id(name),
        kind: service::Kind::Unary,
        arguments,
        input: None,
        output: "i64",
        error: None,
        policy: Policy::BackPressure,
        no_cancel: false,
        idempotent: false,
        docs: "",
    }
}

/// The service of the example `counter`.
const COUNTER: Table = Table::new(
    "Counter",
    "",
    &[
        method("add", N),
        method("get", &[]),
        Method { kind: service::Kind::Stream, ..method("watch", &[]) },
        Method { output: "()", ..method("close", &[]) },
    ],
);

const HALVER: Table =
    Table::new("Halver", "", &[Method { error: Some("String"), ..method("halve", N) }]);

/// One method of each kind that the others lack.
const SHAPES: Table = Table::new(
    "Shapes",
    "",
    &[
        Method {
            kind: service::Kind::ClientStream,
            input: NUMBERS,
            ..method("sum", &[Argument { name: "start", ty: "i64" }])
        },
        Method { kind: service::Kind::BothWays, input: NUMBERS, ..method("twice", &[]) },
        Method {
            kind: service::Kind::Bytes,
            output: "u64",
            error: Some("String"),
            ..method("upper", &[])
        },
        Method {
            kind: service::Kind::Stream,
            error: Some("String"),
            ..method("open", &[Argument { name: "name", ty: "String" }])
        },
    ],
);

const NUMBERS: Option<Argument> = Some(Argument { name: "numbers", ty: "i64" });

fn parts(greeting: &[u8]) -> (Prefix, &[u8]) {
    let prefix = Prefix::parse(greeting).expect("a greeting").expect("all of its prefix");
    assert_eq!(greeting.len(), PREFIX + prefix.length);
    (prefix, &greeting[PREFIX..])
}

fn read_hello(bytes: &[u8]) -> Result<Hello, Malformed> {
    let (prefix, fields) = parts(bytes);
    Hello::parse(prefix, fields)
}

#[test]
fn hashes() {
    let mut block = Block::new("hashes");
    for method in COUNTER.methods {
        block.take_written(&format!("method id of {}", method.name), &method.id.to_le_bytes());
    }
    block.take_written("fingerprint of Counter", &COUNTER.fingerprint().to_le_bytes());
    block.take_written("fingerprint of Halver", &HALVER.fingerprint().to_le_bytes());
    for name in ["sum", "upper"] {
        block.take_written(&format!("method id of {name}"), &method_id(name).to_le_bytes());
    }
    block.take_written("fingerprint of Shapes", &SHAPES.fingerprint().to_le_bytes());
    block.finish();
}

#[test]
fn greetings() {
    let mut block = Block::new("greetings");
    let receives = Receives::from(&Limits::default());

    let hello = Hello {
        version: VERSION,
        purpose: Purpose::Session,
        service: "Counter".to_owned(),
        fingerprint: COUNTER.fingerprint(),
        build: "1.0.0".to_owned(),
        codec: Codec::Bincode.name().to_owned(),
        receives,
        life: 0,
        control: String::new(),
        keep_alive: 0,
        offer: None,
        caller: CallerFields {
            cwd: b"/tmp".to_vec(),
            args: vec![b"counter".to_vec(), b"add".to_vec(), b"2".to_vec()],
            env: vec![b"LANG=C".to_vec()],
            terminal: Some((80, 24)),
            root: Some((42, 2)),
            login: None,
        },
    };
    let bytes = block.take_written("Hello", &hello.to_bytes());
    assert_eq!(read_hello(&bytes), Ok(hello.clone()));

    let bytes = block.take("Hello with the least");
    let least = Hello { build: String::new(), caller: CallerFields::default(), ..hello };
    assert_eq!(read_hello(&bytes).as_ref(), Ok(&least));

    let offer = Offer { service: "Halver".to_owned(), fingerprint: HALVER.fingerprint() };
    let serving = Hello { offer: Some(offer), ..least.clone() };
    let bytes = block.take("Hello of a caller that serves Halver");
    assert_eq!(read_hello(&bytes), Ok(serving));

    let life = 0x0807_0605_0403_0201;
    for (name, purpose, life) in [
        ("Hello of a probe", Purpose::Probe, 0),
        ("Hello with an order", Purpose::Close, life),
        ("Hello with an order to make room for a successor", Purpose::Replace, life),
    ] {
        let order = Hello { purpose, life, ..least.clone() };
        let bytes = block.take_written(name, &order.to_bytes());
        assert_eq!(read_hello(&bytes), Ok(order));
    }

    let pinging = Hello { keep_alive: 5000, ..least.clone() };
    let bytes = block.take("Hello of a caller that keeps the connection alive");
    assert_eq!(read_hello(&bytes), Ok(pinging));

    let question = Hello {
        purpose: Purpose::Control,
        service: String::new(),
        fingerprint: 0,
        control: r#"{"method":"status"}"#.to_owned(),
        ..least
    };
    let bytes = block.take_written("Hello with a question to the daemon", &question.to_bytes());
    assert_eq!(read_hello(&bytes), Ok(question.clone()));

    let ready = Hello {
        purpose: Purpose::Readiness,
        codec: hello::SELF_DESCRIBING.to_owned(),
        control: String::new(),
        ..question
    };
    let bytes = block.take_written("Hello that asks for readiness", &ready.to_bytes());
    assert_eq!(read_hello(&bytes), Ok(ready));

    let accept = Accept {
        version: VERSION,
        service: "Counter".to_owned(),
        fingerprint: COUNTER.fingerprint(),
        build: "1.0.0".to_owned(),
        receives,
        life,
        pid: 4242,
        keep_alive: 0,
    };
    let pinged = Accept { keep_alive: 5000, ..accept.clone() };
    for (name, answer) in [
        ("Accept", Answer::Accept(accept)),
        ("Accept of a connection that is kept alive", Answer::Accept(pinged)),
        ("Wait", Answer::Wait("indexing".to_owned())),
        ("Closing", Answer::Closing),
        (
            "Reject",
            Answer::Reject(Rejection {
                code: RejectCode::Service,
                text: "wrong door".to_owned(),
                build: "1.0.0".to_owned(),
                life,
                pid: 4242,
            }),
        ),
        ("Report", Answer::Report(r#"{"ok":{}}"#.to_owned())),
    ] {
        let bytes = block.take_written(name, &answer.to_bytes());
        let (prefix, fields) = parts(&bytes);
        assert_eq!(Answer::parse(prefix, fields), Ok(answer));
    }
    block.finish();
}

/// Compares a vector with one frame, and gives back what was read of it.
#[track_caller]
fn single(block: &mut Block, name: &str, kind: Kind, id: u32, payload: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    frame::put(&mut written, kind, id, false, payload);
    let bytes = block.take_written(name, &written);
    let header = Header::parse(&bytes).expect("a header").expect("all of it");
    assert_eq!((header.kind, header.id, header.more), (kind, id, false));
    assert_eq!(bytes.len(), HEADER + header.length);
    bytes[HEADER..].to_vec()
}

#[test]
fn frames() {
    let mut block = Block::new("frames");

    let mut call = method_id("add").to_le_bytes().to_vec();
    call.push(0);
    call.extend(encoded(&(2_i64,)));
    let read = single(&mut block, "Call of add(2)", Kind::Call, 0, &call);
    assert_eq!(codec::decode::<(i64,)>(&read[9..]).unwrap(), (2,));

    let mut call = method_id("add").to_le_bytes().to_vec();
    call.push(Options::Plain as u8 | frame::DEADLINE);
    call.extend(1500_u32.to_le_bytes());
    call.extend(encoded(&(2_i64,)));
    single(&mut block, "Call of add(2) with a deadline", Kind::Call, 0, &call);

    let read = single(&mut block, "Reply to it", Kind::Reply, 0, &encoded(&2_i64));
    assert_eq!(codec::decode::<i64>(&read).unwrap(), 2);

    let mut call = method_id("watch").to_le_bytes().to_vec();
    call.push(0);
    single(&mut block, "Call of watch()", Kind::Call, 2, &call);

    let totals = [2_i64, -3, 300];
    let mut items = 3_u32.to_le_bytes().to_vec();
    for total in totals {
        items.extend(encoded(&total));
    }
    let read = single(&mut block, "Items of it", Kind::Items, 2, &items);
    let mut rest = &read[4..];
    for total in totals {
        let (item, length) = codec::decode_prefix::<i64>(rest).unwrap();
        assert_eq!(item, total);
        rest = &rest[length..];
    }
    assert!(rest.is_empty());

    single(&mut block, "Credit for them", Kind::Credit, 2, &9_u32.to_le_bytes());
    single(&mut block, "Cancel of it", Kind::Cancel, 2, &[]);
    single(&mut block, "End of a stream", Kind::End, 2, &[]);

    let mut fail = vec![FailCode::Service as u8];
    fail.extend(encoded(&"odd"));
    let read = single(&mut block, "Fail with the service's own error", Kind::Fail, 4, &fail);
    assert_eq!(FailCode::from_wire(read[0]), FailCode::Service);
    assert_eq!(codec::decode::<String>(&read[1..]).unwrap(), "odd");

    let mut fail = vec![FailCode::Panicked as u8];
    fail.extend(b"oops");
    let read = single(&mut block, "Fail of a handler that panicked", Kind::Fail, 4, &fail);
    assert_eq!(FailCode::from_wire(read[0]), FailCode::Panicked);

    single(&mut block, "Fail at the deadline", Kind::Fail, 0, &[FailCode::Deadline as u8]);

    single(&mut block, "Ping", Kind::Ping, 0, &[]);
    single(&mut block, "Pong", Kind::Pong, 0, &[]);

    let mut goodbye = vec![GoodbyeCode::Closing as u8];
    goodbye.extend(b"bye");
    let read = single(&mut block, "Goodbye", Kind::Goodbye, 0, &goodbye);
    assert_eq!(GoodbyeCode::from_wire(read[0]), GoodbyeCode::Closing);

    let mut call = method_id("sum").to_le_bytes().to_vec();
    call.push(Options::Items as u8);
    call.extend(encoded(&(2_i64,)));
    single(&mut block, "Call of sum(2, ..)", Kind::Call, 6, &call);
    let mut items = 1_u32.to_le_bytes().to_vec();
    items.extend(encoded(&2_i64));
    single(&mut block, "Items for it, of the caller", Kind::Items, 6, &items);
    single(&mut block, "Credit of the callee", Kind::Credit, 6, &5_u32.to_le_bytes());
    single(&mut block, "Cancel of the callee", Kind::Cancel, 6, &[]);
    single(&mut block, "End of the caller", Kind::End, 6, &[]);

    let mut call = method_id("upper").to_le_bytes().to_vec();
    call.push(Options::Bytes as u8);
    single(&mut block, "Call of upper()", Kind::Call, 8, &call);
    single(&mut block, "Bytes for it", Kind::Items, 8, b"hi");
    single(&mut block, "Skip in a stream", Kind::Skip, 2, &3_u64.to_le_bytes());

    let piece = Header::new(Kind::Reply, 6, MAX_PIECE, true);
    let bytes = block.take_written("header of a first piece", &piece.to_bytes());
    assert_eq!(Header::parse(&bytes), Ok(Some(piece)));
    block.finish();
}

#[cfg(feature = "json")]
#[test]
fn json() {
    let mut block = Block::new("json");
    let hello = Hello {
        version: VERSION,
        purpose: Purpose::Session,
        service: "Counter".to_owned(),
        fingerprint: 0,
        build: String::new(),
        codec: Codec::Json.name().to_owned(),
        receives: Receives::from(&Limits::default()),
        life: 0,
        control: String::new(),
        keep_alive: 0,
        offer: None,
        caller: CallerFields::default(),
    };
    assert_eq!(read_hello(&block.take("Hello")), Ok(hello));

    let mut call = method_id("add").to_le_bytes().to_vec();
    call.push(Options::Plain as u8);
    codec::json::encode_borrowing(&mut call, &BTreeMap::from([("n", 2)])).unwrap();
    let read = single(&mut block, "Call of add(2)", Kind::Call, 0, &call);
    assert_eq!(codec::json::decode_arguments::<(i64,)>(&read[9..], N).unwrap(), (2,));
    let mut reply = Vec::new();
    codec::json::encode_into(&mut reply, &2_i64).unwrap();
    single(&mut block, "Reply to it", Kind::Reply, 0, &reply);

    let mut items = 3_u32.to_le_bytes().to_vec();
    for total in [2_i64, -3, 300] {
        Codec::Json.encode_item(&mut items, &mut Vec::new(), total).unwrap();
    }
    single(&mut block, "Items of watch()", Kind::Items, 2, &items);

    let mut fail = vec![FailCode::Service as u8];
    codec::json::encode_into(&mut fail, &"odd").unwrap();
    single(&mut block, "Fail with the service's own error", Kind::Fail, 4, &fail);
    block.finish();
}

#[cfg(feature = "json")]
#[test]
fn json_values() {
    fn value<T>(block: &mut Block, name: &str, value: &T)
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
    {
        let mut written = Vec::new();
        codec::json::encode_into(&mut written, value).expect("it encodes");
        let bytes = block.take_written(name, &written);
        assert_eq!(codec::json::decode::<T>(&bytes).expect(name), *value);
    }
    let mut block = Block::new("json-values");
    value(&mut block, "unit ()", &());
    value(&mut block, "u64 2^64 - 1", &u64::MAX);
    value(&mut block, "i64 -9", &-9_i64);
    value(&mut block, "f64 1.5", &1.5_f64);
    value(&mut block, "char é", &'é');
    value(&mut block, "String a\"\\ and a new line", &"a\"\\\n".to_owned());
    value(&mut block, "Vec<u8> 1, 255", &vec![1_u8, 255]);
    value(&mut block, "(u8, String) 7, a", &(7_u8, "a".to_owned()));
    value(&mut block, "Option<u8> None", &None::<u8>);
    value(&mut block, "Option<u8> Some(5)", &Some(5_u8));
    value(&mut block, "Result<u8, String> Ok(5)", &Ok::<u8, String>(5));
    value(&mut block, "BTreeMap<u8, bool> 1: false", &BTreeMap::from([(1_u8, false)]));
    block.finish();
}

#[test]
fn values() {
    let mut block = Block::new("values");
    block.value("u8 251", &251_u8);
    block.value("i8 -2", &-2_i8);
    block.value("bool true", &true);
    block.value("u64 250", &250_u64);
    block.value("u64 251", &251_u64);
    block.value("u64 65536", &65_536_u64);
    block.value("u64 2^32", &(1_u64 << 32));
    block.value("i64 -1", &-1_i64);
    block.value("i64 2", &2_i64);
    block.value("i64 -126", &-126_i64);
    block.value("i64 -2^63", &i64::MIN);
    block.value("f64 1.5", &1.5_f64);
    block.value("char é", &'é');
    block.value("String é!", &"é!".to_owned());
    block.value("Vec<u16> 1, 300", &vec![1_u16, 300]);
    block.value("[u16; 2] 1, 300", &[1_u16, 300]);
    block.value("(u8, String) 7, a", &(7_u8, "a".to_owned()));
    block.value("Option<u8> None", &None::<u8>);
    block.value("Option<u8> Some(5)", &Some(5_u8));
    block.value("Result<u8, String> Ok(5)", &Ok::<u8, String>(5));
    block.value("Result<u8, String> Err(a)", &Err::<u8, String>("a".to_owned()));
    block.value("BTreeMap<u8, bool> 1: false", &BTreeMap::from([(1_u8, false)]));
    assert!(encoded(&()).is_empty());
    block.finish();
}
