//! Which build of a program this is, told without reading the executable.
//!
//! The version orders builds, then the time at which the file was made, so two builds of one version
//! are told apart. The text form travels in greetings and stands in the life record.

use std::cmp::Ordering;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use semver::Version;

/// A build of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Build {
    /// As the program says.
    version: String,
    /// Device, inode, time of the last change of the content in nanoseconds, length.
    file: Option<(u64, u64, i64, u64)>,
}

impl Build {
    pub(crate) fn new(version: &str, executable: Option<&Metadata>) -> Self {
        let file = executable.map(|file| {
            let made = file.mtime().saturating_mul(1_000_000_000).saturating_add(file.mtime_nsec());
            (file.dev(), file.ino(), made, file.len())
        });
        Self { version: version.to_owned(), file }
    }

    /// Reads the text form. A text that is none is a build of which only that is known.
    pub(crate) fn parse(text: &str) -> Self {
        // Build metadata of a version may hold a plus sign too.
        let parsed = text.rsplit_once('@').and_then(|(version, file)| {
            let mut parts = file.split('.');
            let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
            let file = (number()?, number()?, number()?.cast_signed(), number()?);
            parts.next().is_none().then(|| Self { version: version.to_owned(), file: Some(file) })
        });
        parsed.unwrap_or_else(|| Self { version: text.to_owned(), file: None })
    }

    /// The version alone, for people.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Whether this build comes after the other one. Equal is not newer, and what cannot be
    /// compared is not either.
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        if self == other {
            return false;
        }
        let versions = match (Version::parse(&self.version), Version::parse(&other.version)) {
            (Ok(ours), Ok(theirs)) => ours.cmp_precedence(&theirs),
            _ if self.version == other.version => Ordering::Equal,
            _ => return false,
        };
        match (versions, self.file, other.file) {
            (Ordering::Equal, Some(ours), Some(theirs)) => ours.2 > theirs.2,
            (order, ..) => order == Ordering::Greater,
        }
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version)?;
        match self.file {
            Some((device, inode, made, length)) => {
                write!(f, "@{device:x}.{inode:x}.{made:x}.{length:x}")
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(version: &str, made: i64) -> Build {
        Build { version: version.to_owned(), file: Some((1, 2, made, 3)) }
    }

    #[test]
    fn the_text_form_comes_back() {
        for build in [
            build("1.2.3-rc.1+meta", 0x1234),
            build("", -5),
            Build { version: "0.1.0".to_owned(), file: None },
        ] {
            assert_eq!(Build::parse(&build.to_string()), build);
        }
        assert_eq!(Build::parse("x@1.2").version(), "x@1.2");
    }

    #[test]
    fn the_version_decides_and_then_the_time() {
        assert!(build("1.10.0", 1).is_newer_than(&build("1.9.0", 2)));
        assert!(!build("1.9.0", 2).is_newer_than(&build("1.10.0", 1)));
        assert!(build("1.0.0", 1).is_newer_than(&build("1.0.0-rc.1", 2)));
        assert!(build("1.0.0", 2).is_newer_than(&build("1.0.0", 1)));
        assert!(build("nightly", 2).is_newer_than(&build("nightly", 1)));
    }

    #[test]
    fn never_are_two_builds_newer_than_each_other() {
        let builds = [
            build("1.0.0", 1),
            build("1.0.0", 2),
            build("1.0.0+a", 2),
            build("2.0.0", 0),
            build("nightly", 9),
            build("", 9),
            Build { version: "1.0.0".to_owned(), file: None },
            Build { version: "2.0.0".to_owned(), file: None },
        ];
        for one in &builds {
            assert!(!one.is_newer_than(one));
            for other in &builds {
                assert!(!(one.is_newer_than(other) && other.is_newer_than(one)), "{one} {other}");
            }
        }
    }
}
