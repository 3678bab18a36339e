//! Keeps the leases of all runs, on a thread of its own.

use std::{
    collections::BTreeMap,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::RunnerConfig;
use crate::{
    Error, ErrorKind, Result,
    model::Progress,
    queue::{Fence, Heartbeat, JobId, Pulse, Worklist},
};

/// The runs whose leases are kept.
#[derive(Clone, Default)]
pub(super) struct Registry(Arc<Mutex<BTreeMap<(JobId, Fence), Beating>>>);

/// A run whose lease is kept.
pub(super) struct Beating {
    /// The job's end was asked for.
    pub(super) cancel: CancellationToken,
    /// The lease is lost, or cannot be kept: the run must end at once and store nothing.
    pub(super) lost: CancellationToken,
    pub(super) progress: Arc<Mutex<Option<Progress>>>,
    /// When the lease was last granted: before the question was sent, so that it is never thought longer.
    granted: Instant,
}

impl Beating {
    /// Keeps progress that was not stored for the next beat, unless there is newer.
    fn tell_again(&self, old: Option<Progress>) {
        let mut progress = self.progress.lock();
        *progress = progress.or(old);
    }
}

impl Registry {
    pub(super) fn add(
        &self,
        id: JobId,
        fence: Fence,
        granted: Instant,
        progress: Arc<Mutex<Option<Progress>>>,
    ) -> (CancellationToken, CancellationToken) {
        let (cancel, lost) = (CancellationToken::new(), CancellationToken::new());
        let beating = Beating { cancel: cancel.clone(), lost: lost.clone(), progress, granted };
        self.0.lock().insert((id, fence), beating);
        (cancel, lost)
    }

    pub(super) fn remove(&self, id: JobId, fence: Fence) {
        self.0.lock().remove(&(id, fence));
    }

    fn beats(&self) -> Vec<Heartbeat> {
        let runs = self.0.lock();
        let beat = |(&(id, fence), beating): (&(JobId, Fence), &Beating)| Heartbeat {
            id,
            fence,
            progress: beating.progress.lock().take(),
        };
        runs.iter().map(beat).collect()
    }

    /// Keeps the progress of beats that were not heard for the next ones.
    fn unheard(&self, beats: Vec<Heartbeat>) {
        let runs = self.0.lock();
        for beat in beats {
            if let Some(beating) = runs.get(&(beat.id, beat.fence)) {
                beating.tell_again(beat.progress);
            }
        }
    }

    /// Takes note of what the queue said to the beats of `asked`.
    fn answered(&self, asked: Instant, beats: &[Heartbeat], pulses: &[Pulse]) {
        let mut runs = self.0.lock();
        for (beat, pulse) in beats.iter().zip(pulses) {
            let Some(beating) = runs.get_mut(&(beat.id, beat.fence)) else { continue };
            match pulse {
                Pulse::Kept => beating.granted = asked,
                Pulse::Cancel => {
                    beating.granted = asked;
                    beating.cancel.cancel();
                }
                Pulse::Busy => beating.tell_again(beat.progress),
                Pulse::Lost => beating.lost.cancel(),
            }
        }
    }

    /// Gives up the runs whose leases may run out before they are stopped.
    fn give_up(&self, most: Duration) {
        for beating in self.0.lock().values().filter(|beating| beating.granted.elapsed() >= most) {
            beating.lost.cancel();
        }
    }
}

/// The thread. It ends when it is stopped or dropped.
pub(super) struct Heart(CancellationToken);

impl Heart {
    pub(super) fn start(
        worklist: Arc<dyn Worklist>,
        registry: Registry,
        config: RunnerConfig,
    ) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Unavailable, "start heartbeat thread").caused_by(error)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let stopped = CancellationToken::new();
        let own = stopped.clone();
        // One future for as long as the thread lives: a connection that was made here is read here,
        // and would stand still, with whatever it holds, between one future and the next.
        let beat = move || {
            runtime.block_on(own.run_until_cancelled(async {
                loop {
                    tokio::time::sleep(config.heartbeat / 4).await;
                    round(&*worklist, &registry, config).await;
                }
            }));
        };
        thread::Builder::new().name("notebook-heart".into()).spawn(beat).map_err(failed)?;
        Ok(Self(stopped))
    }

    pub(super) fn stop(&self) {
        self.0.cancel();
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Four rounds make a heartbeat's time: one that fails is repeated soon, and a cancellation is not told late.
async fn round(worklist: &dyn Worklist, registry: &Registry, config: RunnerConfig) {
    let beats = registry.beats();
    if !beats.is_empty() {
        let asked = Instant::now();
        match tokio::time::timeout(config.heartbeat, worklist.heartbeat(beats.clone())).await {
            Ok(Ok(pulses)) => registry.answered(asked, &beats, &pulses),
            Ok(Err(error)) => {
                warn!(%error, "leases could not be prolonged; it is tried again");
                registry.unheard(beats);
            }
            Err(_) => {
                warn!("the queue does not answer; leases could not be prolonged");
                registry.unheard(beats);
            }
        }
    }
    registry.give_up(config.lease.saturating_sub(config.safety));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A beat that found the job's row in other hands changes nothing: the run goes on as long as its lease was granted
    /// for, and its progress is told with the next beat.
    #[test]
    fn q38_a_busy_job_is_neither_kept_nor_lost() {
        let (registry, progress) = (Registry::default(), Arc::new(Mutex::new(None)));
        let (id, fence) = (JobId::new(), Fence(1));
        let granted = Instant::now();
        let (cancel, lost) = registry.add(id, fence, granted, Arc::clone(&progress));
        *progress.lock() = Some(Progress { done: 1, total: 2 });
        let beats = registry.beats();
        assert_eq!(*progress.lock(), None);
        registry.answered(granted + Duration::from_secs(9), &beats, &[Pulse::Busy]);
        assert_eq!(*progress.lock(), Some(Progress { done: 1, total: 2 }));
        assert!(!lost.is_cancelled() && !cancel.is_cancelled());
        registry.give_up(Duration::from_secs(9));
        assert!(!lost.is_cancelled());
        registry.give_up(Duration::ZERO);
        assert!(lost.is_cancelled());
    }
}
