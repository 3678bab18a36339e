//! Which jobs a worker is given.

use std::collections::BTreeMap;

use super::{ClaimRequest, Job, JobId, Priority};
use crate::{TenantId, Timestamp};

/// What waits and runs in a tenant.
#[derive(Debug, Clone, Default)]
pub struct Tenant {
    /// How many of its jobs run.
    pub running: usize,
    /// Of each kind that the worker can do, the first available jobs; as many of a kind as the worker wants
    /// at most. All by priority, time and id.
    pub waiting: Vec<Candidate>,
}

/// An available job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: JobId,
    /// Its kind.
    pub kind: String,
    /// Which jobs go first.
    pub priority: Priority,
    /// Since when it may run.
    pub run_at: Timestamp,
}

impl From<&Job> for Candidate {
    fn from(job: &Job) -> Self {
        Self { id: job.id, kind: job.kind.clone(), priority: job.priority, run_at: job.run_at }
    }
}

impl Candidate {
    /// Jobs of a tenant come in this order.
    #[must_use]
    pub const fn order(&self) -> (Priority, Timestamp, JobId) {
        (self.priority, self.run_at, self.id)
    }
}

/// The jobs to claim, in the order in which they should start.
///
/// Urgent jobs go first; among jobs of like priority, the tenant that has the fewest running is served, so
/// that a tenant with a hundred thousand jobs waits behind itself and nobody else. `running` counts the
/// jobs of each kind that run already.
#[must_use]
pub fn plan(
    request: &ClaimRequest,
    tenants: BTreeMap<TenantId, Tenant>,
    mut running: BTreeMap<String, usize>,
) -> Vec<JobId> {
    let mut queues: Vec<_> = tenants
        .into_values()
        .map(|tenant| (tenant.running, tenant.waiting.into_iter().peekable()))
        .collect();
    let mut chosen = Vec::new();
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    while chosen.len() < request.max {
        for (_, waiting) in &mut queues {
            // What its kind has no room for now is passed over.
            while waiting.next_if(|job| !has_room(request, &running, &taken, &job.kind)).is_some() {
            }
        }
        let next = queues
            .iter_mut()
            .filter(|(busy, _)| request.per_tenant.is_none_or(|most| *busy < most))
            .filter_map(|(busy, waiting)| {
                let job = waiting.peek()?;
                let order = (job.priority, *busy, job.run_at, job.id);
                Some((order, busy, waiting))
            })
            .min_by_key(|(order, ..)| *order);
        let Some((_, busy, waiting)) = next else { break };
        let Some(job) = waiting.next() else { break };
        *busy += 1;
        *taken.entry(job.kind.clone()).or_default() += 1;
        *running.entry(job.kind).or_default() += 1;
        chosen.push(job.id);
    }
    chosen
}

fn has_room(
    request: &ClaimRequest,
    running: &BTreeMap<String, usize>,
    taken: &BTreeMap<String, usize>,
    kind: &str,
) -> bool {
    let Some(rule) = request.kinds.get(kind) else { return false };
    let count = |of: &BTreeMap<String, usize>| of.get(kind).copied().unwrap_or_default();
    rule.limit.is_none_or(|most| count(running) < most) && count(taken) < rule.take
}
