//! What a caller says about itself.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

use crate::wire::greeting::CallerFields;

/// What a caller says about itself in its hello.
#[derive(Clone)]
pub struct Caller {
    /// The working directory, the arguments and the environment.
    words: Words,
    arguments: usize,
    /// The arguments apart, once somebody has asked for them.
    args: OnceLock<Box<[OsString]>>,
    terminal: Option<(u16, u16)>,
    root: Option<(u64, u64)>,
}

/// Words one behind the other: every connection keeps those of its caller, and most services ask for
/// none of them.
#[derive(Clone)]
struct Words(Box<[u8]>);

/// The length that stands before each word.
const LENGTH: usize = 4;

impl Words {
    #[expect(clippy::cast_possible_truncation, reason = "all of a hello is far shorter than 4 GiB")]
    fn new<'a>(words: impl Iterator<Item = &'a Vec<u8>> + Clone) -> Self {
        let length = words.clone().map(|word| LENGTH + word.len()).sum();
        let mut bytes = Vec::with_capacity(length);
        for word in words {
            bytes.extend_from_slice(&(word.len() as u32).to_le_bytes());
            bytes.extend_from_slice(word);
        }
        Self(bytes.into_boxed_slice())
    }

    fn iter(&self) -> impl Iterator<Item = &OsStr> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (length, behind) = rest.split_first_chunk::<LENGTH>()?;
            let (word, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = behind;
            Some(OsStr::from_bytes(word))
        })
    }
}

impl Caller {
    pub(crate) fn from_fields(fields: &CallerFields) -> Self {
        let words = std::iter::once(&fields.cwd).chain(&fields.args).chain(&fields.env);
        Self {
            words: Words::new(words),
            arguments: fields.args.len(),
            args: OnceLock::new(),
            terminal: fields.terminal,
            root: fields.root,
        }
    }

    /// The working directory of the caller. Relative paths in its arguments start here.
    pub fn cwd(&self) -> &Path {
        Path::new(self.words.iter().next().unwrap_or_default())
    }

    /// The command line of the caller, its name included.
    pub fn args(&self) -> &[OsString] {
        self.args.get_or_init(|| self.arguments().map(OsStr::to_owned).collect())
    }

    /// As [`args`](Self::args), and keeps nothing of it.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &OsStr> {
        self.words.iter().skip(1).take(self.arguments)
    }

    /// A variable of the caller's environment, if it is one of those that
    /// [`Daemon::caller_env`](crate::Daemon::caller_env) names.
    pub fn env(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        let name = name.as_ref();
        self.environment().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    fn environment(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.words.iter().skip(1 + self.arguments).filter_map(|pair| {
            let pair = pair.as_bytes();
            let at = pair.iter().position(|&byte| byte == b'=')?;
            Some((OsStr::from_bytes(&pair[..at]), OsStr::from_bytes(&pair[at + 1..])))
        })
    }

    /// Columns and rows of the terminal that the caller's standard output is, if it is one.
    pub fn terminal(&self) -> Option<(u16, u16)> {
        self.terminal
    }

    /// Whether the caller sees the same file system root as the daemon. A caller in a container
    /// does not, and its paths mean something else there.
    pub fn shares_root(&self) -> bool {
        self.root.is_some() && self.root == root_identity()
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("cwd", &self.cwd())
            .field("args", &self.arguments().collect::<Vec<_>>())
            .field("env", &self.environment().collect::<Vec<_>>())
            .field("terminal", &self.terminal)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// Device and inode of `/` as this process sees it.
pub(crate) fn root_identity() -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let root = std::fs::metadata("/").ok()?;
    Some((root.dev(), root.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(cwd: &str, args: &[&str], env: &[&str]) -> Caller {
        let bytes = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
        Caller::from_fields(&CallerFields {
            cwd: cwd.into(),
            args: bytes(args),
            env: bytes(env),
            ..CallerFields::default()
        })
    }

    #[test]
    fn every_word_is_found_where_it_belongs() {
        let caller = caller("/home", &["tool", "", "a\0b"], &["A=1", "none", "B=x=y", "A=2"]);
        assert_eq!(caller.cwd(), Path::new("/home"));
        assert_eq!(caller.args(), ["tool", "", "a\0b"]);
        assert_eq!(caller.args(), caller.clone().args(), "asked again, and of a clone");
        assert_eq!(caller.env("A"), Some(OsStr::new("1")), "the first one counts");
        assert_eq!(caller.env("B"), Some(OsStr::new("x=y")));
        for name in ["none", "", "B=x", "C", "tool"] {
            assert_eq!(caller.env(name), None, "{name}");
        }
        let text = format!("{caller:?}");
        assert!(text.contains("/home") && text.contains("tool") && text.contains("x=y"), "{text}");
    }

    #[test]
    fn a_caller_may_say_nothing() {
        let caller = Caller::from_fields(&CallerFields::default());
        assert_eq!(caller.cwd(), Path::new(""));
        assert!(caller.args().is_empty() && caller.env("A").is_none());
    }
}
