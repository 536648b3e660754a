//! Texts that mean more work than they are long, or nothing.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::Ground;
use super::peer::{FAIL, Peer, REPLY, field, greeting, read_greeting, receives};
use super::random::Random;

/// Code 2 of a Fail: not executed, the arguments did not decode.
const ARGUMENTS: u8 = 2;

#[track_caller]
fn is_refused(peer: &mut Peer, method: &str, arguments: &str) {
    let began = Instant::now();
    let answer = peer.ask(0, method, arguments.as_bytes());
    let start = &arguments[..arguments.len().min(40)];
    assert_eq!((answer.kind, answer.payload[0]), (FAIL, ARGUMENTS), "{method} {start}");
    assert!(answer.payload.len() < 1000, "an error is short: {method} {start}");
    assert!(began.elapsed() < Duration::from_secs(10), "{method} {start}");
}

fn tree(depth: usize) -> String {
    format!(
        r#"{{"tree":{}"Leaf"{},"units":[]}}"#,
        r#"{"Branch":["#.repeat(depth),
        "]}".repeat(depth)
    )
}

#[test]
fn a_text_is_nested_no_deeper_than_the_stack_allows() {
    let ground = Ground::new();
    ground.endures("deep texts", 64 << 20, || {
        let mut peer = Peer::json(&ground.sock());
        // The object of the arguments is a level, each branch an object and a list.
        assert_eq!(peer.ask(0, "measure", tree(63).as_bytes()).payload, b"[63,0]");
        for depth in [64, 1000, 1 << 20] {
            is_refused(&mut peer, "measure", &tree(depth));
        }
        for open in ["[", "{\"a\":", "[{\"\":"] {
            let bomb = open.repeat(1 << 20);
            is_refused(&mut peer, "measure", &bomb);
            is_refused(&mut peer, "echo", &format!("{{\"bytes\":{bomb}"));
            is_refused(&mut peer, "close", &bomb);
        }
    });
}

#[test]
fn a_long_text_takes_no_more_than_what_it_says() {
    let ground = Ground::new();
    let million = "0,".repeat(1 << 20);
    // The text itself is 2 MiB at most, and held twice while it comes.
    ground.endures("long texts", 16 << 20, || {
        let mut peer = Peer::json(&ground.sock());
        is_refused(&mut peer, "add", &format!("{{\"n\":[{million}0]}}"));
        is_refused(&mut peer, "add", &format!("{{\"n\":{}}}", "9".repeat(1 << 20)));
        is_refused(&mut peer, "add", &format!("{{\"n\":0.{}}}", "9".repeat(1 << 20)));
        is_refused(&mut peer, "add", &format!("{{\"{}\":0}}", "\\n".repeat(1 << 20)));
        is_refused(&mut peer, "add", &format!("[{million}0]"));
        is_refused(&mut peer, "pid", &"{},".repeat(1 << 18));
        is_refused(&mut peer, "divide", &format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20)));
        let answer = peer.ask(0, "echo", format!("[[{million}0]]").as_bytes());
        assert_eq!(answer.kind, REPLY);
    });
}

#[test]
fn random_texts_harm_nobody() {
    const WORDS: [&str; 20] = [
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "\"n\"",
        "\"tree\":",
        "\"units\"",
        "null",
        "1",
        "-",
        "1e9",
        "\\u",
        "d800",
        "\"Leaf\"",
        "\"Branch\":[",
        " ",
        "\u{e9}",
    ];
    let ground = Ground::new();
    let mut random = Random::new();
    ground.endures("random texts", 8 << 20, || {
        let mut peer = Peer::json(&ground.sock());
        for round in 0..3000 {
            let method = ["add", "measure", "judge", "echo"][round % 4];
            let text: String = (0..random.below(24)).map(|_| WORDS[random.below(20)]).collect();
            let mut bytes = text.into_bytes();
            if !bytes.is_empty() && random.below(3) == 0 {
                let at = random.below(bytes.len());
                bytes[at] = random.byte();
            }
            let answer = peer.ask(0, method, &bytes);
            let is_refused = answer.kind == FAIL && answer.payload[0] == ARGUMENTS;
            assert!(is_refused || answer.kind == REPLY, "{bytes:?}: {answer:?}");
        }
    });
}

#[test]
fn what_a_hello_says_of_the_service_has_to_be_right() {
    const ACCEPT: u8 = 2;
    const REJECT: u8 = 5;
    let ground = Ground::new();
    let receives = receives();
    let answer = |codec: &[u8], more: &[(u8, &[u8])]| {
        let mut stream = ground.open();
        let fields = [&[(5, codec), (6, &receives)], more].concat();
        stream.write_all(&greeting(1, &fields)).unwrap();
        let answer = read_greeting(&mut stream).unwrap();
        (answer[6], field(&answer, 15).map(|code| code[0]))
    };
    let known = &ground.fingerprint[..];
    let wrong: Vec<u8> = known.iter().map(|byte| !byte).collect();
    let good: [&[(u8, &[u8])]; 6] = [
        &[],
        &[(2, b"Probe")],
        &[(2, b"")],
        &[(3, &[0; 8])],
        &[(3, known)],
        &[(2, b"Probe"), (3, known)],
    ];
    for more in good {
        assert_eq!(answer(b"json", more), (ACCEPT, None), "{more:?}");
    }
    assert_eq!(answer(b"json", &[(2, b"Other")]), (REJECT, Some(2)));
    assert_eq!(answer(b"json", &[(3, &wrong)]), (REJECT, Some(3)));
    assert_eq!(answer(b"json", &[(2, b"Probe"), (3, &wrong)]), (REJECT, Some(3)));
    // Without the types nothing may be left out.
    assert_eq!(answer(b"bincode2", &[(2, b"Probe"), (3, known)]), (ACCEPT, None));
    assert_eq!(answer(b"bincode2", &[(2, b"Probe")]), (REJECT, Some(0)));
    assert_eq!(answer(b"bincode2", &[(2, b"Probe"), (3, &[0; 8])]), (REJECT, Some(3)));
    assert_eq!(answer(b"bincode2", &[(3, known)]), (REJECT, Some(0)));
    assert_eq!(answer(b"bincode2", &[(2, b""), (3, known)]), (REJECT, Some(2)));
    assert_eq!(answer(b"yaml", &[(2, b"Probe"), (3, known)]), (REJECT, Some(1)));
}
