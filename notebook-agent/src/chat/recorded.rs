//! Recordings of answers, kept while they are made, where that is wanted.

use std::{sync::Arc, time::Duration};

use notebook_core::{Error, ErrorKind, Result, RunId, TenantScope, recording::Recordings};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::warn;
use uuid::Uuid;

use super::{
    Chat, Inner,
    flow::Task,
    piece::Piece,
    tape::{Facts, Tape, Written},
};
use crate::{
    graph::{Recorder, Watch},
    runs::RunWriter,
};

/// The most bytes that are kept of what comes into one part of a run, and of what the page is shown of it: halves of what a stored piece may have,
/// with room for its frame.
const MOST: usize = notebook_core::recording::MOST_BYTES / 2 - (64 << 10);
/// After how long the first piece is stored; each further wait is longer by a quarter.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);
/// The most pieces before the last one.
const MOST_PIECES: u32 = 40;
/// How long the end of an answer waits for its recording, at most.
const PATIENCE: Duration = Duration::from_secs(5);

impl Chat {
    /// With recordings of all answers, so that [`replay`](super::replay) can do them again. What is given a second time is not taken.
    #[must_use]
    pub fn with_recordings(self, recordings: Arc<dyn Recordings>) -> Self {
        let _ = self.0.recordings.set(recordings);
        self
    }
}

impl Inner {
    /// Who watches an answer that is about to be made.
    pub(super) fn watch(&self) -> Watch {
        let recorder = self.recordings.get().map(|_| Arc::new(Recorder::new(MOST)));
        Watch { recorder, ..Watch::default() }
    }

    /// The task with a tape around what it asks of outside, where answers are recorded.
    pub(super) fn taped(&self, mut task: Task, writer: &RunWriter) -> (Task, Tape) {
        if self.recordings.get().is_none() {
            return (task, Tape::Off);
        }
        let run = writer.run();
        let facts = Facts {
            run: run.id,
            answer: run.answer,
            notebook: task.notebook.clone(),
            conversation: task.conversation.clone(),
            question: task.question.clone(),
            settings: task.settings.clone(),
            history: task.history.clone(),
            tools: task.tools.clone(),
            model: task.model.info().clone(),
            config: self.config.clone(),
            can_be_released: writer.can_be_released(),
        };
        let tape = Tape::Writes(Arc::new(Written::new(facts, Arc::clone(&task.model), MOST)));
        task.model = tape.around(task.model);
        (task, tape)
    }

    /// Keeps what is recorded while it grows; nothing where answers are not recorded.
    pub(super) fn keeping(
        self: &Arc<Self>,
        scope: &TenantScope,
        run: RunId,
        watch: &Watch,
        tape: &Tape,
    ) -> Option<Keeping> {
        let recordings = Arc::clone(self.recordings.get()?);
        let recorder = Arc::clone(watch.recorder.as_ref()?);
        let tape = match tape {
            Tape::Writes(tape) => Some(Arc::clone(tape)),
            Tape::Off | Tape::Plays(_) => None,
        };
        let (chat, scope) = (Arc::clone(self), scope.clone());
        let (of, next, waiting) = (Uuid::new_v4(), 0, None);
        let pieces = Pieces { chat, recordings, scope, run, recorder, tape, of, next, waiting };
        let done = CancellationToken::new();
        let task = AbortOnDropHandle::new(tokio::spawn(pieces.keep(done.clone())));
        Some(Keeping { run, done, task })
    }
}

/// A recording that is kept beside its answer. Dropped, it is not whole.
pub(super) struct Keeping {
    run: RunId,
    done: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Keeping {
    /// Stores the last piece. An answer is worth more than its recording: it waits for a while only, and where nothing can be kept the log says so.
    pub(super) async fn end(self) {
        self.done.cancel();
        if tokio::time::timeout(PATIENCE, self.task).await.is_err() {
            warn!(run = %self.run, "what was recorded of a run could not be kept in time");
        }
    }
}

/// What was recorded of a run, on its way into the store.
struct Pieces {
    chat: Arc<Inner>,
    recordings: Arc<dyn Recordings>,
    scope: TenantScope,
    run: RunId,
    recorder: Arc<Recorder>,
    tape: Option<Arc<Written>>,
    of: Uuid,
    next: u32,
    /// A piece that the store would not take yet.
    waiting: Option<Vec<u8>>,
}

impl Pieces {
    /// Stores what there is now and then, so that a worker which is killed leaves most of it; and the rest when the answer is done.
    async fn keep(mut self, done: CancellationToken) {
        let mut pause = FIRST;
        while self.next < MOST_PIECES
            && done.run_until_cancelled(tokio::time::sleep(pause)).await.is_some()
        {
            pause = (pause * 5 / 4).min(LONGEST);
            // What could not be stored is tried again with the next one.
            if let Err(error) = self.store(false).await {
                warn!(run = %self.run, %error, "a piece of a recording is not kept yet");
            }
        }
        done.cancelled().await;
        if let Err(error) = self.store(true).await {
            warn!(run = %self.run, %error, "what was recorded of a run could not be kept");
        }
    }

    async fn store(&mut self, is_last: bool) -> Result<()> {
        if let Some(body) = &self.waiting {
            self.add(body.clone()).await?;
            self.waiting = None;
        }
        // The engine's steps first: all that stands on the tape of one of them was written before it.
        let engine = self.recorder.take();
        let page = self.tape.as_ref().map(|tape| tape.take());
        let mut piece = Piece::new(self.of, self.next, engine, page);
        if piece.is_empty() && (!is_last || self.next == 0) {
            return Ok(());
        }
        piece.whole = is_last;
        let body = serde_json::to_vec(&piece)
            .map_err(|error| Error::new(ErrorKind::Internal, "record run").caused_by(error))?;
        self.next += 1;
        if let Err(error) = self.add(body.clone()).await {
            self.waiting = Some(body);
            return Err(error);
        }
        Ok(())
    }

    async fn add(&self, body: Vec<u8>) -> Result<()> {
        self.recordings.add(&self.scope, self.run, self.chat.clock.now(), body).await.map(drop)
    }
}
