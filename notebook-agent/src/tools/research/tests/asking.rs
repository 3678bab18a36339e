//! Questions kept in a store, by runs whose process dies wherever it can.

use std::{collections::BTreeSet, sync::atomic::AtomicUsize};

use super::*;
use crate::tools::Asking as InStore;
use notebook_core::{
    approval::{Answer, ApprovalState, ApprovalStore as _, Say},
    checkpoint::{Checkpoint, Checkpoints},
    model::Conversation,
    run_log::RunLog as _,
    store::{ConversationStore as _, conformance::samples},
};

/// Checkpoints that are stored, of which the process hears no more after some.
struct Dying {
    kept: Arc<MemoryCheckpoints>,
    left: AtomicUsize,
}

#[async_trait]
impl Checkpoints for Dying {
    async fn save(&self, scope: &TenantScope, checkpoint: &Checkpoint) -> Result<()> {
        self.kept.save(scope, checkpoint).await?;
        let count = |left: usize| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::new(ErrorKind::Unavailable, "die")),
        }
    }

    async fn take(
        &self,
        scope: &TenantScope,
        run: RunId,
        fence: Fence,
    ) -> Result<Option<Checkpoint>> {
        self.kept.take(scope, run, fence).await
    }

    async fn read(&self, scope: &TenantScope, run: RunId) -> Result<Option<Checkpoint>> {
        self.kept.read(scope, run).await
    }

    async fn remove(&self, scope: &TenantScope, run: RunId) -> Result<bool> {
        self.kept.remove(scope, run).await
    }

    async fn prune(&self, scope: &TenantScope, before: Timestamp, limit: usize) -> Result<usize> {
        self.kept.prune(scope, before, limit).await
    }
}

/// D5: a run killed after any of its steps asks once, waits, and does what was allowed, or nothing.
#[tokio::test]
async fn d5_a_question_survives_a_kill_after_every_step() {
    for (say, written) in [(Say::Approve, 1), (Say::Refuse, 0)] {
        let mut most = 0;
        for kill in 0..40 {
            most = most.max(killed(kill, say, written).await);
        }
        assert!((3..40).contains(&most), "the kills reach from the first step to the last: {most}");
    }
}

/// One run that dies after so many steps of each of its lives; how many lives it had.
async fn killed(kill: usize, say: Say, written: usize) -> usize {
    let world = World::new();
    let scope = notebook_auth::single_user();
    let place = rivers(&world).await;
    let conversation = Conversation::new(place.notebook, SystemClock.now());
    let conversation = world.store.create_conversation(&scope, conversation).await.unwrap();
    let opened = world.store.open(&scope, samples::new_run(&conversation)).await.unwrap();
    let run = opened.run().id;
    let kept = Arc::new(MemoryCheckpoints::new(Arc::new(SystemClock)));
    let note = r#"{"title": "Wensum", "text": "78 km"}"#;
    let model = Talker::new(move |_, request| {
        if results(request).is_empty() { asks(&[("write_note", note)]) } else { answers("Ready.") }
    });
    let watch = Watch::default();
    let mut lives = 0;
    let found = loop {
        lives += 1;
        assert!(lives < 60, "it comes to no end");
        // Each life gets a little further than the one before.
        let left = AtomicUsize::new(kill + lives / 2);
        let checkpoints = Arc::new(Dying { kept: kept.clone(), left });
        let clock = Arc::new(SystemClock);
        let researcher =
            Researcher::new(world.registry(), world.store.clone(), checkpoints, clock).unwrap();
        let asking = InStore::new(world.store.clone(), |run| format!("run:{run}"));
        let researcher = researcher.with_approvals(Arc::new(asking));
        let turn = Turn {
            scope: &scope,
            run,
            place: place.clone(),
            model: model.clone(),
            fence: Fence(lives as u64),
            watch: &watch,
        };
        let begun = kept.read(&scope, run).await.unwrap().is_some();
        let lived = if begun {
            researcher.resume(turn).await
        } else {
            researcher.start(turn, inquiry("Keep it")).await
        };
        match lived {
            Ok(Researched::Ended(found)) => break found,
            Ok(Researched::Parked { .. }) => {
                let asked = world.store.approvals(&scope, run).await.unwrap();
                assert_eq!((asked.len(), asked[0].state), (1, ApprovalState::Pending));
                assert!(world.notes.0.lock().is_empty(), "nothing before somebody said so");
                let digest = asked[0].digest.clone();
                let answer = Answer { say, digest, by: None, note: String::new() };
                world.store.decide(&scope, asked[0].id, answer).await.unwrap();
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
        }
    };
    assert_eq!((found.end, found.answer.as_deref()), (End::Done, Some("Ready.")));
    assert_eq!(world.store.approvals(&scope, run).await.unwrap().len(), 1);
    // A call may be made again after a crash: it is the same one.
    let notes: BTreeSet<_> = world.notes.0.lock().iter().map(|note| note.2.clone()).collect();
    assert_eq!(notes.len(), written);
    lives
}
