use std::sync::Arc;

use notebook_core::model::RunEvent;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A run that this process is producing.
pub(super) struct LiveRun {
    events: Mutex<Vec<Arc<RunEvent>>>,
    /// Number of events, and whether the last one is terminal.
    head: watch::Sender<Head>,
    pub(super) stop: CancellationToken,
    pub(super) interrupt: CancellationToken,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) len: usize,
    pub(super) closed: bool,
}

impl LiveRun {
    pub(super) fn new() -> Self {
        Self {
            events: Mutex::default(),
            head: watch::Sender::new(Head::default()),
            stop: CancellationToken::new(),
            interrupt: CancellationToken::new(),
        }
    }

    /// Shows events to readers.
    pub(super) fn publish(&self, new: impl IntoIterator<Item = Arc<RunEvent>>, closed: bool) {
        let len = {
            let mut events = self.events.lock();
            events.extend(new);
            events.len()
        };
        self.head.send_replace(Head { len, closed });
    }

    /// Events from index `from`, and whether they end the run.
    pub(super) fn read(&self, from: usize) -> (Vec<Arc<RunEvent>>, bool) {
        let closed = self.head.borrow().closed;
        let events = self.events.lock();
        (events.get(from..).unwrap_or_default().to_vec(), closed)
    }

    pub(super) fn head(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    /// Ends the run for readers without a terminal event: its writer is gone.
    pub(super) fn abandon(&self) {
        self.head.send_modify(|head| head.closed = true);
    }
}
