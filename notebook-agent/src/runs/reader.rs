use std::{sync::Arc, time::Duration};

use notebook_core::{Result, RunId, TenantScope, model::RunEvent};

use super::{PAGE, Runs, live::LiveRun};

/// How often a run of another process is looked up in the log.
const POLL: Duration = Duration::from_millis(300);

/// A cursor over the events of one run.
pub struct EventReader {
    runs: Arc<Runs>,
    scope: TenantScope,
    run: RunId,
    live: Option<Arc<LiveRun>>,
    after: u64,
    ended: bool,
}

impl EventReader {
    pub(super) const fn new(
        runs: Arc<Runs>,
        scope: TenantScope,
        run: RunId,
        live: Option<Arc<LiveRun>>,
        after: u64,
    ) -> Self {
        Self { runs, scope, run, live, after, ended: false }
    }

    /// The next events, in order and without gaps; waits for one. `None` after the terminal event.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// Those of the log.
    pub async fn next(&mut self) -> Result<Option<Vec<Arc<RunEvent>>>> {
        if self.ended {
            return Ok(None);
        }
        let events = match self.live.clone() {
            Some(live) => self.next_live(&live).await,
            None => self.next_stored().await?,
        };
        let Some(last) = events.last() else {
            self.ended = true;
            return Ok(None);
        };
        self.after = last.seq;
        self.ended = last.body.terminal_state().is_some();
        Ok(Some(events))
    }

    async fn next_live(&self, live: &LiveRun) -> Vec<Arc<RunEvent>> {
        // Sequence numbers count from 1, so event `seq` has index `seq - 1`.
        let from = usize::try_from(self.after).unwrap_or(usize::MAX);
        let mut head = live.head();
        loop {
            let now = *head.borrow_and_update();
            let (events, _) = live.read(from);
            if !events.is_empty() || now.closed {
                return events;
            }
            if head.changed().await.is_err() {
                return Vec::new();
            }
        }
    }

    async fn next_stored(&self) -> Result<Vec<Arc<RunEvent>>> {
        let log = self.runs.log();
        loop {
            // The state is read first: a run that had ended by then has all its events stored.
            let ended = log.run(&self.scope, self.run).await?.state.is_terminal();
            let events = log.events(&self.scope, self.run, self.after, PAGE).await?;
            if !events.is_empty() || ended {
                return Ok(events.into_iter().map(Arc::new).collect());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
