//! Put any server behind lazy activation: a [`Supervisor`] listens at the public addresses of its
//! services, starts an app on its first connection, and lets it go when it is idle.
//!
//! Two ways lead to the app. In fd mode the listener itself is handed over by systemd's protocol
//! (`LISTEN_FDS`); nothing is between the app and its clients. In proxy mode connections are
//! forwarded to an address of the app's own, and the program need not know of it.
//!
//! ```no_run
//! use autod_activator::{Listen, Service, Shutdown, Supervisor};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let site = Service::new("site", "python3")
//!     .args(["-m", "http.server", "--bind", "127.0.0.1", "${PORT}"])
//!     .listen(Listen::tcp("127.0.0.1:8080".parse()?))
//!     .idle_timeout(std::time::Duration::from_secs(60));
//! let supervisor = Supervisor::builder().service(site).open()?;
//! let mut events = supervisor.events();
//! while let Some(event) = events.next().await {
//!     println!("{}", event.what);
//! }
//! supervisor.close(Shutdown::Force).await;
//! # Ok(())
//! # }
//! ```
//!
//! What is written to an app's standard output and error goes to the supervisor's standard error.

mod address;
mod backoff;
mod builder;
mod check;
mod client;
mod door;
mod error;
mod event;
mod file;
mod generation;
mod group;
mod guard;
mod keeper;
mod launch;
mod lookup;
mod machine;
mod notify;
mod place;
mod probe;
mod public;
mod relay;
mod reload;
mod service;
mod spawner;
mod splice;
mod state;
mod status;
mod stream;
mod supervisor;
mod sys;
mod turn;
mod units;

pub use address::{Address, Listen, Target};
pub use backoff::Restart;
pub use builder::Builder;
pub use error::{Cause, Error, Exit, Result};
pub use event::{Event, Events, What};
pub use file::{Mistake, Mistakes, parse_file, read_file};
pub use place::raise_open_files;
pub use reload::Changes;
pub use service::{Kind, Mode, Ready, Service};
pub use status::{Phase, Status};
pub use supervisor::{Hold, Shutdown, Stop, Supervisor};
pub use units::Units;
