//! What happens beside the runs: stops and watchers in other processes, runs that nobody watches.

use std::{
    collections::{HashMap, HashSet},
    str::FromStr as _,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use notebook_core::{
    RunId, TenantId, TenantScope,
    pubsub::{Heard, Subscription},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::{Runs, live::StopReason};

const TOPIC: &str = "runs";
/// How often runs are looked after: half of the second within which a stop must reach them.
const ROUND: Duration = Duration::from_millis(500);
/// How long a reader in another process counts as there; it says so three times meanwhile.
const ELSEWHERE: Duration = Duration::from_secs(30);

impl Runs {
    /// Tells the other processes about a run: that somebody watches it (`watch`), wants it to stop (`stop`), or that
    /// there is more of it in the log (`stored`).
    pub(super) fn tell(&self, what: &str, scope: &TenantScope, run: RunId) {
        let Some(pubsub) = &self.pubsub else { return };
        let message = format!("{what} {} {run} {}", scope.tenant(), self.process);
        if let Err(error) = pubsub.publish(TOPIC, &message) {
            warn!(%error, "other processes could not be told of a run; they find out by looking");
        }
    }

    /// Starts to look after runs, once.
    pub(super) fn tend(self: &Arc<Self>) {
        self.tending.get_or_init(|| {
            let heard = self.pubsub.as_ref().map(|pubsub| pubsub.subscribe(TOPIC));
            AbortOnDropHandle::new(tokio::spawn(tend(Arc::downgrade(self), heard)))
        });
    }

    fn hear(&self, heard: &Heard) {
        let Heard::Message(message) = heard else {
            // Somebody elsewhere may watch, and cannot say so.
            self.live.lock().values().for_each(|run| run.watched_elsewhere(ELSEWHERE));
            return self.hints.give_all();
        };
        let mut words = message.split(' ');
        let (what, tenant, run) = (words.next(), words.next(), words.next());
        let ids = tenant.and_then(|id| TenantId::from_str(id).ok()).zip(run);
        let Some((tenant, run)) =
            ids.and_then(|(tenant, run)| Some((tenant, RunId::from_str(run).ok()?)))
        else {
            return;
        };
        let own = words.next().is_some_and(|process| process == self.process.to_string());
        let live = || self.live.lock().get(&(tenant, run)).cloned();
        match what {
            Some("stored") => self.hints.give(tenant, run),
            // A reader here that said so before the run began here is counted by itself since: heard late, its own words
            // would keep the run for `ELSEWHERE` after it has left.
            Some("watch") => {
                if !own && let Some(live) = live() {
                    live.watched_elsewhere(ELSEWHERE);
                }
            }
            Some("stop") => {
                if let Some(live) = live() {
                    live.signal.give(StopReason::Asked);
                }
            }
            _ => {}
        }
    }

    /// Ends what was asked to end, should the word of it have been lost, and what nobody watches. `last` is when the round
    /// before this one ended.
    async fn round(&self, last: &mut Instant) {
        let live: Vec<_> = self.live.lock().iter().map(|(id, run)| (*id, run.clone())).collect();
        let mut seen = HashSet::new();
        let scopes: HashMap<TenantId, &TenantScope> =
            live.iter().map(|((tenant, _), run)| (*tenant, &run.scope)).collect();
        for (tenant, scope) in scopes {
            match self.log.stopping(scope).await {
                Ok(stopping) => {
                    seen.insert(tenant);
                    let asked = live
                        .iter()
                        .filter(|((of, run), _)| *of == tenant && stopping.contains(run));
                    asked.for_each(|(_, run)| run.signal.give(StopReason::Asked));
                }
                Err(error) => warn!(%error, "stops could not be looked for; it is tried again"),
            }
        }
        let passed = std::mem::replace(last, Instant::now()).elapsed();
        let Some(patience) = self.patience else { return };
        for ((tenant, _), run) in &live {
            let saw = seen.contains(tenant);
            run.pass_over(blind(passed, saw));
            if saw {
                run.end_if_unwatched(patience);
            }
        }
    }
}

/// How much of the time since the last round does not count as unwatched: while the store stands still nobody can come
/// to watch, nor say from another process that he does.
fn blind(passed: Duration, saw: bool) -> Duration {
    if saw { passed.saturating_sub(ROUND * 2) } else { passed }
}

/// Ends with the runs.
async fn tend(runs: Weak<Runs>, mut heard: Option<Subscription>) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        let next = async {
            match &mut heard {
                Some(subscription) => subscription.next().await,
                None => std::future::pending().await,
            }
        };
        let message = tokio::select! {
            message = next => Some(message),
            _ = rounds.tick() => None,
        };
        let Some(runs) = runs.upgrade() else { return };
        match message {
            Some(Some(message)) => runs.hear(&message),
            // The adapter is closed.
            Some(None) => heard = None,
            None => runs.round(&mut last).await,
        }
    }
}
