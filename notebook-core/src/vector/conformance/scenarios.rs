use std::collections::BTreeSet;

use super::*;
use crate::vector::inner_product;

pub(super) async fn an_unknown_tenant_is_empty(open: Open<'_>) -> Outcome {
    let (index, scope) = (open(space("a")).await?, tenant());
    equal("hits", &all(&*index, &scope, 1).await?, &Vec::new())?;
    equal("count", &index.count(&scope, &ChunkFilter::default()).await?, &0)?;
    equal("deleted", &index.delete_source(&scope, SourceId::new()).await?, &0)?;
    index.upsert(&scope, Vec::new()).await?;
    equal("hits after an empty upsert", &all(&*index, &scope, 1).await?, &Vec::new())
}

/// T4: a query equal to another tenant's vector finds nothing; T28: nor does a delete reach it.
pub(super) async fn tenants_do_not_see_each_other(open: Open<'_>) -> Outcome {
    let (index, ours, theirs) = (open(space("a")).await?, tenant(), tenant());
    let (source, notebook) = (SourceId::new(), NotebookId::new());
    index.upsert(&theirs, vec![record(source, 0, notebook, 1)]).await?;
    equal("foreign hits", &all(&*index, &ours, 1).await?, &Vec::new())?;
    for filter in [ChunkFilter::notebook(notebook), of_sources([source])] {
        let hits = index.search(&ours, &vector(1), 10, &filter).await?;
        equal("foreign hits by filter", &hits, &Vec::new())?;
        equal("foreign count", &index.count(&ours, &filter).await?, &0)?;
    }
    equal("foreign rows deleted", &index.delete_source(&ours, source).await?, &0)?;

    // The same key in two tenants stays two rows.
    index.upsert(&ours, vec![record(source, 0, notebook, 2)]).await?;
    let found = all(&*index, &theirs, 1).await?;
    equal("their hits", &keys(&found), &vec![ChunkKey { source, ordinal: 0 }])?;
    equal("their vector", &found.first().map(|hit| hit.score > 0.99), &Some(true))?;
    equal("our rows deleted", &index.delete_source(&ours, source).await?, &1)?;
    equal("their count", &index.count(&theirs, &ChunkFilter::default()).await?, &1)
}

/// T5: one row among 20,000 of other tenants is found by every query, the first of all.
pub(super) async fn one_row_among_those_of_many_tenants_is_found(open: Open<'_>) -> Outcome {
    let (index, ours) = (open(space("a")).await?, tenant());
    let (source, notebook) = (SourceId::new(), NotebookId::new());
    index.upsert(&ours, vec![record(source, 0, notebook, 1)]).await?;
    for _ in 0..10 {
        let other = SourceId::new();
        let rows = (0..2_000).map(|i| record(other, i, notebook, u64::from(i % 97))).collect();
        index.upsert(&tenant(), rows).await?;
    }
    for seed in 0..50 {
        let hits = index.search(&ours, &vector(seed), 1, &ChunkFilter::default()).await?;
        equal("hits", &keys(&hits), &vec![ChunkKey { source, ordinal: 0 }])?;
    }
    Ok(())
}

/// T27: a tenant that was removed has nothing, the others have all of theirs, and it may begin anew.
pub(super) async fn a_removed_tenant_leaves_nothing(open: Open<'_>) -> Outcome {
    let (index, gone, kept) = (open(space("a")).await?, tenant(), tenant());
    index.remove_tenant(&gone).await?;
    let (source, notebook) = (SourceId::new(), NotebookId::new());
    for scope in [&gone, &kept] {
        index.upsert(scope, vec![record(source, 0, notebook, 1)]).await?;
    }
    index.remove_tenant(&gone).await?;
    index.remove_tenant(&gone).await?;
    equal("hits", &all(&*index, &gone, 1).await?, &Vec::new())?;
    equal("count", &index.count(&gone, &ChunkFilter::default()).await?, &0)?;
    equal("rows of the other", &index.count(&kept, &ChunkFilter::default()).await?, &1)?;
    index.upsert(&gone, vec![record(source, 7, notebook, 2)]).await?;
    let found = keys(&all(&*index, &gone, 2).await?);
    equal("new rows", &found, &vec![ChunkKey { source, ordinal: 7 }])
}

