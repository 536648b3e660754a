//! What the documents name is there.

use std::path::Path;

/// The words in backquotes that name a test: `module::test`, `daemon::module::test`, `cli::module::test`,
/// `stress::row`;
/// `module::*` means all of a module, `daemon::module` too.
fn names(text: &str) -> Vec<&str> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:*-.S".contains(c);
    let words = text.split('`').skip(1).step_by(2);
    let is_name = |word: &&str| {
        word.contains("::")
            && word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.chars().all(is_plain)
    };
    words.filter(is_name).collect()
}

/// The code of a module's tests; nothing if there is no such module.
fn sources(module: &str) -> String {
    let cli = module.strip_prefix("cli::").map(|module| format!("autod-cli/tests/it/{module}.rs"));
    let files = match module.strip_prefix("daemon::") {
        _ if cli.is_some() => cli.into_iter().collect(),
        Some(module) => {
            ["", "_tests"].map(|end| format!("autod-core/src/daemon/{module}{end}.rs")).to_vec()
        }
        None if module == "stress" => vec!["autod-bench/src/bin/stress/rows/mod.rs".to_owned()],
        None => vec![format!("tests/it/{}.rs", module.replace("::", "/"))],
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    files.iter().filter_map(|file| std::fs::read_to_string(root.join(file)).ok()).collect()
}

fn is_there(name: &str) -> bool {
    let Some((module, test)) = name.rsplit_once("::") else { return false };
    match (module, test) {
        ("daemon", _) => !sources(name).is_empty(),
        ("stress", row) => sources(module).contains(&format!("row(\"{row}\"")),
        (_, "*") => !sources(module).is_empty(),
        _ => sources(module).contains(&format!("fn {test}()")),
    }
}

fn lifecycle() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("LIFECYCLE.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_test_that_is_named_is_there() {
    let text = lifecycle();
    let names = names(&text);
    assert!(names.len() > 100, "names are found at all: {names:?}");
    let missing: Vec<_> = names.into_iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for name in ["herd::no_such_test", "daemon::lease::nothing", "stress::nothing", "nothing::*"] {
        assert!(!is_there(name), "{name}");
    }
}

#[test]
fn every_way_to_fail_has_a_line_with_a_test_or_a_reason() {
    let text = lifecycle();
    let (_, section) = text.split_once("\n## How such daemons fail\n").expect("the section");
    let section = section.split("\n## ").next().unwrap();
    let lines: Vec<&str> = section.lines().filter(|line| line.starts_with("| R")).collect();
    let numbers: Vec<&str> =
        lines.iter().filter_map(|line| line.split('|').nth(1)).map(str::trim).collect();
    let expected: Vec<String> = (1..=45).map(|number| format!("R{number}")).collect();
    assert_eq!(numbers, expected);
    for line in lines {
        let shown = line.split('|').nth(3).unwrap_or_default();
        assert!(!names(shown).is_empty() || shown.contains("cannot"), "{line}");
    }
}
