use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use notebook_core::{
    Result, RunId, TenantScope,
    model::{EventBody, GENERATION, RunEvent},
};

use super::{
    LoggedEvent, PAGE, Runs,
    hints::Hint,
    live::{LiveRun, Watching},
};

/// How often a run of another process is looked up in the log when nothing is heard of it.
const POLL: Duration = Duration::from_secs(1);
/// How often its process is told that somebody watches.
const TELL: Duration = Duration::from_secs(10);

/// A cursor over the events of one run, whichever process writes them.
pub struct EventReader {
    runs: Arc<Runs>,
    scope: TenantScope,
    run: RunId,
    after: u64,
    watching: Option<Watching>,
    hint: Option<Hint>,
    told: Option<Instant>,
    ended: bool,
}

impl EventReader {
    pub(super) const fn new(runs: Arc<Runs>, scope: TenantScope, run: RunId, after: u64) -> Self {
        Self { runs, scope, run, after, watching: None, hint: None, told: None, ended: false }
    }

    /// The next events, in order, none of them twice; waits for one. `None` after the terminal event.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// Those of the log.
    pub async fn next(&mut self) -> Result<Option<Vec<Arc<LoggedEvent>>>> {
        if self.ended {
            return Ok(None);
        }
        let events = self.find().await?;
        let Some(last) = events.last() else {
            self.ended = true;
            return Ok(None);
        };
        self.after = last.seq;
        self.ended = last.body.terminal_state().is_some();
        Ok(Some(events))
    }

    /// The next events; none when there are none to come.
    async fn find(&mut self) -> Result<Vec<Arc<LoggedEvent>>> {
        loop {
            if let Some(live) = self.live() {
                let events = live.next(self.after).await;
                if !events.is_empty() {
                    return Ok(events);
                }
                // It went on, or ended, elsewhere.
                self.watching = None;
                self.runs.forget(&self.scope, self.run, &live);
            }
            // From here on nothing is missed: what is stored after the look is hinted at.
            let hint = self.hint.get_or_insert_with(|| self.runs.hints.of(&self.scope, self.run));
            hint.take();
            // The state is read first: a run that had ended by then has all its events stored.
            let log = self.runs.log();
            let ended = log.run(&self.scope, self.run).await?.state.is_terminal();
            let events = log.events(&self.scope, self.run, self.after, PAGE).await?;
            if !events.is_empty() || ended {
                let events = self.resync(events).await?;
                let logged = |event| Arc::new(LoggedEvent::new(self.run, event));
                return Ok(events.into_iter().map(logged).collect());
            }
            if let Some(live) = self.runs.find(&self.scope, self.run) {
                // All that came before its first event has been read.
                self.after = self.after.max(live.base);
                continue;
            }
            if self.told.is_none_or(|told| told.elapsed() >= TELL) {
                self.told = Some(Instant::now());
                self.runs.tell("watch", &self.scope, self.run);
            }
            let hint = self.hint.get_or_insert_with(|| self.runs.hints.of(&self.scope, self.run));
            let _ = tokio::time::timeout(POLL, hint.changed()).await;
        }
    }

    /// Puts what the answer says in place of what the reader has, where that may be something else: events between are
    /// pruned, or a lost worker had shown more than it stored, and nobody began anew.
    async fn resync(&self, mut events: Vec<RunEvent>) -> Result<Vec<RunEvent>> {
        let Some(first) = events.first() else { return Ok(events) };
        let pruned = first.seq % GENERATION != 1;
        let ended = first.body.terminal_state().is_some() && self.after > 0;
        if first.seq == self.after + 1 || !(pruned || ended) {
            return Ok(events);
        }
        let (seq, at) = (first.seq - 1, first.at);
        let answer = self.runs.log().answer(&self.scope, self.run).await?;
        let (text, citations) =
            answer.map_or_else(Default::default, |answer| (answer.text, answer.citations));
        let body = EventBody::Resync { text, citations };
        events.insert(0, RunEvent { seq, at, body });
        Ok(events)
    }

    /// The run, when this process produces it and the cursor is among the events that it has in memory.
    fn live(&mut self) -> Option<Arc<LiveRun>> {
        if self.watching.is_none() {
            let live = self.runs.find(&self.scope, self.run)?;
            self.watching = Some(Watching::new(live, self.runs.patience));
        }
        let live = self.watching.as_ref()?.live();
        (self.after >= live.base).then(|| Arc::clone(live))
    }
}
