//! The workers' side: claims, heartbeats, ends, rescues.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{
    FINISH, INSERT, SqlQueue, insert_all, insert_new,
    jobs::{Jobs, Now},
    rows,
};
use crate::{
    Result, TenantId, Timestamp,
    queue::{
        ClaimRequest, Claimed, Event, Fence, Finish, Heartbeat, Job, JobId, NewJob, Outcome, Pulse,
        Worklist,
        plan::plan,
        random, scope_of,
        step::{self, lease},
    },
    sql::{Lock, Reach, Tx},
};

/// The most kinds of waiting jobs, counted in each tenant, that one claim chooses from. Which ones changes
/// with each claim.
const WAITING_KINDS: usize = 128;
/// How often a claim looks again when others had their hands on what it chose: more often than there are
/// likely to be others at that moment.
const LOOKS: usize = 32;
/// How many jobs more than it wants a claim chooses where others claim at the same time.
const SPARE: usize = 16;
/// The most, after others were quicker again and again.
const MOST_SPARE: usize = 1_024;
/// Claims under limits take turns by it: any number that nobody else uses in the database.
const TURN: i64 = 0x6e6f_7465_5f71_7565;

/// What the end of a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// It is stored now.
    Now,
    /// It had been stored before.
    Before,
    /// The run had been taken away.
    Not,
}

impl Counted {
    /// Whether the job ended as its run said.
    pub(super) const fn counts(self) -> bool {
        !matches!(self, Self::Not)
    }
}

#[async_trait]
impl Worklist for SqlQueue {
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>> {
        const CLAIM: &str = "claim jobs";
        let input = (request.clone(), Arc::clone(&self.jobs.turn));
        if is_limited(request) {
            return self
                .jobs
                .write(Reach::Installation, CLAIM, input, |tx, (request, turn), now| {
                    Box::pin(async move {
                        tx.take_turn(TURN).await?;
                        let (claimed, ended) = claim(tx, request, turn, now).await;
                        ended.map(|()| claimed)
                    })
                })
                .await;
        }
        self.jobs
            .write_singly(CLAIM, input, |tx, (request, turn), now| {
                Box::pin(async move {
                    let (claimed, ended) = claim(tx, request, turn, now).await;
                    // What was claimed before something failed is claimed all the same.
                    if claimed.is_empty() { ended.map(|()| claimed) } else { Ok(claimed) }
                })
            })
            .await
    }

    async fn heartbeat(&self, beats: Vec<Heartbeat>) -> Result<Vec<Pulse>> {
        self.jobs
            .write_to(
                &self.jobs.hearts,
                Reach::Installation,
                "prolong leases",
                beats,
                |tx, beats, now| Box::pin(heartbeat(tx, beats, now)),
            )
            .await
    }

    async fn finish(&self, ends: Vec<Finish>) -> Result<Vec<bool>> {
        ends.iter().try_for_each(Finish::check)?;
        let follow = ends.iter().any(Finish::has_follow_ups);
        let plain = ends.iter().all(|end| result(end).is_some());
        let counted = match ends.as_slice() {
            [only] if plain => self.ends.call(only.clone()).await.map(|counts| vec![counts]),
            [only] if !follow => self.rest.call(only.clone()).await.map(|counts| vec![counts]),
            _ if plain => self.jobs.complete(ends).await,
            _ => self.jobs.finish(ends).await,
        };
        let counted = counted?;
        if follow {
            self.ring();
        }
        Ok(counted)
    }

    async fn rescue(&self, limit: usize) -> Result<usize> {
        self.jobs
            .write(Reach::Installation, "rescue jobs", limit, |tx, limit, now| {
                Box::pin(rescue(tx, *limit, now))
            })
            .await
    }

    async fn take_back(&self, limit: usize) -> Result<usize> {
        self.jobs
            .write(Reach::Installation, "take jobs back", limit, |tx, limit, now| {
                Box::pin(take_back(tx, *limit, now))
            })
            .await
    }

    async fn forget(&self, keep: Duration, limit: usize) -> Result<usize> {
        self.jobs
            .write(Reach::Installation, "forget jobs", (keep, limit), |tx, (keep, limit), now| {
                Box::pin(rows::forget(tx, now.at.before(*keep), *limit))
            })
            .await
    }
}

impl Jobs {
    /// Stores jobs; for each, whether its id and its key were free.
    pub(super) async fn insert(&self, new: Vec<(TenantId, NewJob)>) -> Result<Vec<bool>> {
        self.write_singly(INSERT, new, |tx, new, now| {
            Box::pin(async move {
                // Of two with one id only the first is tried: what came of it is what its caller is told.
                let mut ids = BTreeSet::new();
                let tried: Vec<bool> = new.iter().map(|(_, new)| ids.insert(new.id)).collect();
                let jobs = new.iter().zip(&tried).filter(|(_, tried)| **tried);
                let jobs = jobs.map(|((tenant, new), _)| (*tenant, new));
                let stored = insert_new(tx, jobs, now).await?;
                let is_stored =
                    |((_, new), tried): (&(_, NewJob), &bool)| *tried && stored.contains(&new.id);
                Ok(new.iter().zip(&tried).map(is_stored).collect())
            })
        })
        .await
    }

