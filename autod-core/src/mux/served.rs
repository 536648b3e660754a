//! One slot of the calls that the other end makes: how far its call is, and what it holds.
//!
//! ```text
//!          Call, MORE             Call            answer            End, Cancel
//!   Idle -----------> Receiving ------> Running ---------> Draining -----------> Idle
//!     |                                   ^  |                                     ^
//!     +--------------- Call --------------+  +-- answer, the caller's stream has --+
//!                                                ended, or there is none
//! ```

use std::sync::Arc;
use std::task::Waker;

use super::account::{Account, Share};
use super::inflow::{Bounds, Form};
use super::input::Input;
use super::outflow::{Outflow, credit};
use super::pieces::{Part, Partial};
use super::tally::Mark;
use crate::wire::frame::{Broken, FailCode, Header, Kind, Options};

#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) stage: Stage,
    /// The bytes of arguments that came, until the call has its answer: its handler has them.
    pub(super) held: usize,
    /// What the call is counted as.
    pub(super) mark: Mark,
    /// When the last call was answered, by the count of the outbox.
    pub(super) answered: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) enum Stage {
    #[default]
    Idle,
    /// The arguments come in pieces.
    Receiving(Body),
    Running(Running),
    /// Answered, but the caller's stream has not ended: what comes of it is thrown away.
    Draining,
}

/// A call that is not whole yet. Of one that is refused only the beginning is kept.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) partial: Partial,
    pub(super) refused: Option<FailCode>,
}

#[derive(Debug)]
pub(super) struct Running {
    /// Why the handler has to stop.
    pub(super) stop: Option<FailCode>,
    /// Waits for that.
    pub(super) waker: Option<Waker>,
    /// It runs to its end whatever becomes of its caller.
    pub(super) kept: bool,
    pub(super) streaming: bool,
    pub(super) pace: Pace,
    /// Our stream; present until it is ended.
    pub(super) outflow: Option<Outflow>,
    /// The caller's stream, if the call has one.
    pub(super) input: Option<Box<Input>>,
}

/// What a handler with a stream does at this moment, as far as it has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It has had no turn of its own.
    Begun,
    Awake,
    /// Its last turn ended with nothing to send, to take or to be sent.
    Resting,
}

impl Running {
    pub(super) fn new(options: Options, bounds: Bounds, account: &Arc<Account>) -> Self {
        let form = match options {
            Options::Plain => None,
            Options::Items => Some(Form::Items),
            Options::Bytes => Some(Form::Bytes),
        };
        Self {
            stop: None,
            waker: None,
            kept: false,
            streaming: false,
            pace: Pace::Begun,
            outflow: Some(Outflow::new(bounds.window)),
            input: form.map(|form| Box::new(Input::new(form, bounds.window, Share::new(account)))),
        }
    }

    pub(super) fn stop(&mut self, why: FailCode, wakers: &mut Vec<Waker>) {
        if !self.kept {
            self.stop.get_or_insert(why);
            self.wake(wakers);
        }
    }

    pub(super) fn wake(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.waker.take());
        self.wake_streams(wakers);
    }

    pub(super) fn wake_streams(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.outflow.as_mut().and_then(|outflow| outflow.waker.take()));
        if let Some(input) = &mut self.input {
            input.wake(wakers);
        }
    }
}

impl Slot {
    pub(super) fn running(&mut self) -> Option<&mut Running> {
        match &mut self.stage {
            Stage::Running(running) => Some(running),
            _ => None,
        }
    }

    /// Lends what has come of the message that a frame of this kind belongs to. `None` if it is
    /// thrown away.
    pub(super) fn lend(&mut self, kind: Kind) -> Option<Vec<u8>> {
        match (kind, &mut self.stage) {
            (Kind::Call, Stage::Idle) => Some(Vec::new()),
            (Kind::Call, Stage::Receiving(body)) if body.refused.is_none() => {
                Some(body.partial.lend())
            }
            (Kind::Items, Stage::Running(Running { input: Some(input), .. })) => input.lend(),
            _ => None,
        }
    }

    pub(super) fn on_credit(
        &mut self,
        header: Header,
        payload: &[u8],
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        let credit = credit(payload)?;
        if let Stage::Running(Running { outflow: Some(outflow), .. }) = &mut self.stage {
            outflow.grant(header.id, credit, wakers)?;
        }
        Ok(())
    }

    /// Items of the caller's stream, or its End.
    pub(super) fn on_stream(
        &mut self,
        header: Header,
        payload: Part<'_>,
        bounds: Bounds,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        match &mut self.stage {
            Stage::Draining if header.kind == Kind::End => self.stage = Stage::Idle,
            Stage::Draining => {}
            Stage::Running(running) => {
                let input = running.input.as_mut();
                let input = input.ok_or(Broken::Unexpected(header.kind, header.id))?;
                if !input.on_frame(header, payload, bounds, wakers)? {
                    running.stop(FailCode::Overfull, wakers);
                }
            }
            _ => return Err(Broken::Unexpected(header.kind, header.id)),
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        match &self.stage {
            Stage::Receiving(body) => body.partial.len(),
            Stage::Running(Running { input: Some(input), .. }) => input.waiting(),
            _ => 0,
        }
    }
}
