//! What a subscriber of the caller's hears of its calls.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use futures_util::stream;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::set_default;
use tracing::{Event, Metadata, Subscriber};

use super::{ECHO, PANIC, Pair, ROOMY};
use crate::mux::{Upstream, call};
use crate::wire::limits::Receives;

/// Keeps the outcomes of the calls that are made here.
#[derive(Clone, Default)]
struct Outcomes(Arc<Mutex<Vec<String>>>);

impl Outcomes {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Visit for Outcomes {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "outcome" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Outcomes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "autod::client"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_call_has_one_outcome_which_is_that_of_its_caller() {
    let outcomes = Outcomes::default();
    let _here = set_default(outcomes.clone());
    let pair = Pair::with(ROOMY, Receives { message: 100, ..ROOMY });
    let plain = |method, size| {
        call::<Vec<u8>>(&pair.connection, method, (vec![7_u8; size],), Upstream::NONE)
    };

    assert!(plain(&ECHO, 1).await.is_ok());
    assert_eq!(outcomes.take(), ["\"answered\""]);
    assert!(plain(&PANIC, 1).await.is_err());
    assert_eq!(outcomes.take(), ["Panicked"]);
    assert!(plain(&ECHO, 200).await.is_err());
    assert_eq!(outcomes.take(), ["Limit"], "its arguments are too large");
    let items = Upstream::items(stream::iter([vec![7_u8; 200]]));
    let sending = call::<u64>(&pair.connection, &super::flows::SUM, (0_u64,), items);
    assert!(sending.await.unwrap_err().to_string().contains("at most 100"));
    assert_eq!(outcomes.take(), ["Limit"], "its stream cannot be sent");
    drop(plain(&ECHO, 1));
    assert_eq!(outcomes.take(), ["\"dropped\""]);
}
