//! What comes into an answer from outside, and what the page is shown of it: in one order, written down while it happens, or played back.
//!
//! An answer asks for all that it needs through a [`Tape`]. Where nothing is recorded that is the thing itself. While it is recorded, what came is
//! written down as well; and when it is done again, what was written is all that comes. Both ways the same code makes the answer, so that what
//! it shows is the same, or the tape says from which event on it is not. What is asked is written down before it comes: of a call that was ended
//! in the middle stands what was asked, and nothing comes of it the second time either.

mod failed;
mod line;
mod model;
mod played;
mod written;

use std::sync::Arc;

use notebook_core::{Error, Result, chat::ChatModel, model::EventBody};
use serde::{Serialize, de::DeserializeOwned};

pub(super) use line::{Ask, Facts, Line, Looked, Page, VERSION};
pub(super) use played::Played;
pub(super) use written::Written;

use crate::runs::StopReason;

/// Between an answer and all that is outside of it. Clones are the same tape.
#[derive(Clone, Default)]
pub(super) enum Tape {
    /// Nothing is written down.
    #[default]
    Off,
    /// What comes is written down.
    Writes(Arc<Written>),
    /// What was written comes again.
    Plays(Arc<Played>),
}

impl Tape {
    /// Asks for something outside.
    pub(super) async fn take<T, F>(
        &self,
        ask: impl FnOnce() -> Ask,
        live: impl FnOnce() -> F,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<T>>,
    {
        match self {
            Self::Off => live().await,
            Self::Writes(tape) => {
                tape.add(|| Line::Ask(ask()));
                let came = live().await;
                tape.add(|| Line::came(&came));
                came
            }
            Self::Plays(tape) => tape.take(&ask()).await,
        }
    }

    /// A word that is made by chance.
    pub(super) fn word(&self, live: impl FnOnce() -> String) -> String {
        match self {
            Self::Off => live(),
            Self::Writes(tape) => {
                let word = live();
                tape.add(|| Line::Word(word.clone()));
                word
            }
            Self::Plays(tape) => tape.word(),
        }
    }

    /// The page is shown this.
    pub(super) fn show(&self, body: &EventBody) {
        match self {
            Self::Off => {}
            Self::Writes(tape) => tape.add(|| Line::Show(body.clone())),
            Self::Plays(tape) => tape.show(body),
        }
    }

    /// The work was ended from outside.
    pub(super) fn stopped(&self, reason: StopReason) {
        if let Self::Writes(tape) = self {
            tape.add(|| Line::Stop(reason));
        }
    }

    /// The work ended by something outside that broke.
    pub(super) fn broke(&self, error: &Error) {
        if let Self::Writes(tape) = self {
            tape.add(|| Line::broke(error));
        }
    }

    /// What the work needs is away: somebody goes on when it is back.
    #[cfg(feature = "tools")]
    pub(super) fn away(&self, error: &Error) {
        if let Self::Writes(tape) = self {
            tape.add(|| Line::away(error));
        }
    }

    /// A person is asked something, or has answered.
    #[cfg(feature = "tools")]
    pub(super) fn heard<T: Serialize>(&self, heard: &T) {
        match self {
            Self::Off => {}
            Self::Writes(tape) => tape.add(|| Line::heard(heard)),
            Self::Plays(tape) => tape.heard(heard),
        }
    }

    /// The model itself: what it says is not written down.
    #[cfg(feature = "tools")]
    pub(super) fn unwritten(&self, model: &Arc<dyn ChatModel>) -> Arc<dyn ChatModel> {
        match self {
            Self::Writes(tape) => tape.model(),
            Self::Off | Self::Plays(_) => Arc::clone(model),
        }
    }

    /// The model, with what it says written down.
    pub(super) fn around(&self, model: Arc<dyn ChatModel>) -> Arc<dyn ChatModel> {
        match self {
            Self::Writes(tape) => Arc::new(model::Taped::new(model, Arc::clone(tape))),
            Self::Off | Self::Plays(_) => model,
        }
    }
}
