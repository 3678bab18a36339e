use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use notebook_core::{Clock, Timestamp};

/// The store's time by this machine's clock: how far they are apart is seen in each of the store's answers, so that a
/// machine whose clock is wrong makes and takes the same tokens as the others.
pub(super) struct StoreClock {
    local: Arc<dyn Clock>,
    ahead: AtomicI64,
}

impl StoreClock {
    pub(super) fn new(local: Arc<dyn Clock>) -> Self {
        Self { local, ahead: AtomicI64::new(0) }
    }

    /// The store has just said its time.
    pub(super) fn align(&self, store: Timestamp) {
        let ahead = store.as_millis().saturating_sub(self.local.now().as_millis());
        self.ahead.store(ahead, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Timestamp {
        let local = self.local.now().as_millis();
        Timestamp::from_millis(local.saturating_add(self.ahead.load(Ordering::Relaxed)))
    }
}
