//! The daemons that there are: which hang, which were killed, which are of another build.

use std::time::Duration;

use autod::control;
use futures::future::join_all;

use super::Finding;
use crate::question::text;
use crate::state::{BROKEN, DEAD, HUNG, STARTING, Seen, look};

const CHECK: &str = "daemon";

pub(super) async fn examine(patience: Duration) -> Vec<Finding> {
    let (targets, obstacles) = control::find();
    let seen = join_all(targets.iter().map(|target| look(target, patience))).await;
    let running = seen.iter().filter(|seen| seen.lives()).count();
    let mut findings: Vec<Finding> = obstacles
        .into_iter()
        // Of a home was said before, with its mend.
        .filter(|obstacle| obstacle.home.is_none())
        .map(|obstacle| Finding::error(CHECK, obstacle.text, obstacle.help))
        .collect();
    findings.extend(seen.iter().filter_map(finding));
    findings.extend(seen.iter().filter_map(skew));
    findings.push(match running {
        0 => Finding::well(CHECK, "no daemon runs"),
        1 => Finding::well(CHECK, "1 daemon runs"),
        count => Finding::well(CHECK, format!("{count} daemons run")),
    });
    findings
}

fn finding(seen: &Seen) -> Option<Finding> {
    let name = &seen.name;
    let pid = seen.pid().map_or_else(String::new, |pid| format!(" (pid {pid})"));
    let why = seen.text.as_deref().unwrap_or("it does not say why");
    match seen.state {
        HUNG => Some(Finding::error(
            CHECK,
            format!("{name}{pid} does not answer: {why}"),
            format!("look at its log: autod logs {name}; then end it: autod stop --kill {name}"),
        )),
        DEAD => Some(Finding::warning(
            CHECK,
            format!("{name}{pid} was killed and has left its socket"),
            "autod ps --reap; the next command of its program does so too",
        )),
        STARTING if seen.status.is_none() => Some(Finding::warning(
            "lock-holder",
            format!("{name} is being started, and nobody can come until then: {why}"),
            "wait; if it does not become ready, end the process that is named",
        )),
        BROKEN => {
            let mend = seen.help.as_deref().unwrap_or("do as it says");
            Some(Finding::error(CHECK, format!("{name}: {why}"), mend))
        }
        "unknown" => Some(Finding::warning(
            "version-skew",
            format!("{name}{pid} does not let itself be asked: {why}"),
            format!("autod stop {name}; its next start is of the build that you have"),
        )),
        _ => None,
    }
}

/// A daemon of another build than the file that it was started from, or of another autod than this.
fn skew(seen: &Seen) -> Option<Finding> {
    const CHECK: &str = "version-skew";
    let (name, status) = (&seen.name, seen.status.as_ref()?);
    if status["outdated"].as_bool() == Some(true) {
        return Some(Finding::warning(
            CHECK,
            format!("{name} is of an older build than its program ({})", seen.version()),
            format!("autod restart {name}"),
        ));
    }
    let theirs = text(status, "autod").unwrap_or("?");
    (theirs != env!("CARGO_PKG_VERSION")).then(|| {
        Finding::note(
            CHECK,
            format!(
                "{name} is made with autod {theirs}, this command is {}",
                env!("CARGO_PKG_VERSION")
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::Grade;

    fn seen(state: &'static str, text: Option<&str>) -> Seen {
        Seen {
            name: "counter".to_owned(),
            socket: "/run/counter/sock".to_owned(),
            supervises: None,
            state,
            status: None,
            life: None,
            text: text.map(str::to_owned),
            help: None,
            reaped: false,
        }
    }

    #[test]
    fn daemons_that_do_not_do_well_are_told_with_their_mend() {
        for (state, check, grade, mend) in [
            (HUNG, "daemon", Grade::Error, "autod stop --kill counter"),
            (DEAD, "daemon", Grade::Warning, "autod ps --reap"),
            (STARTING, "lock-holder", Grade::Warning, "end the process that is named"),
            (BROKEN, "daemon", Grade::Error, "do as it says"),
            ("unknown", "version-skew", Grade::Warning, "autod stop counter"),
        ] {
            let found = finding(&seen(state, Some("for this reason"))).expect(state);
            assert_eq!((found.check, found.grade), (check, grade), "{found:?}");
            assert!(found.mend.as_deref().unwrap().contains(mend), "{found:?}");
            assert!(state == DEAD || found.text.contains("for this reason"), "{found:?}");
        }
        for state in ["ready", "closing", "failed", "ended"] {
            assert!(finding(&seen(state, None)).is_none(), "{state}");
        }
    }

    #[test]
    fn another_build_and_another_autod_are_told_apart() {
        let with = |status| skew(&Seen { status: Some(status), ..seen("ready", None) });
        let ours = env!("CARGO_PKG_VERSION");
        assert!(with(json!({"autod": ours, "outdated": false})).is_none());
        let older = with(json!({"autod": ours, "outdated": true, "version": "1.0"})).unwrap();
        assert_eq!(
            (older.grade, older.mend.as_deref()),
            (Grade::Warning, Some("autod restart counter"))
        );
        let other = with(json!({"autod": "0.0.9"})).unwrap();
        assert!(other.grade == Grade::Note && other.text.contains("autod 0.0.9"), "{other:?}");
    }
}
