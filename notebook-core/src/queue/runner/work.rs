//! The loop of a worker: claims jobs, gives them slots, gives back what it cannot begin.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinSet,
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::warn;

use super::{
    HandlerRule, Shared,
    asking::{Asking, Question},
    desk::{Desk, Ticket, Want},
    run,
};
use crate::{
    model::Progress,
    queue::{ClaimRequest, Claimed, Finish, KindRule, Outcome},
};

/// How often it is looked for claims that have been held for too long.
const LOOK: Duration = Duration::from_millis(100);

/// A claim that waits for a slot. Its lease is kept.
pub(super) struct Held {
    pub(super) claimed: Claimed,
    pub(super) cancel: CancellationToken,
    pub(super) lost: CancellationToken,
    pub(super) progress: Arc<Mutex<Option<Progress>>>,
}

impl Held {
    fn release(&self) -> Finish {
        let job = &self.claimed.job;
        Finish { id: job.id, fence: job.fence, outcome: Outcome::Released }
    }
}

/// A run's place among those at the same time, free for another when it is dropped.
pub(super) struct Slot {
    number: u64,
    freed: Sender<u64>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        // There is room for the numbers of all slots, each of which is sent once.
        let _ = self.freed.try_send(self.number);
    }
}

/// A question that is on its way.
struct Claim {
    want: Want,
    /// Leases begin here: before the queue grants them.
    asked: std::time::Instant,
    answer: AbortOnDropHandle<Vec<Claimed>>,
}

impl Claim {
    /// Whether the queue may have more: something was as much as was wanted.
    fn is_filled(&self, claimed: &[Claimed]) -> bool {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for claimed in claimed {
            *kinds.entry(&claimed.job.kind).or_default() += 1;
        }
        let filled = |(kind, most): (&String, &usize)| kinds.get(kind.as_str()) >= Some(most);
        claimed.len() >= self.want.max || self.want.take.iter().any(filled)
    }
}

pub(super) struct Loop {
    shared: Arc<Shared>,
    desk: Desk<Held>,
    asking: Asking,
    claim: Option<Claim>,
    /// The runs, until their ends are stored, and what is being given back.
    runs: JoinSet<()>,
    freeing: Sender<u64>,
    freed: Receiver<u64>,
    /// When it was last looked for what is held for too long.
    looked: Instant,
}

