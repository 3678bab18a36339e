//! The background thread: joins segments, and removes what was deleted from the disk.
//!
//! One thread for all tenants, one piece of work at a time: memory and disk traffic are bounded
//! whatever the number of tenants.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use notebook_core::{Error, ErrorKind, Result, TenantId};
use parking_lot::{Condvar, Mutex};

use super::{plan::plan, tenant::Tenant, tenants::Tenants};

/// How long after a failure the work is tried again.
const PAUSE: Duration = Duration::from_secs(30);

/// What is to be done for a tenant, and when.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: Instant,
    purge: bool,
}

#[derive(Default)]
struct Queue {
    due: Mutex<HashMap<TenantId, Vec<Due>>>,
    changed: Condvar,
    stop: AtomicBool,
}

/// Work for the background thread. Dropping it stops the thread and waits for it.
pub(crate) struct Maintenance {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Maintenance {
    /// Starts the thread.
    ///
    /// # Errors
    /// `Unavailable` when the system has no thread left.
    pub(crate) fn start(tenants: Weak<Tenants>) -> Result<Self> {
        let queue = Arc::new(Queue::default());
        let work = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("vector-maintenance".into())
            .spawn(move || run(&work, &tenants))
            .map_err(|error| {
                Error::new(ErrorKind::Unavailable, "open vector index").caused_by(error)
            })?;
        Ok(Self { queue, thread: Some(thread) })
    }

    /// Asks for a look at a tenant after `delay`; with `purge`, deleted rows are removed from the
    /// disk then. An earlier request of the same kind stands.
    pub(crate) fn request(&self, tenant: TenantId, delay: Duration, purge: bool) {
        let mut due = self.queue.due.lock();
        let wanted = due.entry(tenant).or_default();
        if !wanted.iter().any(|due| due.purge == purge) {
            wanted.push(Due { at: Instant::now() + delay, purge });
            self.queue.changed.notify_one();
        }
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        self.queue.stop.store(true, Ordering::Relaxed);
        drop(self.queue.due.lock());
        self.queue.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed when it happened, and there is nothing to save.
            let _ = thread.join();
        }
    }
}

fn run(queue: &Queue, tenants: &Weak<Tenants>) {
    while let Some((tenant, work)) = next(queue) {
        let Some(tenants) = tenants.upgrade() else { return };
        let done = tenants
            .open(tenant)
            .and_then(|open| compact_all(&open, &tenants, work.purge, &queue.stop));
        let mut due = queue.due.lock();
        let again = match done {
            Err(error) if error.kind() != ErrorKind::Cancelled => {
                tracing::warn!(%tenant, %error, "maintenance of a vector index failed");
                Some(Due { at: Instant::now() + PAUSE, ..work })
            }
            _ => None,
        };
        let waiting = due.entry(tenant).or_default();
        waiting.retain(|due| due.purge != work.purge || due.at > work.at);
        waiting.extend(again);
        if waiting.is_empty() {
            due.remove(&tenant);
        }
    }
}

/// Waits for the next piece of work; `None` when it is time to stop. The piece stays in the queue
/// until it is done.
fn next(queue: &Queue) -> Option<(TenantId, Due)> {
    let mut due = queue.due.lock();
    loop {
        if queue.stop.load(Ordering::Relaxed) {
            return None;
        }
        let all = due.iter().flat_map(|(tenant, due)| due.iter().map(|due| (*tenant, *due)));
        match all.min_by_key(|(_, due)| due.at) {
            Some(first) if first.1.at <= Instant::now() => return Some(first),
            Some(first) => {
                queue.changed.wait_until(&mut due, first.1.at);
            }
            None => queue.changed.wait(&mut due),
        }
    }
}

fn compact_all(tenant: &Tenant, tenants: &Tenants, purge: bool, stop: &AtomicBool) -> Result<()> {
    if purge {
        // The log holds the deleted vectors too.
        tenant.flush()?;
    }
    let limits = tenants.limits();
    while let Some(parts) = plan(&tenant.snapshot(), limits.log_rows, limits.segment_rows, purge) {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Cancelled, "compact vector index"));
        }
        tenant.compact(&parts, stop)?;
    }
    Ok(())
}