pub(super) async fn upsert_replaces(open: Open<'_>) -> Outcome {
    let (index, scope, source) = (open(space("a")).await?, tenant(), SourceId::new());
    let (old, new) = (NotebookId::new(), NotebookId::new());
    index.upsert(&scope, vec![record(source, 0, old, 1), record(source, 1, old, 2)]).await?;
    index.upsert(&scope, vec![record(source, 0, new, 3)]).await?;
    equal("count", &index.count(&scope, &ChunkFilter::default()).await?, &2)?;
    equal(
        "count of the old notebook",
        &index.count(&scope, &ChunkFilter::notebook(old)).await?,
        &1,
    )?;
    let hits = index.search(&scope, &vector(3), 1, &ChunkFilter::notebook(new)).await?;
    equal("new vector", &hits.first().map(|hit| hit.score > 0.99), &Some(true))?;
    let stale = index.search(&scope, &vector(1), 2, &ChunkFilter::default()).await?;
    equal("old vector is gone", &stale.iter().any(|hit| hit.score > 0.99), &false)
}

pub(super) async fn the_later_of_two_records_counts(open: Open<'_>) -> Outcome {
    let (index, scope, source) = (open(space("a")).await?, tenant(), SourceId::new());
    let notebook = NotebookId::new();
    let twice = vec![record(source, 0, notebook, 1), record(source, 0, notebook, 2)];
    index.upsert(&scope, twice).await?;
    let hits = all(&*index, &scope, 2).await?;
    equal("rows", &hits.len(), &1)?;
    equal("the later vector", &hits.first().map(|hit| hit.score > 0.99), &Some(true))
}

pub(super) async fn one_call_is_all_or_nothing(open: Open<'_>) -> Outcome {
    let (index, scope, source) = (open(space("a")).await?, tenant(), SourceId::new());
    let mut batch: Vec<_> = (0..5).map(|i| record(source, i, NotebookId::new(), 1)).collect();
    if let Some(last) = batch.last_mut() {
        last.vector.pop();
    }
    refused("a short vector", index.upsert(&scope, batch).await, ErrorKind::InvalidInput)?;
    equal("count", &index.count(&scope, &ChunkFilter::default()).await?, &0)
}

/// T25: the search that follows a delete finds nothing of it.
pub(super) async fn delete_is_visible_at_once(open: Open<'_>) -> Outcome {
    let (index, scope, notebook) = (open(space("a")).await?, tenant(), NotebookId::new());
    let (gone, kept) = (SourceId::new(), SourceId::new());
    for source in [gone, kept] {
        let batch = (0..50).map(|i| record(source, i, notebook, u64::from(i))).collect();
        index.upsert(&scope, batch).await?;
    }
    equal("deleted", &index.delete_source(&scope, gone).await?, &50)?;
    equal("deleted again", &index.delete_source(&scope, gone).await?, &0)?;
    let hits = all(&*index, &scope, 1).await?;
    equal("kept", &hits.len(), &50)?;
    equal("hits of the deleted", &hits.iter().any(|hit| hit.key.source == gone), &false)?;
    equal("count of the deleted", &index.count(&scope, &of_sources([gone])).await?, &0)?;
    index.upsert(&scope, vec![record(gone, 7, notebook, 9)]).await?;
    equal("stored again", &index.count(&scope, &of_sources([gone])).await?, &1)
}

/// T6: filters are ids in a typed tree; there is no text to inject into.
pub(super) async fn filters(open: Open<'_>) -> Outcome {
    let (index, scope) = (open(space("a")).await?, tenant());
    let notebooks = [NotebookId::new(), NotebookId::new()];
    let sources: Vec<_> = (0..4).map(|_| SourceId::new()).collect();
    let mut batch = Vec::new();
    for (s, &source) in sources.iter().enumerate() {
        for (n, &notebook) in notebooks.iter().enumerate() {
            for i in 0..5 {
                let ordinal = (n * 5 + i) as u32;
                batch.push(record(
                    source,
                    ordinal,
                    notebook,
                    (s * 100) as u64 + u64::from(ordinal),
                ));
            }
        }
    }
    index.upsert(&scope, batch.clone()).await?;
    let some = || sources.iter().copied().step_by(2);
    let cases = [
        ("none", ChunkFilter::default()),
        ("notebook", ChunkFilter::notebook(notebooks[0])),
        ("foreign notebook", ChunkFilter::notebook(NotebookId::new())),
        ("sources", of_sources(some())),
        ("unknown source", of_sources([SourceId::new()])),
        ("empty set", of_sources([])),
        ("both", ChunkFilter { notebook: Some(notebooks[1]), ..of_sources(some()) }),
        ("both, empty", ChunkFilter { notebook: Some(notebooks[1]), ..of_sources([]) }),
    ];
    for (name, filter) in cases {
        let passing = batch.iter().filter(|r| filter.matches(r.notebook, r.key.source));
        let wanted: BTreeSet<_> = passing.map(|r| r.key).collect();
        let found = index.search(&scope, &vector(1), MAX_LIMIT, &filter).await?;
        equal(name, &keys(&found).into_iter().collect(), &wanted)?;
        equal(name, &index.count(&scope, &filter).await?, &(wanted.len() as u64))?;
    }
    Ok(())
}

