use std::sync::atomic::{AtomicU8, Ordering};

use super::*;
use crate::{TenantId, checkpoint::memory::MemoryCheckpoints, clock::ManualClock};

/// 0: answers; 1: fails; 2: says nothing.
struct Switch(MemoryCheckpoints, AtomicU8);

impl Switch {
    fn new(clock: &Arc<ManualClock>) -> Arc<Self> {
        Arc::new(Self(MemoryCheckpoints::new(clock.clone()), AtomicU8::new(0)))
    }

    fn turn(&self, to: u8) {
        self.1.store(to, Ordering::SeqCst);
    }

    async fn pass(&self) -> Result<()> {
        match self.1.load(Ordering::SeqCst) {
            0 => Ok(()),
            1 => Err(Error::new(ErrorKind::Unavailable, "test")),
            _ => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Checkpoints for Switch {
    async fn save(&self, scope: &TenantScope, checkpoint: &Checkpoint) -> Result<()> {
        self.pass().await?;
        self.0.save(scope, checkpoint).await
    }
    async fn take(&self, scope: &TenantScope, run: RunId, f: Fence) -> Result<Option<Checkpoint>> {
        self.pass().await?;
        self.0.take(scope, run, f).await
    }
    async fn read(&self, scope: &TenantScope, run: RunId) -> Result<Option<Checkpoint>> {
        self.pass().await?;
        self.0.read(scope, run).await
    }
    async fn remove(&self, scope: &TenantScope, run: RunId) -> Result<bool> {
        self.pass().await?;
        self.0.remove(scope, run).await
    }
    async fn prune(&self, scope: &TenantScope, before: Timestamp, limit: usize) -> Result<usize> {
        self.pass().await?;
        self.0.prune(scope, before, limit).await
    }
}

struct Setup {
    clock: Arc<ManualClock>,
    hot: Arc<Switch>,
    cold: Arc<Switch>,
    tiered: Tiered,
    scope: TenantScope,
    run: RunId,
}

fn setup() -> Setup {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
    let (hot, cold) = (Switch::new(&clock), Switch::new(&clock));
    let tiered = Tiered::new(hot.clone(), cold.clone(), clock.clone(), Duration::from_millis(50));
    #[allow(clippy::disallowed_methods, reason = "a test acts for a tenant of its own")]
    let scope = TenantScope::authenticated(TenantId::new());
    Setup { clock, hot, cold, tiered, scope, run: RunId::new() }
}

impl Setup {
    fn at(&self, fence: u64, version: u64) -> Checkpoint {
        let body = format!("{fence} {version}").into_bytes();
        Checkpoint { run: self.run, fence: Fence(fence), version, schema: 1, body }
    }

    async fn save(&self, fence: u64, version: u64) -> Result<()> {
        self.tiered.save(&self.scope, &self.at(fence, version)).await
    }

    async fn take(&self, fence: u64) -> Result<Option<Checkpoint>> {
        self.tiered.take(&self.scope, self.run, Fence(fence)).await
    }

    fn wait(&self) {
        self.clock.advance(Duration::from_secs(2));
    }
}

/// D2: with the cold store failing or silent, the run goes on, says that it is degraded, and the cold store has all when it is back.
#[tokio::test(start_paused = true)]
async fn d2_without_the_cold_store_it_goes_on_from_the_hot_one() {
    for how in [1, 2] {
        let s = setup();
        s.take(1).await.unwrap();
        s.save(1, 1).await.unwrap();
        assert!(!s.tiered.is_degraded());
        s.cold.turn(how);
        s.save(1, 2).await.unwrap();
        s.save(1, 3).await.unwrap();
        assert!(s.tiered.is_degraded());
        assert_eq!(s.cold.0.read(&s.scope, s.run).await.unwrap(), Some(s.at(1, 1)));
        s.wait();
        assert_eq!(s.take(2).await.unwrap(), Some(s.at(1, 3)), "the same process goes on from it");
        s.cold.turn(0);
        s.wait();
        assert_eq!(s.tiered.catch_up().await, 0);
        assert!(!s.tiered.is_degraded());
        assert_eq!(s.cold.0.read(&s.scope, s.run).await.unwrap(), Some(s.at(1, 3)));
    }
}

/// D2: what is known nowhere is not "none" while the store that may know it is away.
#[tokio::test(start_paused = true)]
async fn d2_a_run_that_only_the_cold_store_may_know_waits_for_it() {
    let s = setup();
    s.cold.turn(1);
    let error = s.take(1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    s.hot.turn(1);
    s.wait();
    assert_eq!(s.save(1, 1).await.unwrap_err().kind(), ErrorKind::Unavailable, "nowhere to go on");
}

/// D2: without the hot store the cold one does all, and the hot one's older state is not taken for the newest.
#[tokio::test(start_paused = true)]
async fn d2_without_the_hot_store_the_cold_one_does_all() {
    for how in [1, 2] {
        let s = setup();
        s.save(1, 1).await.unwrap();
        s.hot.turn(how);
        s.save(1, 2).await.unwrap();
        assert!(s.tiered.is_degraded());
        assert_eq!(s.tiered.read(&s.scope, s.run).await.unwrap(), Some(s.at(1, 2)));
        s.hot.turn(0);
        s.wait();
        assert_eq!(s.take(1).await.unwrap(), Some(s.at(1, 2)));
        s.save(1, 3).await.unwrap();
        assert!(!s.tiered.is_degraded());
        assert_eq!(s.hot.0.read(&s.scope, s.run).await.unwrap(), Some(s.at(1, 3)));
    }
}

/// D2: a worker that went on alone and was followed by another is refused, and its path is not taken up again.
#[tokio::test(start_paused = true)]
async fn d2_a_lost_worker_that_went_on_alone_is_refused_when_the_store_is_back() {
    let s = setup();
    s.save(1, 1).await.unwrap();
    s.cold.turn(1);
    s.save(1, 2).await.unwrap();
    s.save(1, 3).await.unwrap();
    // Another process takes it from the cold store.
    s.cold.turn(0);
    s.cold.0.take(&s.scope, s.run, Fence(2)).await.unwrap();
    s.cold.0.save(&s.scope, &s.at(2, 2)).await.unwrap();
    s.wait();
    assert_eq!(s.save(1, 4).await.unwrap_err().kind(), ErrorKind::Conflict);
    // And the run comes back to this process.
    assert_eq!(s.take(3).await.unwrap(), Some(s.at(2, 2)));
    s.save(3, 3).await.unwrap();
    s.save(3, 4).await.unwrap();
    assert_eq!(s.hot.0.read(&s.scope, s.run).await.unwrap(), Some(s.at(3, 4)));
}

/// A store that hangs costs its patience once a second, not with each step.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_left_alone_for_a_second() {
    let s = setup();
    s.cold.turn(2);
    let since = tokio::time::Instant::now();
    for version in 1..100 {
        s.save(1, version).await.unwrap();
    }
    assert!(since.elapsed() < Duration::from_millis(100), "{:?}", since.elapsed());
}