impl Loop {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let config = &shared.config;
        let rules = shared.handlers.0.iter().map(|(kind, (rule, _))| (kind.clone(), *rule));
        let desk = Desk::new(config.slots, rules, config.per_tenant.is_none());
        let (freeing, freed) = channel(config.slots.max(1));
        let now = Instant::now();
        let asking = Asking::new(now, config.poll);
        Self {
            desk,
            asking,
            claim: None,
            runs: JoinSet::new(),
            freeing,
            freed,
            looked: now,
            shared,
        }
    }

    /// Works until the runner drains and all that it had has ended.
    pub(super) async fn work(mut self) {
        loop {
            let now = Instant::now();
            self.settle(now);
            let draining = self.shared.draining.is_cancelled();
            self.clear(now, draining);
            self.begin_all(now);
            if draining {
                if self.claim.is_none() && self.desk.is_empty() && self.runs.is_empty() {
                    break;
                }
            } else {
                self.ask(now);
            }
            self.wait(now, draining).await;
        }
        self.shared.done.cancel();
    }

    /// Takes note of what has ended.
    fn settle(&mut self, now: Instant) {
        while let Ok(number) = self.freed.try_recv() {
            self.desk.free(number, now);
        }
        while self.runs.try_join_next().is_some() {
            self.asking.run_ended();
        }
    }

    /// Gives back what is not to be held any longer.
    fn clear(&mut self, now: Instant, draining: bool) {
        let back = if draining {
            self.desk.take_all()
        } else if now >= self.looked + LOOK {
            self.looked = now;
            self.desk.take_old(now)
        } else {
            return;
        };
        self.give_back(back);
    }

    fn give_back(&mut self, held: Vec<Held>) {
        if !held.is_empty() {
            self.runs.spawn(give_back(Arc::clone(&self.shared), held));
        }
    }

    /// Begins as many runs as there are slots.
    fn begin_all(&mut self, now: Instant) {
        let mut cancelled = Vec::new();
        while let Some((number, held)) = self.desk.begin(now) {
            if held.lost.is_cancelled() {
                let job = &held.claimed.job;
                warn!(job = %job.id, kind = job.kind, "a claim was lost before its run began");
                self.shared.heart.remove(job.id, job.fence);
                self.desk.forgo(number);
            } else if held.cancel.is_cancelled() {
                self.desk.forgo(number);
                cancelled.push(held);
            } else {
                self.begin(number, held);
            }
        }
        // Given back, a job whose end was asked for is cancelled.
        self.give_back(cancelled);
    }

    fn begin(&mut self, number: u64, held: Held) {
        let slot = Slot { number, freed: self.freeing.clone() };
        // Only kinds with handlers are claimed.
        let Some((rule, handler)) = self.shared.handlers.0.get(&held.claimed.job.kind) else {
            return;
        };
        let (rule, handler, shared) = (*rule, Arc::clone(handler), Arc::clone(&self.shared));
        self.runs.spawn(async move { run::run(&shared, held, slot, rule, handler).await });
    }

    /// Asks for jobs, if it is time and they are wanted.
    fn ask(&mut self, now: Instant) {
        if self.claim.is_some() {
            return;
        }
        let eagerly = match self.asking.question(now, !self.runs.is_empty()) {
            Question::Now => true,
            Question::WhenLow => false,
            Question::At(_) => return,
        };
        let Some(want) = self.desk.want(now, eagerly) else { return };
        self.asking.asks(now);
        let request = self.request(&want);
        let shared = Arc::clone(&self.shared);
        let answer = tokio::spawn(async move { shared.claim(&request).await });
        let asked = std::time::Instant::now();
        self.claim = Some(Claim { want, asked, answer: AbortOnDropHandle::new(answer) });
    }

    fn request(&self, want: &Want) -> ClaimRequest {
        let rules = want.take.iter().filter_map(|(kind, take)| {
            let (HandlerRule { payload_version, limit, .. }, _) =
                *self.shared.handlers.0.get(kind)?;
            Some((kind.clone(), KindRule { payload_version, limit, take: *take }))
        });
        let Shared { worker, config, .. } = &*self.shared;
        ClaimRequest {
            worker: *worker,
            kinds: rules.collect(),
            per_tenant: config.per_tenant,
            max: want.max,
        }
    }

    /// Takes claims in; they begin, or are given back, at once or later.
    fn claimed(&mut self, claim: &Claim, claimed: Vec<Claimed>) {
        let now = Instant::now();
        self.asking.answered(now, claim.is_filled(&claimed));
        let ticket = |claimed: Claimed| {
            let job = &claimed.job;
            let progress = Arc::default();
            let kept = self.shared.heart.add(job.id, job.fence, claim.asked, Arc::clone(&progress));
            let (kind, priority, is_suspect) =
                (job.kind.clone(), job.priority, job.crash_count > 0);
            let (cancel, lost) = kept;
            Ticket { kind, priority, is_suspect, claim: Held { claimed, cancel, lost, progress } }
        };
        let tickets = claimed.into_iter().map(ticket).collect();
        let back = self.desk.take_in(tickets, now);
        self.give_back(back);
    }

    /// Waits for something to happen.
    async fn wait(&mut self, now: Instant, draining: bool) {
        let wake = self.wake(now, draining);
        let shared = Arc::clone(&self.shared);
        let asking = self.claim.is_some();
        let answer = async {
            match &mut self.claim {
                Some(claim) => (&mut claim.answer).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(number) = self.freed.recv() => self.desk.free(number, Instant::now()),
            Some(_) = self.runs.join_next(), if !self.runs.is_empty() => self.asking.run_ended(),
            claimed = answer, if asking => {
                if let Some(claim) = self.claim.take() {
                    // A claim that panicked has claimed nothing that is known: leases tell.
                    self.claimed(&claim, claimed.unwrap_or_default());
                }
            }
            // Heard once, it need not be heard again: others may listen to the same bell.
            () = shared.bell.notified(), if !draining && !self.asking.is_rung() => self.asking.ring(),
            () = shared.draining.cancelled(), if !draining => {}
            () = tokio::time::sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
        }
    }

    /// When to go on if nothing happens.
    fn wake(&self, now: Instant, draining: bool) -> Option<Instant> {
        let look = self.desk.holds().then(|| self.looked + LOOK);
        let ask = match self.asking.question(now, !self.runs.is_empty()) {
            _ if draining || self.claim.is_some() => None,
            Question::At(at) => Some(at),
            Question::WhenLow => self.asking.later(now),
            // There is no room: something must end first.
            Question::Now => None,
        };
        look.into_iter().chain(ask).min()
    }
}

impl Shared {
    async fn claim(&self, request: &ClaimRequest) -> Vec<Claimed> {
        match self.worklist.claim(request).await {
            Ok(claimed) => claimed,
            Err(error) => {
                warn!(%error, "no jobs could be claimed; it is tried again");
                Vec::new()
            }
        }
    }
}

/// Gives jobs back that were claimed and not begun, again and again as long as their leases are kept.
async fn give_back(shared: Arc<Shared>, mut held: Vec<Held>) {
    let mut wait = Duration::from_millis(50);
    let forget = |held: &Held| {
        let job = &held.claimed.job;
        shared.heart.remove(job.id, job.fence);
    };
    while !held.is_empty() {
        match shared.worklist.finish(held.iter().map(Held::release).collect()).await {
            Ok(_) => break,
            Err(error) => warn!(jobs = held.len(), %error, "claims could not be given back"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(shared.config.poll);
        held.retain(|held| {
            let kept = !held.lost.is_cancelled();
            if !kept {
                forget(held);
            }
            kept
        });
    }
    held.iter().for_each(forget);
}