pub(super) async fn hits_are_ordered_by_score_then_key(open: Open<'_>) -> Outcome {
    let (index, scope, notebook) = (open(space("a")).await?, tenant(), NotebookId::new());
    let (first, second) = (SourceId::new(), SourceId::new());
    // Stored against the order of keys, in several calls; forty equal vectors among others.
    for source in [second, first] {
        let equal_ones = (0..20).rev().map(|i| record(source, i, notebook, 1));
        let others = (20..40).map(|i| record(source, i, notebook, u64::from(i)));
        index.upsert(&scope, equal_ones.chain(others).collect()).await?;
    }
    let hits = all(&*index, &scope, 1).await?;
    equal("hits", &hits.len(), &80)?;
    let sorted = hits.is_sorted_by(|a, b| a.score > b.score || a.score == b.score && a.key < b.key);
    equal("order", &sorted, &true)?;
    let top = index.search(&scope, &vector(1), 25, &ChunkFilter::default()).await?;
    let wanted = (0..20).map(|ordinal| ChunkKey { source: first, ordinal });
    let wanted = wanted.chain((0..5).map(|ordinal| ChunkKey { source: second, ordinal }));
    equal("ties by key", &keys(&top), &wanted.collect())
}

pub(super) async fn limits(open: Open<'_>) -> Outcome {
    let (index, scope, source) = (open(space("a")).await?, tenant(), SourceId::new());
    let notebook = NotebookId::new();
    let batch = (0..1_100).map(|i| record(source, i, notebook, u64::from(i))).collect();
    index.upsert(&scope, batch).await?;
    for limit in [1, 10, 999, MAX_LIMIT] {
        let hits = index.search(&scope, &vector(5), limit, &ChunkFilter::default()).await?;
        equal("hits", &hits.len(), &limit)?;
    }
    for limit in [0, MAX_LIMIT + 1, usize::MAX] {
        let result = index.search(&scope, &vector(5), limit, &ChunkFilter::default()).await;
        let error = refused("limit", result, ErrorKind::InvalidInput)?;
        equal("field", &error.context("field"), &Some("limit"))?;
    }
    Ok(())
}

pub(super) async fn wrong_vectors_are_refused(open: Open<'_>) -> Outcome {
    let (index, scope, source) = (open(space("a")).await?, tenant(), SourceId::new());
    let good = record(source, 0, NotebookId::new(), 1);
    let with = |change: fn(&mut Vec<f32>)| {
        let mut record = good.clone();
        change(&mut record.vector);
        record
    };
    let not_numbers = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(|bad| {
        let mut record = good.clone();
        record.vector.fill(bad);
        record
    });
    let lengths = [with(|v| v.push(0.0)), with(|v| v.truncate(3)), with(Vec::clear)];
    let not_unit = [
        with(|v| v.iter_mut().for_each(|x| *x *= 1.01)),
        with(|v| v.fill(0.0)),
        with(|v| v.fill(f32::MAX)),
    ];
    for bad in lengths.iter().chain(&not_numbers).chain(&not_unit) {
        let result = index.upsert(&scope, vec![bad.clone()]).await;
        let error = refused("upsert", result, ErrorKind::InvalidInput)?;
        equal("field", &error.context("field"), &Some("vector"))?;
    }
    // A question need not be of unit length, but must be a vector of this space.
    index.upsert(&scope, vec![good.clone()]).await?;
    for bad in lengths.iter().chain(&not_numbers) {
        let result = index.search(&scope, &bad.vector, 10, &ChunkFilter::default()).await;
        refused("search", result, ErrorKind::InvalidInput)?;
    }
    for odd in [vec![0.0; DIMENSIONS], vec![f32::MIN_POSITIVE; DIMENSIONS], vec![3.0; DIMENSIONS]] {
        let hits = index.search(&scope, &odd, 10, &ChunkFilter::default()).await?;
        equal("hits", &keys(&hits), &vec![good.key])?;
    }
    Ok(())
}

