use super::*;
use crate::wire::fields::{Builder, MAX_FIELDS, kind};

fn hello() -> Hello {
    Hello {
        version: VERSION,
        purpose: Purpose::Probe,
        service: "Counter".to_owned(),
        fingerprint: 0x1122_3344_5566_7788,
        build: "1.0.0".to_owned(),
        codec: "bincode2".to_owned(),
        receives: Receives { message: 1 << 20, calls: 16, window: 4096 },
        life: 9,
        control: String::new(),
        keep_alive: 5000,
        offer: Some(Offer { service: "Prompt".to_owned(), fingerprint: 3 }),
        caller: CallerFields {
            cwd: b"/tmp/\xff".to_vec(),
            args: vec![b"counter".to_vec(), b"".to_vec()],
            env: vec![b"PATH=/bin".to_vec()],
            terminal: Some((80, 24)),
            root: Some((1, u64::MAX)),
            login: Some("me".to_owned()),
        },
    }
}

fn parse_hello(bytes: &[u8]) -> Result<Hello, Malformed> {
    let prefix = Prefix::parse(bytes)?.expect("whole prefix");
    assert_eq!(bytes.len(), PREFIX + prefix.length);
    Hello::parse(prefix, &bytes[PREFIX..])
}

fn parse_answer(bytes: &[u8]) -> Result<Answer, Malformed> {
    let prefix = Prefix::parse(bytes)?.expect("whole prefix");
    Answer::parse(prefix, &bytes[PREFIX..])
}

#[test]
fn a_hello_comes_back() {
    assert_eq!(parse_hello(&hello().to_bytes()).unwrap(), hello());
}

#[test]
fn answers_come_back() {
    let accept = Accept {
        version: VERSION,
        service: "Counter".to_owned(),
        fingerprint: 7,
        build: "b".to_owned(),
        receives: Receives { message: 1024, calls: 1, window: 1024 },
        life: u64::MAX - 1,
        pid: 42,
        keep_alive: 5000,
    };
    for answer in [
        Answer::Accept(accept),
        Answer::Wait("indexing".to_owned()),
        Answer::Closing,
        Answer::Reject(Rejection {
            code: RejectCode::Fingerprint,
            text: "other build".to_owned(),
            build: "2.0.0".to_owned(),
            life: 7,
            pid: 8,
        }),
    ] {
        assert_eq!(parse_answer(&answer.to_bytes()).unwrap(), answer);
    }
}

#[test]
fn unknown_fields_and_codes_are_skipped() {
    let mut out = Builder::new(9, kind::REJECT);
    out.field(200, b"from the future");
    out.field(tag::CODE, &[99]);
    out.field(tag::TEXT, b"no");
    let Answer::Reject(rejection) = parse_answer(&out.finish()).unwrap() else {
        panic!("it is a rejection");
    };
    assert_eq!((rejection.code, rejection.text.as_str()), (RejectCode::Other, "no"));
}

#[test]
fn foreign_bytes_are_refused_at_the_first_difference() {
    assert_eq!(Prefix::parse(b"GET / HTTP/1.1"), Err(Malformed::Magic));
    assert_eq!(Prefix::parse(b"AUX"), Err(Malformed::Magic));
    assert_eq!(Prefix::parse(b"AUT"), Ok(None));
}

#[test]
fn a_length_is_not_believed() {
    let mut bytes = hello().to_bytes();
    bytes[PREFIX - 1] = 0xff;
    assert!(matches!(Prefix::parse(&bytes), Err(Malformed::Length(_))));
}

#[test]
fn cut_and_flipped_hellos_never_panic() {
    let whole = hello().to_bytes();
    let prefix = Prefix::parse(&whole).unwrap().unwrap();
    for end in PREFIX..whole.len() {
        let _ = Hello::parse(prefix, &whole[PREFIX..end]);
        let mut flipped = whole.clone();
        flipped[end] ^= 0x55;
        let _ = Hello::parse(prefix, &flipped[PREFIX..]);
        let _ = Answer::parse(Prefix { kind: kind::ACCEPT, ..prefix }, &flipped[PREFIX..]);
    }
}

#[test]
fn a_peer_that_cannot_receive_is_malformed() {
    let mut mute = hello();
    mute.receives.window = 0;
    assert_eq!(parse_hello(&mute.to_bytes()), Err(Malformed::Field(tag::RECEIVES)));
}

#[test]
fn a_wordy_caller_goes_without_arguments() {
    let mut wordy = hello();
    wordy.caller.args = vec![vec![b'x'; MAX_FIELDS]];
    let parsed = parse_hello(&wordy.to_bytes()).unwrap();
    assert!(parsed.caller.args.is_empty());
    assert_eq!(parsed.caller.cwd, wordy.caller.cwd);
}
