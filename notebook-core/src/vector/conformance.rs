//! What every [`VectorIndex`] must do, as scenarios that an adapter's tests run.
//!
//! The index is opened anew for each scenario, over one storage: a scenario makes tenants of its
//! own, so that nothing need be cleaned between them.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{ChunkFilter, Hit, MAX_LIMIT, VectorIndex, VectorRecord, VectorSpace};
use crate::{
    ErrorKind, NotebookId, SourceId, TenantScope,
    conformance::{
        index::{Failure, Outcome, equal, keys, of_sources, refused},
        tenant,
    },
    model::ChunkKey,
};

mod scenarios;

/// Opens the index over the same storage with the given space. Dropping what it returned must
/// close the index, so that it can be opened again.
pub type Open<'a> =
    &'a (dyn Fn(VectorSpace) -> BoxFuture<'a, crate::Result<Arc<dyn VectorIndex>>> + Send + Sync);

/// Length of the vectors of the suite: not a multiple of a machine word, on purpose.
pub const DIMENSIONS: usize = 70;

type Scenario = (&'static str, for<'a> fn(Open<'a>) -> BoxFuture<'a, Outcome>);

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        const SCENARIOS: &[Scenario] =
            &[$((stringify!($name), |open| Box::pin(scenarios::$name(open)))),*];
    };
}

scenarios!(
    an_unknown_tenant_is_empty,
    tenants_do_not_see_each_other,
    one_row_among_those_of_many_tenants_is_found,
    a_removed_tenant_leaves_nothing,
    upsert_replaces,
    the_later_of_two_records_counts,
    one_call_is_all_or_nothing,
    delete_is_visible_at_once,
    filters,
    hits_are_ordered_by_score_then_key,
    limits,
    wrong_vectors_are_refused,
    another_space_is_refused,
    an_emptied_tenant_takes_a_new_space,
    reopening_keeps_everything,
    many_rows_are_found_exactly,
);

/// Runs all scenarios and returns one line for each that failed.
pub async fn run_all(open: Open<'_>) -> Vec<String> {
    let mut failures = Vec::new();
    for (name, run) in SCENARIOS {
        if let Err(Failure(reason)) = run(open).await {
            failures.push(format!("{name}: {reason}"));
        }
    }
    failures
}

/// The space that the suite uses, with a model of this name.
#[must_use]
pub fn space(model: &str) -> VectorSpace {
    VectorSpace { model: model.into(), dimensions: DIMENSIONS }
}

/// A unit vector that depends on the seed alone: well spread, and equal for equal seeds.
#[must_use]
pub fn vector(seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    let mut vector: Vec<f32> = (0..DIMENSIONS).map(|_| next()).collect();
    let length = super::inner_product(&vector, &vector).sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

fn record(source: SourceId, ordinal: u32, notebook: NotebookId, seed: u64) -> VectorRecord {
    VectorRecord { key: ChunkKey { source, ordinal }, notebook, vector: vector(seed) }
}

/// All hits of a tenant, in order.
async fn all(index: &dyn VectorIndex, scope: &TenantScope, seed: u64) -> crate::Result<Vec<Hit>> {
    index.search(scope, &vector(seed), MAX_LIMIT, &ChunkFilter::default()).await
}