    /// Ends runs, however they ended; for each, whether it counted.
    pub(super) async fn finish(&self, ends: Vec<Finish>) -> Result<Vec<bool>> {
        let ended = self.write(Reach::Installation, FINISH, ends, |tx, ends, now| {
            Box::pin(finish(tx, ends, now))
        });
        ended.await.map(|ended| ended.into_iter().map(Counted::counts).collect())
    }

    /// Ends runs with results; for each, whether it counted.
    pub(super) async fn complete(&self, ends: Vec<Finish>) -> Result<Vec<bool>> {
        self.write_singly(FINISH, ends, |tx, ends, now| Box::pin(complete(tx, ends, now))).await
    }
}

/// Whether more must not run at once than somebody said, in all workers together.
fn is_limited(request: &ClaimRequest) -> bool {
    request.per_tenant.is_some() || request.kinds.values().any(|rule| rule.limit.is_some())
}

/// What was claimed, and what ended it.
async fn claim(
    tx: &mut Tx<'_>,
    request: &ClaimRequest,
    turn: &Mutex<u128>,
    now: Now,
) -> (Vec<Claimed>, Result<()>) {
    let mut claimed = Vec::new();
    let ended = claim_into(tx, request, turn, now, &mut claimed).await;
    (claimed, ended)
}

async fn claim_into(
    tx: &mut Tx<'_>,
    request: &ClaimRequest,
    turn: &Mutex<u128>,
    now: Now,
    claimed: &mut Vec<Claimed>,
) -> Result<()> {
    let lease_until = lease(now.at, &now.policy);
    let mut rest = request.clone();
    let mut spare = if tx.is_remote() { SPARE } else { 0 };
    for _ in 0..LOOKS {
        let chosen = choose(tx, &rest, turn, spare, now.at).await?;
        let taken = rows::claim(tx, &chosen, rest.max, request.worker, lease_until).await?;
        let (got, wanted) = (taken.len(), chosen.len().min(rest.max));
        for job in taken {
            rest.max -= 1;
            if let Some(rule) = rest.kinds.get_mut(&job.kind) {
                rule.take = rule.take.saturating_sub(1);
            }
            claimed.push(Claimed { scope: scope_of(&job), job });
        }
        if got == wanted {
            break;
        }
        // Others were quicker: there may be more behind what they took.
        spare = (spare * 2).min(MOST_SPARE);
    }
    Ok(())
}

/// The jobs to claim, in their order, and `spare` ones behind them. However many of these are claimed, no limit is
/// passed.
async fn choose(
    tx: &mut Tx<'_>,
    request: &ClaimRequest,
    turn: &Mutex<u128>,
    spare: usize,
    now: Timestamp,
) -> Result<Vec<JobId>> {
    if request.max == 0 {
        return Ok(Vec::new());
    }
    let mut look = rows::look(tx, request, turn, WAITING_KINDS, spare).await?;
    if look.due.is_some_and(|due| due <= now) {
        rows::make_due(tx, now).await?;
        look = rows::look(tx, request, turn, WAITING_KINDS, spare).await?;
    }
    let mut running = BTreeMap::new();
    for (kind, rule) in &request.kinds {
        if rule.limit.is_some() && !look.tenants.is_empty() {
            running.insert(kind.clone(), rows::running_of_kind(tx, kind).await?);
        }
    }
    let more = ClaimRequest { max: request.max.saturating_add(spare), ..request.clone() };
    Ok(plan(&more, look.tenants, running))
}

async fn heartbeat(tx: &mut Tx<'_>, beats: &[Heartbeat], now: Now) -> Result<Vec<Pulse>> {
    let ids: Vec<JobId> = beats.iter().map(|beat| beat.id).collect();
    // One whose end is being stored, however long that takes, must not keep the others from being kept.
    let mut jobs = rows::by_ids(tx, &ids, Lock::Skip).await?;
    let passed: Vec<JobId> = ids.into_iter().filter(|id| !jobs.contains_key(id)).collect();
    let mut pulses = vec![Pulse::Lost; beats.len()];
    let (mut places, mut events) = (Vec::new(), Vec::new());
    for (place, beat) in beats.iter().enumerate() {
        // Of two beats for one job, at most one has its fence.
        if let Some(job) = jobs.get(&beat.id).filter(|job| job.fence == beat.fence).cloned() {
            jobs.remove(&beat.id);
            places.push(place);
            events.push((job, Event::Heartbeat { fence: beat.fence, progress: beat.progress }));
        }
    }
    let kept = now.apply_all(tx, events).await?;
    for (place, job) in places.into_iter().zip(kept) {
        if let (Some(pulse), Some(job)) = (pulses.get_mut(place), job) {
            *pulse = Pulse::of(Some(Ok(job)));
        }
    }
    let passed = rows::find_all(tx, &passed).await?;
    for (pulse, beat) in pulses.iter_mut().zip(beats) {
        if passed.get(&beat.id).is_some_and(|job| step::has(job, beat.fence)) {
            *pulse = Pulse::Busy;
        }
    }
    Ok(pulses)
}

