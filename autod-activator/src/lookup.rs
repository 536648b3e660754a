//! Where the program of a service is.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use crate::error::Cause;
use crate::service::Service;

/// The directory to start in, if it is not the supervisor's, and the program's file. Looked at anew
/// for each start: what is mended works at the next one.
pub(crate) fn find(service: &Service, program: &str) -> Result<(Option<PathBuf>, PathBuf), Cause> {
    let dir = match &service.dir {
        None => None,
        Some(dir) => {
            let absolute =
                std::path::absolute(dir).map_err(|error| Cause::directory(dir, &error))?;
            match std::fs::metadata(&absolute) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => {
                    return Err(Cause::directory(dir, &std::io::ErrorKind::NotADirectory.into()));
                }
                Err(error) => return Err(Cause::directory(dir, &error)),
            }
            Some(absolute)
        }
    };
    let missing = |reason: String| Cause::Program { program: program.to_owned(), reason };
    let candidates: Vec<PathBuf> = if program.contains('/') {
        let base = dir.clone().map_or_else(std::env::current_dir, Ok);
        vec![base.map_err(|error| missing(error.to_string()))?.join(program)]
    } else {
        let own = std::env::var_os("PATH");
        let path = service.env.get("PATH").map(OsString::from).or(own);
        let path =
            path.unwrap_or_else(|| OsString::from_vec(b"/usr/local/bin:/usr/bin:/bin".to_vec()));
        std::env::split_paths(&path).map(|directory| directory.join(program)).collect()
    };
    let mut reason = None;
    for candidate in candidates {
        match std::fs::metadata(&candidate) {
            Ok(found) if found.is_file() => {
                match rustix::fs::access(&candidate, rustix::fs::Access::EXEC_OK) {
                    Ok(()) => return Ok((dir, candidate)),
                    Err(error) => reason = Some(std::io::Error::from(error).to_string()),
                }
            }
            Ok(_) => reason = reason.or_else(|| Some("it is not a file".to_owned())),
            Err(error) => reason = reason.or_else(|| Some(error.to_string())),
        }
    }
    Err(missing(reason.unwrap_or_else(|| "it is not in PATH".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_executed_is_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let locate =
            |service: &Service, program: &str| find(service, program).map(|(_, path)| path);
        let find_here = |program: &str| {
            let service = Service::new("it", program).dir(directory.path());
            locate(&service, program)
        };
        std::fs::write(directory.path().join("text"), "").unwrap();
        for program in ["./text", "./absent", "/", "no-such-program-anywhere"] {
            assert!(matches!(find_here(program), Err(Cause::Program { .. })), "{program}");
        }
        assert!(find_here("sh").unwrap().ends_with("bin/sh"));
        let service = Service::new("it", "sh").dir("/nonexistent");
        assert!(matches!(find(&service, "sh"), Err(Cause::Directory { .. })));
    }
}