pub(super) async fn another_space_is_refused(open: Open<'_>) -> Outcome {
    let (scope, source) = (tenant(), SourceId::new());
    let index = open(space("old-model")).await?;
    equal("space", index.space(), &space("old-model"))?;
    index.upsert(&scope, vec![record(source, 0, NotebookId::new(), 1)]).await?;
    drop(index);

    let index = open(space("new-model")).await?;
    let again = vec![record(source, 1, NotebookId::new(), 1)];
    let any = ChunkFilter::default();
    let errors = [
        refused("upsert", index.upsert(&scope, again).await, ErrorKind::Conflict)?,
        refused("search", index.search(&scope, &vector(1), 1, &any).await, ErrorKind::Conflict)?,
        refused("count", index.count(&scope, &any).await, ErrorKind::Conflict)?,
    ];
    for error in errors {
        let text = error.to_string();
        let both = text.contains("old-model") && text.contains("new-model");
        equal("both models are named", &both, &true)?;
    }
    drop(index);
    let index = open(space("old-model")).await?;
    equal("count", &index.count(&scope, &any).await?, &1)
}

pub(super) async fn an_emptied_tenant_takes_a_new_space(open: Open<'_>) -> Outcome {
    let (scope, source) = (tenant(), SourceId::new());
    let index = open(VectorSpace { model: "wide".into(), dimensions: 3 }).await?;
    let key = ChunkKey { source, ordinal: 0 };
    let wide = VectorRecord { key, notebook: NotebookId::new(), vector: vec![0.0, 0.6, 0.8] };
    index.upsert(&scope, vec![wide]).await?;
    drop(index);
    let index = open(space("new")).await?;
    equal("deleted", &index.delete_source(&scope, source).await?, &1)?;
    equal("hits", &all(&*index, &scope, 1).await?, &Vec::new())?;
    index.upsert(&scope, vec![record(source, 0, NotebookId::new(), 1)]).await?;
    equal("hits", &keys(&all(&*index, &scope, 1).await?), &vec![key])?;
    drop(index);
    let index = open(space("new")).await?;
    equal("hits after reopening", &keys(&all(&*index, &scope, 1).await?), &vec![key])
}

pub(super) async fn reopening_keeps_everything(open: Open<'_>) -> Outcome {
    let (scope, notebook) = (tenant(), NotebookId::new());
    let (kept, gone) = (SourceId::new(), SourceId::new());
    let index = open(space("a")).await?;
    for source in [kept, gone] {
        let batch = (0..30).map(|i| record(source, i, notebook, u64::from(i))).collect();
        index.upsert(&scope, batch).await?;
    }
    index.delete_source(&scope, gone).await?;
    index.upsert(&scope, vec![record(kept, 3, notebook, 99)]).await?;
    let before = all(&*index, &scope, 99).await?;
    drop(index);
    let index = open(space("a")).await?;
    equal("hits", &all(&*index, &scope, 99).await?, &before)
}

/// Exact up to 10,000 rows, whatever an adapter does to be fast.
pub(super) async fn many_rows_are_found_exactly(open: Open<'_>) -> Outcome {
    let (index, scope, notebook) = (open(space("a")).await?, tenant(), NotebookId::new());
    let mut rows = Vec::new();
    for part in 0..10_u64 {
        let source = SourceId::new();
        let batch: Vec<_> =
            (0..500).map(|i| record(source, i, notebook, part * 500 + u64::from(i))).collect();
        rows.extend(batch.iter().cloned());
        index.upsert(&scope, batch).await?;
    }
    for seed in 10_000..10_020 {
        let question = vector(seed);
        let score =
            |r: &VectorRecord| Hit { key: r.key, score: inner_product(&question, &r.vector) };
        let mut wanted: Vec<_> = rows.iter().map(score).collect();
        wanted.sort_by(|a, b| b.score.total_cmp(&a.score));
        wanted.truncate(10);
        let found = index.search(&scope, &question, 10, &ChunkFilter::default()).await?;
        equal("the nearest ten", &keys(&found), &keys(&wanted))?;
    }
    Ok(())
}
