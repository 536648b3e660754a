//! A server that does what the tests ask for, in the order of its arguments.
//!
//! It echoes each connection until its end, and then closes it.

mod serve;
mod supervise;

use std::io::Write as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, exit};
use std::time::Duration;

use signal_hook::consts::SIGTERM;

fn main() {
    let mut words = std::env::args().skip(1);
    let mut answer = serve::Answer::Echo;
    // Asked to end while it waits, it does so in its own time.
    let (read, write) = UnixStream::pair().expect("a pair");
    let mut term = Some((read, write));
    let mut shutdown = Duration::ZERO;
    let mut shells = Vec::new();
    while let Some(word) = words.next() {
        let mut next = || words.next().expect("an argument");
        match word.as_str() {
            "supervise" => return supervise::run(&next(), words),
            // One line for each start.
            "count" => append(&next(), &std::process::id().to_string()),
            "sleep" => std::thread::sleep(millis(&next())),
            // Until somebody has opened this pipe and closed it.
            "gate" => drop(std::fs::read(next()).expect("a pipe")),
            // A line of the monotonic clock's nanoseconds.
            "clock" => append(&next(), &monotonic().as_nanos().to_string()),
            "say" => say(&next()),
            "print" => {
                println!("{}", next());
                std::io::stdout().flush().expect("output");
            }
            "newline" => {
                let path = format!("/proc/self/fd/{}", next());
                std::fs::File::options()
                    .write(true)
                    .open(path)
                    .expect("a pipe")
                    .write_all(b"\n")
                    .expect("a reader");
            }
            "data" => {
                let number = std::env::var("AUTOD_DATA").expect("data");
                let data =
                    std::fs::read_to_string(format!("/proc/self/fd/{number}")).expect("data");
                append(&next(), &data);
            }
            "note" => append(&next(), &next()),
            // A line for a variable; an empty one if it is not there.
            "variable" => append(&next(), &std::env::var(next()).unwrap_or_default()),
            "exit" => exit(next().parse().expect("a code")),
            "die" => {
                let signal = next().parse().expect("a signal");
                signal_hook::low_level::raise(signal).expect("its end");
                std::thread::sleep(Duration::from_secs(60));
            }
            "ignore-term" => {
                let never = std::sync::Arc::default();
                signal_hook::flag::register(SIGTERM, never).expect("a handler");
                term = None;
            }
            // A helper in the same group, which does not hear of it either if we do not.
            "fork" => {
                let script = "trap '' TERM; echo $$ >>\"$0\"; while :; do sleep 1; done";
                let shell = Command::new("/bin/sh").args(["-c", script, &next()]).spawn();
                shells.push(shell.expect("a shell"));
            }
            "shutdown" => shutdown = millis(&next()),
            "greet" => answer = serve::Answer::Greet(next()),
            "http" => answer = serve::Answer::Http,
            "flood" => answer = serve::Answer::Flood(next().parse().expect("bytes")),
            "serve" => serve::listeners()
                .into_iter()
                .for_each(|listener| serve::forever(listener, answer.clone())),
            // Ends when nobody was connected for so long.
            "serve-until-idle" => {
                return serve::until_idle(&serve::listeners(), millis(&next()), shutdown);
            }
            other => panic!("unknown word {other}"),
        }
    }
    if let Some((mut read, write)) = term.take() {
        signal_hook::low_level::pipe::register(SIGTERM, write).expect("a handler");
        let _ = std::io::Read::read(&mut read, &mut [0]);
        say("STOPPING=1");
        std::thread::sleep(shutdown);
        return;
    }
    loop {
        std::thread::park();
    }
}

fn millis(text: &str) -> Duration {
    Duration::from_millis(text.parse().expect("milliseconds"))
}

fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.try_into().expect("a time since the boot")
}

fn append(path: &str, line: &str) {
    let mut file = std::fs::File::options().create(true).append(true).open(path).expect("a file");
    writeln!(file, "{line}").expect("a line");
}

fn say(text: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    // Its supervisor may be gone.
    let _ = UnixDatagram::unbound().expect("a socket").send_to(text.as_bytes(), path);
}
