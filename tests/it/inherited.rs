//! A daemon on a socket that somebody else has made and looks after.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use crate::home::Home;

#[autod::service]
trait Echo {
    /// Gives back what it got.
    async fn echo(&self, text: String) -> String;
}

struct Same;

impl Echo for Same {
    async fn echo(&self, text: String) -> String {
        text
    }
}

fn daemon(home: &Home) -> autod::Daemon<(), Same> {
    autod::Daemon::new("inherited").sockfile(home.join("sock")).serve(|_, _| Same)
}

fn names(home: &Home) -> Vec<String> {
    let entries = std::fs::read_dir(home.path()).unwrap().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn it_makes_no_locks_and_removes_nothing() {
    let home = Home::new();
    let listener = UnixListener::bind(home.join("sock")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // It goes when it is idle, like any other.
        let daemon = daemon(&home).autoclose(Duration::from_millis(50));
        let mut listening = daemon.listen_on::<EchoClient>(listener).unwrap();
        listening.ready().await.unwrap();
        assert_eq!(names(&home), ["sock"], "no locks, no log");
        let caller = crate::inherited::daemon(&home);
        let echo = caller.connect_existing::<EchoClient>().await.unwrap();
        assert_eq!(echo.echo("hello".to_owned()).await.unwrap(), "hello");
        drop(echo);
        listening.ended().await.unwrap();
    });
    assert_eq!(names(&home), ["sock"], "its owner removes it");
}
