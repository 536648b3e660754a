//! An index of the files of a directory, kept warm by a daemon of its own.
//!
//! ```text
//! watcher [DIRECTORY] find TEXT | count
//! ```
//!
//! The first command reads the whole tree; later ones are answered from memory, which the system's
//! notifications keep up to date. What was changed before a command began is in its answer: the
//! daemon makes a file of its own, and answers when it has been notified of that one too. The exit
//! code is 1 for an error and 2 for wrong usage.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch;

const USAGE: &str = "usage: watcher [DIRECTORY] find TEXT | count";

/// Beginning of the names of the files by which the daemon learns that it is up to date.
const MARKER: &str = ".watcher-";

/// What is in a directory.
#[autod::service]
pub trait Index {
    /// The paths of files that contain this text, below the directory, in order.
    async fn find(&self, text: String) -> Result<Vec<PathBuf>, String>;
    /// The number of files.
    async fn count(&self) -> Result<usize, String>;
}

struct Files {
    root: PathBuf,
    paths: Mutex<BTreeSet<PathBuf>>,
    /// The last marker that was seen.
    seen: watch::Sender<u64>,
    markers: AtomicU64,
}

impl Files {
    fn paths(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a path again: forgets what was below it and reads what is there now.
    fn refresh(&self, path: &Path) {
        if let Some(number) = path.file_name().and_then(|name| name.to_str()?.strip_prefix(MARKER))
        {
            let number = number.parse().unwrap_or(0);
            self.seen.send_if_modified(|seen| {
                number > *seen && {
                    *seen = number;
                    true
                }
            });
            return;
        }
        let mut found = Vec::new();
        read(path, &mut found);
        let mut paths = self.paths();
        let below = (Bound::Included(path.to_owned()), Bound::Unbounded);
        let gone: Vec<_> =
            paths.range(below).take_while(|other| other.starts_with(path)).cloned().collect();
        for path in gone {
            paths.remove(&path);
        }
        paths.extend(found);
    }

    fn heard(&self, event: notify::Result<notify::Event>) {
        match event {
            Ok(event) if event.need_rescan() => self.refresh(&self.root),
            Ok(event) if event.kind.is_access() => {}
            Ok(event) => event.paths.iter().for_each(|path| self.refresh(path)),
            // It may have missed something.
            Err(_) => self.refresh(&self.root),
        }
    }

    /// Waits until everything that was changed before is known.
    async fn catch_up(&self) -> Result<(), String> {
        let number = self.markers.fetch_add(1, Ordering::SeqCst) + 1;
        let marker = self.root.join(format!("{MARKER}{number}"));
        std::fs::write(&marker, "").map_err(|error| format!("{}: {error}", marker.display()))?;
        let mut seen = self.seen.subscribe();
        let notified = seen.wait_for(|&seen| seen >= number);
        let notified = tokio::time::timeout(Duration::from_secs(10), notified).await.is_ok();
        let _ = std::fs::remove_file(&marker);
        if notified { Ok(()) } else { Err("the system does not tell of changes here".to_owned()) }
    }
}

/// Adds the files at a path and below it; what goes meanwhile is not there.
fn read(path: &Path, found: &mut Vec<PathBuf>) {
    let Ok(kind) = path.symlink_metadata() else { return };
    if !kind.is_dir() {
        found.push(path.to_owned());
        return;
    }
    for entry in path.read_dir().into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(MARKER.as_bytes()) {
            read(&entry.path(), found);
        }
    }
}

/// The index and what keeps it up to date.
struct State {
    files: Arc<Files>,
    _watcher: RecommendedWatcher,
}

impl State {
    fn new(root: &Path, start: &autod::Start) -> notify::Result<Self> {
        let files = Arc::new(Files {
            root: root.to_owned(),
            paths: Mutex::default(),
            seen: watch::Sender::new(0),
            markers: AtomicU64::new(0),
        });
        let heard = Arc::clone(&files);
        // Before the first look, so that no change falls between the two.
        let mut watcher = notify::recommended_watcher(move |event| heard.heard(event))?;
        watcher.watch(root, RecursiveMode::Recursive)?;
        start.progress(format!("reading {}", root.display()));
        files.refresh(root);
        Ok(Self { files, _watcher: watcher })
    }
}

struct Reader(Arc<State>);

impl Index for Reader {
    async fn find(&self, text: String) -> Result<Vec<PathBuf>, String> {
        let files = &self.0.files;
        files.catch_up().await?;
        let below = |path: &PathBuf| path.strip_prefix(&files.root).map(Path::to_owned).ok();
        let contains = |path: &PathBuf| path.to_string_lossy().contains(&text);
        Ok(files.paths().iter().filter_map(below).filter(contains).collect())
    }

    async fn count(&self) -> Result<usize, String> {
        self.0.files.catch_up().await?;
        Ok(self.0.files.paths().len())
    }
}

enum Command {
    Find(String),
    Count,
}

fn parse(words: &[String]) -> Option<(PathBuf, Command)> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["find", text] => Some((".".into(), Command::Find(text.to_owned()))),
        ["count"] => Some((".".into(), Command::Count)),
        [directory, "find", text] => Some((directory.into(), Command::Find(text.to_owned()))),
        [directory, "count"] => Some((directory.into(), Command::Count)),
        _ => None,
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((directory, command)) = parse(&words) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&directory, command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("watcher: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn run(directory: &Path, command: Command) -> autod::Result<()> {
    let daemon = autod::Daemon::new("autod-watcher")
        .autoclose(Duration::from_secs(60))
        .init(async |start| {
            let root = start.args::<PathBuf>()?;
            Ok(State::new(&root, &start)?)
        })
        .serve(|state, _session| Reader(state))
        .serve_if_spawned::<IndexClient>()?;
    // Only a caller comes here: the daemon has another working directory.
    let root = directory
        .canonicalize()
        .map_err(|error| autod::Error::custom(format!("{}: {error}", directory.display())))?;
    // A daemon for each directory, which goes with it.
    daemon.root(&root).instance(&root).args(&root).run(async |index: IndexClient| {
        let mut out = std::io::stdout().lock();
        match command {
            Command::Count => writeln!(out, "{}", index.count().await?),
            Command::Find(text) => index
                .find(text)
                .await?
                .iter()
                .try_for_each(|path| writeln!(out, "{}", path.display())),
        }
        .map_err(autod::Error::custom)
    })
}
