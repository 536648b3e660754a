//! What stands in a directory, to see later whether anything of it was changed.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Result;

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    inode: u64,
    mode: u32,
    owner: u32,
    links: u64,
    /// The bytes of a file, or where a link leads.
    content: Vec<u8>,
}

pub(crate) struct Survey(BTreeMap<PathBuf, Entry>);

impl Survey {
    pub(crate) fn of(directory: &Path) -> Result<Self> {
        let mut entries = BTreeMap::new();
        let mut ahead = vec![directory.to_owned()];
        while let Some(directory) = ahead.pop() {
            for found in std::fs::read_dir(directory)? {
                let path = found?.path();
                if path.symlink_metadata()?.is_dir() {
                    ahead.push(path.clone());
                }
                entries.insert(path.clone(), entry(&path)?);
            }
        }
        Ok(Self(entries))
    }

    /// What is not as it was. Nothing is said about what is new.
    pub(crate) fn changes(&self) -> Result<Vec<String>> {
        let mut changes = Vec::new();
        for (path, before) in &self.0 {
            if path.symlink_metadata().is_err() {
                changes.push(format!("{} is gone", path.display()));
                continue;
            }
            let now = entry(path)?;
            if now != *before {
                changes.push(format!("{} was {before:?} and is {now:?}", path.display()));
            }
        }
        Ok(changes)
    }
}

fn entry(path: &Path) -> Result<Entry> {
    let found = path.symlink_metadata()?;
    let content = if found.is_symlink() {
        path.read_link()?.into_os_string().into_encoded_bytes()
    } else if found.is_file() {
        std::fs::read(path)?
    } else {
        Vec::new()
    };
    // A directory may get new names in it.
    let links = if found.is_dir() { 0 } else { found.nlink() };
    Ok(Entry { inode: found.ino(), mode: found.mode(), owner: found.uid(), links, content })
}