/// What a run ended with that needs nothing else to be known or stored.
fn result(end: &Finish) -> Option<&serde_json::Value> {
    match &end.outcome {
        Outcome::Completed { result, follow_ups } if follow_ups.is_empty() => Some(result),
        _ => None,
    }
}

/// Ends runs with results, in one statement.
async fn complete(tx: &mut Tx<'_>, ends: &[Finish], now: Now) -> Result<Vec<bool>> {
    let mut first = BTreeMap::new();
    for (place, end) in ends.iter().enumerate() {
        // Of two ends of one run the first counts.
        if let Some(result) = result(end) {
            first.entry((end.id, end.fence)).or_insert((place, result));
        }
    }
    // By their ids, as all lock them.
    let rows: Vec<_> =
        first.iter().map(|((id, fence), (_, result))| (*id, *fence, *result)).collect();
    let ended = rows::complete(tx, &rows, now.at).await?;
    let mut counted = vec![Counted::Not; ends.len()];
    for ((id, fence), (place, _)) in first {
        let counts = counted.get_mut(place).filter(|_| ended.get(&id) == Some(&fence));
        if let Some(counts) = counts {
            *counts = Counted::Now;
        }
    }
    see_repeated(tx, ends, &mut counted).await?;
    Ok(counted.into_iter().map(Counted::counts).collect())
}

/// Finds those among the ends that did not count whose jobs have ended so before.
async fn see_repeated(tx: &mut Tx<'_>, ends: &[Finish], counted: &mut [Counted]) -> Result<()> {
    let missed = ends.iter().zip(&*counted).filter(|(_, counted)| !counted.counts());
    let missed: Vec<JobId> = missed.map(|(end, _)| end.id).collect();
    let jobs = rows::find_all(tx, &missed).await?;
    for (end, counted) in ends.iter().zip(counted).filter(|(_, counted)| !counted.counts()) {
        let ended = |job: &Job| step::has_ended_so(job, end.fence, &end.outcome);
        if jobs.get(&end.id).is_some_and(ended) {
            *counted = Counted::Before;
        }
    }
    Ok(())
}

pub(super) async fn finish(tx: &mut Tx<'_>, ends: &[Finish], now: Now) -> Result<Vec<Counted>> {
    let ids: Vec<JobId> = ends.iter().map(|end| end.id).collect();
    let mut jobs = rows::by_ids(tx, &ids, Lock::Change).await?;
    let mut counted = vec![Counted::Not; ends.len()];
    let (mut places, mut events) = (Vec::new(), Vec::new());
    for (place, end) in ends.iter().enumerate() {
        // Of two ends of one run the first counts.
        if let Some(job) = jobs.get(&end.id).filter(|job| job.fence == end.fence).cloned() {
            jobs.remove(&end.id);
            let outcome = end.outcome.clone();
            places.push(place);
            events.push((job, Event::Finish { fence: end.fence, outcome, random: random() }));
        }
    }
    let ended = now.apply_all(tx, events).await?;
    for (place, job) in places.into_iter().zip(ended) {
        let (Some(counts), Some(end), Some(job)) = (counted.get_mut(place), ends.get(place), job)
        else {
            continue;
        };
        *counts = Counted::Now;
        if let Outcome::Completed { follow_ups, .. } = &end.outcome {
            insert_all(tx, job.tenant, follow_ups, now).await?;
        }
    }
    see_repeated(tx, ends, &mut counted).await?;
    Ok(counted)
}

async fn rescue(tx: &mut Tx<'_>, limit: usize, now: Now) -> Result<usize> {
    let expired = rows::expired(tx, now.at, limit).await?;
    take(tx, expired, Event::Expire, now).await
}

async fn take_back(tx: &mut Tx<'_>, limit: usize, now: Now) -> Result<usize> {
    // Every lease has run out at the end of time.
    let running = rows::expired(tx, Timestamp::from_millis(i64::MAX), limit).await?;
    take(tx, running, Event::Lose, now).await
}

async fn take(
    tx: &mut Tx<'_>,
    jobs: Vec<Job>,
    event: impl Fn(Fence) -> Event + Send,
    now: Now,
) -> Result<usize> {
    let events = jobs.into_iter().map(|job| {
        let event = event(job.fence);
        (job, event)
    });
    let taken = now.apply_all(tx, events.collect()).await?;
    Ok(taken.into_iter().flatten().count())
}
