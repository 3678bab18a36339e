use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use notebook_core::TenantScope;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::LoggedEvent;

/// The shortest time that a run which nobody has watched yet is given: whoever asked is about to come.
const FIRST_WATCHER: Duration = Duration::from_secs(10);

/// A run that this process is producing.
pub(super) struct LiveRun {
    /// Whose it is.
    pub(super) scope: TenantScope,
    /// The number before that of the first event.
    pub(super) base: u64,
    events: Mutex<Vec<Arc<LoggedEvent>>>,
    head: watch::Sender<Head>,
    pub(super) signal: StopSignal,
    /// Readers in this process.
    readers: AtomicUsize,
    watched: Mutex<Watched>,
}

/// Number of events, and whether more will come from this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Head {
    len: usize,
    closed: bool,
}

struct Watched {
    /// When somebody was last seen to watch, or the run began.
    last: Instant,
    /// Whether somebody ever was.
    ever: bool,
    /// Until when readers in other processes count as there.
    elsewhere: Option<Instant>,
}

impl LiveRun {
    pub(super) fn new(scope: TenantScope, base: u64) -> Self {
        let watched = Watched { last: Instant::now(), ever: false, elsewhere: None };
        Self {
            scope,
            base,
            events: Mutex::default(),
            head: watch::Sender::new(Head::default()),
            signal: StopSignal::default(),
            readers: AtomicUsize::new(0),
            watched: Mutex::new(watched),
        }
    }

    /// Shows events to readers.
    pub(super) fn publish(&self, new: impl IntoIterator<Item = Arc<LoggedEvent>>, closed: bool) {
        let len = {
            let mut events = self.events.lock();
            events.extend(new);
            events.len()
        };
        self.head.send_modify(|head| *head = Head { len, closed: head.closed || closed });
    }

    /// No more events come from this process.
    pub(super) fn close(&self) {
        self.head.send_modify(|head| head.closed = true);
    }

    /// Waits for events after `after`, which is not before the base. None come when the run went on, or ended,
    /// elsewhere.
    pub(super) async fn next(&self, after: u64) -> Vec<Arc<LoggedEvent>> {
        let from = usize::try_from(after.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let mut head = self.head.subscribe();
        loop {
            let closed = head.borrow_and_update().closed;
            let events = self.events.lock().get(from..).unwrap_or_default().to_vec();
            if !events.is_empty() || closed || head.changed().await.is_err() {
                return events;
            }
        }
    }

    /// Notes that somebody asked after the run.
    pub(super) fn touch(&self) {
        let mut watched = self.watched.lock();
        (watched.last, watched.ever) = (Instant::now(), true);
    }

    /// Notes that it is watched in another process, for a while.
    pub(super) fn watched_elsewhere(&self, during: Duration) {
        self.touch();
        self.watched.lock().elsewhere = Some(Instant::now() + during);
    }

    pub(super) fn is_watched_elsewhere(&self) -> bool {
        self.watched.lock().elsewhere.is_some_and(|until| until > Instant::now())
    }

    /// Leaves a time that has just passed out of what counts as unwatched, here and elsewhere.
    pub(super) fn pass_over(&self, time: Duration) {
        let (now, mut watched) = (Instant::now(), self.watched.lock());
        watched.last = (watched.last + time).min(now);
        watched.elsewhere = watched.elsewhere.map(|until| until + time);
    }

    /// Ends the run when nobody has watched it for longer than `patience`.
    pub(super) fn end_if_unwatched(&self, patience: Duration) {
        if self.readers.load(Ordering::SeqCst) > 0 || self.is_watched_elsewhere() {
            return self.touch();
        }
        let (last, ever) = {
            let watched = self.watched.lock();
            (watched.last, watched.ever)
        };
        let patience = if ever { patience } else { patience.max(FIRST_WATCHER) };
        if last.elapsed() >= patience {
            self.signal.give(StopReason::Unwatched);
        }
    }
}

/// A reader in this process, until it is dropped.
pub(super) struct Watching {
    live: Arc<LiveRun>,
    /// How long the run goes on without readers; for ever when absent.
    patience: Option<Duration>,
}

impl Watching {
    pub(super) fn new(live: Arc<LiveRun>, patience: Option<Duration>) -> Self {
        live.readers.fetch_add(1, Ordering::SeqCst);
        live.touch();
        Self { live, patience }
    }

    pub(super) const fn live(&self) -> &Arc<LiveRun> {
        &self.live
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.live.touch();
        let last = self.live.readers.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && self.patience == Some(Duration::ZERO) {
            self.live.end_if_unwatched(Duration::ZERO);
        }
    }
}

/// Why a run is to end before its answer is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// A person asked for it.
    Asked,
    /// Nobody watches any more.
    Unwatched,
    /// This process goes down, or was told to give the work back.
    Interrupted,
    /// Another worker has it: nothing may be written any more.
    Lost,
}

/// Ends a run when told to; the first reason counts.
#[derive(Debug, Clone, Default)]
pub struct StopSignal {
    given: CancellationToken,
    reason: Arc<OnceLock<StopReason>>,
}

impl StopSignal {
    pub(super) fn give(&self, reason: StopReason) {
        let _ = self.reason.set(reason);
        self.given.cancel();
    }

    /// Waits until the run is to end, and says why.
    pub async fn given(&self) -> StopReason {
        self.given.cancelled().await;
        self.reason.get().copied().unwrap_or(StopReason::Asked)
    }

    /// Why the run is to end, if it is.
    #[must_use]
    pub fn reason(&self) -> Option<StopReason> {
        self.reason.get().copied()
    }
}
