//! What every [`KeywordIndex`] must do, as scenarios that an adapter's tests run.
//!
//! The index is opened anew for each scenario, over one storage: a scenario makes tenants of its
//! own, so that nothing need be cleaned between them.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{KeywordIndex, KeywordRecord};
use crate::{
    ErrorKind, NotebookId, SourceId, TenantScope,
    conformance::{
        index::{Failure, Outcome, equal, keys, of_sources, refused},
        tenant,
    },
    model::ChunkKey,
    vector::ChunkFilter,
};

mod scenarios;

/// Opens the index over the same storage. Dropping what it returned must close the index, so
/// that it can be opened again.
pub type Open<'a> =
    &'a (dyn Fn() -> BoxFuture<'a, crate::Result<Arc<dyn KeywordIndex>>> + Send + Sync);

type Scenario = (&'static str, for<'a> fn(Open<'a>) -> BoxFuture<'a, Outcome>);

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        const SCENARIOS: &[Scenario] =
            &[$((stringify!($name), |open| Box::pin(scenarios::$name(open)))),*];
    };
}

scenarios!(
    an_unknown_tenant_is_empty,
    adds_are_visible_after_commit,
    a_delete_is_visible_at_once,
    a_delete_reaches_what_is_not_committed,
    a_source_can_be_indexed_again,
    tenants_do_not_see_each_other,
    scores_are_of_one_tenant,
    one_chunk_among_those_of_many_tenants_is_found,
    a_removed_tenant_leaves_nothing,
    filters,
    any_text_is_a_query,
    case_and_pairs,
    headings_are_searched,
    better_matches_come_first,
    equal_scores_are_ordered_by_key,
    scores_depend_on_the_chunks_only,
    limits,
    reopening_keeps_what_was_committed,
    many_sources,
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

/// Chunks with these texts, numbered from 0.
fn records(texts: &[&str]) -> Vec<KeywordRecord> {
    let numbered = texts.iter().zip(0..);
    numbered
        .map(|(text, ordinal)| KeywordRecord {
            ordinal,
            headings: String::new(),
            text: (*text).to_owned(),
        })
        .collect()
}

const fn key(source: SourceId, ordinal: u32) -> ChunkKey {
    ChunkKey { source, ordinal }
}

/// The ten best chunks of a tenant.
async fn find(
    index: &dyn KeywordIndex,
    scope: &TenantScope,
    text: &str,
) -> crate::Result<Vec<ChunkKey>> {
    Ok(keys(&index.search(scope, text, 10, &ChunkFilter::default()).await?))
}

/// Adds one source and commits.
async fn store(
    index: &dyn KeywordIndex,
    scope: &TenantScope,
    source: SourceId,
    texts: &[&str],
) -> crate::Result<NotebookId> {
    let notebook = NotebookId::new();
    index.add(scope, notebook, source, records(texts)).await?;
    index.commit(scope).await?;
    Ok(notebook)
}
