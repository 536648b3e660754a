//! What is printed, as files that are read when they change. For unit tests too.

use std::path::Path;

/// Compares with a file of `tests/snapshots`. Set `UPDATE_SNAPSHOTS` to write the files anew, then
/// review the difference.
#[track_caller]
pub(crate) fn assert_snapshot(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, found).unwrap_or_else(|error| panic!("{name}: {error}"));
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let different = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{name} is not what is printed now, first in {different:?}:\n{found}"
    );
}

/// Escapes are to be seen in a file.
pub(crate) fn visible(text: &str) -> String {
    text.replace('\x1b', "␛")
}
