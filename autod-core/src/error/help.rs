//! What somebody does next who has met an error.

use rustix::io::Errno;

use super::daemon::Whom;
use super::{ErrorKind, Inner};

/// The words of an error that does not bring its own.
pub(super) fn of(error: &Inner) -> String {
    if let Some(mend) = &error.mend {
        return mend.clone();
    }
    let whom = error.daemon.as_ref();
    let autod = |command: &str| match whom {
        Some(whom) => whom.command(command),
        None => format!("`autod {command} NAME`"),
    };
    let log = whom.map_or_else(|| "`autod logs NAME` shows its log".to_owned(), Whom::log);
    let lost = |alone: &str| {
        if error.executed && !error.repeatable {
            format!("it may have been executed: look whether it was before you try again; {log}")
        } else {
            format!("{alone}; {log}")
        }
    };
    match error.kind {
        ErrorKind::System => of_system(error).to_owned(),
        ErrorKind::Place => {
            "mend what is wrong with that file, and try again; `autod doctor` looks \
                             at all of them"
                .to_owned()
        }
        ErrorKind::Denied => {
            "be the user whose daemon it is, or name a socket of your own".to_owned()
        }
        ErrorKind::NotRunning => {
            "a command of its program starts it; `autod ps` lists what runs".to_owned()
        }
        ErrorKind::Unreachable => {
            "see that ssh reaches that machine without a question, and try again".to_owned()
        }
        ErrorKind::AlreadyRunning => format!("stop it first: {}", autod("stop")),
        ErrorKind::StartFailed => format!("mend what it says, and try again; {log}"),
        ErrorKind::Timeout => format!(
            "see what it does: {}; if it hangs, end it: {}",
            autod("status"),
            autod("stop --kill")
        ),
        ErrorKind::Mismatch | ErrorKind::UnknownMethod => {
            format!("put the build in its place that you have: {}", autod("restart"))
        }
        ErrorKind::Protocol => {
            format!("restart it: {}; if that does not help, {log}", autod("restart"))
        }
        ErrorKind::Lost => lost("try again: the next call starts it if it is gone"),
        ErrorKind::Closing => lost("try again: the next call starts a new one"),
        ErrorKind::Cancelled => "call again if the answer is still wanted".to_owned(),
        ErrorKind::Codec => format!(
            "compare with what {} shows; a program whose own client fails so needs a daemon of its build: {}",
            autod("describe"),
            autod("restart")
        ),
        ErrorKind::Limit => {
            "ask for less at once, or let the program raise its limits (`Limits`)".to_owned()
        }
        ErrorKind::Panicked => format!("report it to whoever wrote the service; {log}"),
        ErrorKind::Service => {
            format!("ask for something else: the service says this itself; {log}")
        }
        ErrorKind::Usage => {
            "mend the program, which uses autod in a way that cannot work".to_owned()
        }
    }
}

/// What the system lacks, by what it says.
fn of_system(error: &Inner) -> &'static str {
    let cause = error.source.as_deref();
    let errno = cause.and_then(|cause| match cause.downcast_ref::<std::io::Error>() {
        Some(error) => Errno::from_io_error(error),
        None => cause.downcast_ref::<Errno>().copied(),
    });
    match errno {
        Some(Errno::ACCESS | Errno::PERM) => {
            "look at the owner and the mode of what it names, and whether a sandbox forbids it; \
             `autod doctor` looks too"
        }
        Some(Errno::ROFS) => "name a place that can be written to",
        Some(Errno::NOSPC | Errno::DQUOT) => "make room on that file system, and try again",
        Some(Errno::MFILE | Errno::NFILE) => {
            "too many files are open: close some, or raise the limit: ulimit -n"
        }
        Some(Errno::AGAIN | Errno::NOMEM) => {
            "the system lacks processes, threads or memory: end some, or raise the limit: ulimit -u"
        }
        _ => {
            "mend what the system says, and try again; `autod doctor` looks for what is in the way"
        }
    }
}
