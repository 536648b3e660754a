//! `autod logs`: what a daemon has written, and what it writes.
//!
//! The log is read from its file: the daemon need not run, and is not disturbed if it does.

use std::io::{self, Write};

use autod_core::control::Target;
use serde_json::json;

use crate::failure::{Done, Failure};
use crate::reader::while_read;

pub struct Options {
    pub follow: bool,
    pub lines: Option<usize>,
    pub previous: bool,
    pub json: bool,
}

pub async fn run(target: &Target, options: &Options) -> Result<Done, Failure> {
    let tail = target.log_tail(options.lines, options.previous)?;
    let mut out = Lines { out: io::stdout(), json: options.json, begun: Vec::new(), gone: false };
    let written = out.write_all(tail.text()).and_then(|()| out.flush());
    if written.is_ok() && options.follow {
        let is_read = while_read(target.follow_log(tail, &mut out)).await;
        match is_read {
            Some(Err(error)) if !out.gone => return Err(error.into()),
            Some(_) => {}
            None => out.gone = true,
        }
    }
    if out.gone {
        // Nobody reads any more, as behind `head`.
        return Ok(Done::Well);
    }
    written?;
    out.end()?;
    Ok(Done::Well)
}

/// Lines as they are, or each as a JSON object.
struct Lines {
    out: io::Stdout,
    json: bool,
    /// The start of a line whose end has not come.
    begun: Vec<u8>,
    gone: bool,
}

impl Lines {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let done = self.out.write_all(bytes);
        self.gone |= done.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        done
    }

    fn line(line: &[u8]) -> String {
        format!("{}\n", json!({"line": String::from_utf8_lossy(line)}))
    }

    fn end(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.begun);
        if rest.is_empty() { Ok(()) } else { self.put(Self::line(&rest).as_bytes()) }
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.json {
            self.put(bytes)?;
            return Ok(bytes.len());
        }
        self.begun.extend_from_slice(bytes);
        while let Some(at) = self.begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.begun.drain(..=at).collect();
            self.put(Self::line(&line[..at]).as_bytes())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = self.out.flush();
        self.gone |= done.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        done
    }
}
