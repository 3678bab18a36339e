use super::*;

pub(super) async fn an_unknown_tenant_is_empty(open: Open<'_>) -> Outcome {
    let (index, scope) = (open().await?, tenant());
    equal("hits", &find(&*index, &scope, "bee").await?, &vec![])?;
    equal("count", &index.count(&scope, &ChunkFilter::default()).await?, &0)?;
    index.delete_source(&scope, SourceId::new()).await?;
    index.commit(&scope).await?;
    index.add(&scope, NotebookId::new(), SourceId::new(), Vec::new()).await?;
    index.commit(&scope).await?;
    equal("hits after an empty add", &find(&*index, &scope, "bee").await?, &vec![])
}

pub(super) async fn adds_are_visible_after_commit(open: Open<'_>) -> Outcome {
    let (index, scope, source) = (open().await?, tenant(), SourceId::new());
    let notebook = NotebookId::new();
    index.add(&scope, notebook, source, records(&["one bee", "one ant"])).await?;
    equal("hits before", &find(&*index, &scope, "one").await?, &vec![])?;
    equal("count before", &index.count(&scope, &ChunkFilter::default()).await?, &0)?;
    index.commit(&scope).await?;
    let both = vec![key(source, 0), key(source, 1)];
    equal("hits after", &find(&*index, &scope, "one").await?, &both)?;
    equal("count after", &index.count(&scope, &ChunkFilter::default()).await?, &2)?;

    let more = vec![KeywordRecord { ordinal: 2, headings: String::new(), text: "bee".into() }];
    index.add(&scope, notebook, source, more).await?;
    equal("count with more added", &index.count(&scope, &ChunkFilter::default()).await?, &2)?;
    index.commit(&scope).await?;
    equal("count with more committed", &index.count(&scope, &ChunkFilter::default()).await?, &3)
}

/// What others have added and not committed stays invisible, and is not lost.
pub(super) async fn a_delete_is_visible_at_once(open: Open<'_>) -> Outcome {
    let (index, scope) = (open().await?, tenant());
    let (gone, kept, added) = (SourceId::new(), SourceId::new(), SourceId::new());
    store(&*index, &scope, gone, &["a bee"]).await?;
    store(&*index, &scope, kept, &["a bee"]).await?;
    index.add(&scope, NotebookId::new(), added, records(&["a bee"])).await?;
    index.delete_source(&scope, gone).await?;
    equal("hits", &find(&*index, &scope, "bee").await?, &vec![key(kept, 0)])?;
    equal("count", &index.count(&scope, &ChunkFilter::default()).await?, &1)?;
    index.add(&scope, NotebookId::new(), added, records(&["", "a bee"]).split_off(1)).await?;
    equal("hits", &find(&*index, &scope, "bee").await?, &vec![key(kept, 0)])?;
    index.delete_source(&scope, gone).await?;
    index.commit(&scope).await?;
    let all = vec![key(kept, 0), key(added, 0), key(added, 1)];
    equal("hits after commit", &find(&*index, &scope, "bee").await?, &all)
}

pub(super) async fn a_delete_reaches_what_is_not_committed(open: Open<'_>) -> Outcome {
    let (index, scope, source) = (open().await?, tenant(), SourceId::new());
    index.add(&scope, NotebookId::new(), source, records(&["a bee"])).await?;
    index.delete_source(&scope, source).await?;
    index.commit(&scope).await?;
    equal("hits", &find(&*index, &scope, "bee").await?, &vec![])
}

pub(super) async fn a_source_can_be_indexed_again(open: Open<'_>) -> Outcome {
    let (index, scope, source) = (open().await?, tenant(), SourceId::new());
    store(&*index, &scope, source, &["old bee", "old ant"]).await?;
    index.delete_source(&scope, source).await?;
    store(&*index, &scope, source, &["new bee"]).await?;
    equal("new", &find(&*index, &scope, "new").await?, &vec![key(source, 0)])?;
    equal("old", &find(&*index, &scope, "old").await?, &vec![])?;
    equal("count", &index.count(&scope, &ChunkFilter::default()).await?, &1)
}

/// T4: a query equal to another tenant's text finds nothing; nor does a delete reach it.
pub(super) async fn tenants_do_not_see_each_other(open: Open<'_>) -> Outcome {
    let (index, ours, theirs) = (open().await?, tenant(), tenant());
    let source = SourceId::new();
    let text = "their secret honey";
    let notebook = store(&*index, &theirs, source, &[text]).await?;
    equal("foreign hits", &find(&*index, &ours, text).await?, &vec![])?;
    for filter in [ChunkFilter::notebook(notebook), of_sources([source])] {
        let hits = index.search(&ours, text, 10, &filter).await?;
        equal("foreign hits by filter", &keys(&hits), &vec![])?;
        equal("foreign count", &index.count(&ours, &filter).await?, &0)?;
    }
    index.delete_source(&ours, source).await?;
    index.commit(&ours).await?;
    equal("their hits", &find(&*index, &theirs, text).await?, &vec![key(source, 0)])
}

/// T22: scores stay the same whatever other tenants add.
pub(super) async fn scores_are_of_one_tenant(open: Open<'_>) -> Outcome {
    let (index, ours, theirs) = (open().await?, tenant(), tenant());
    store(&*index, &ours, SourceId::new(), &["a bee and honey", "an ant", "the bee"]).await?;
    let before = index.search(&ours, "bee honey", 10, &ChunkFilter::default()).await?;
    for _ in 0..3 {
        store(&*index, &theirs, SourceId::new(), &["bee bee bee", "honey of the bee"]).await?;
    }
    let after = index.search(&ours, "bee honey", 10, &ChunkFilter::default()).await?;
    equal("hits", &after, &before)?;
    equal("number of hits", &before.len(), &2)
}

/// T5: how much others have changes nothing of what is found of one's own.
pub(super) async fn one_chunk_among_those_of_many_tenants_is_found(open: Open<'_>) -> Outcome {
    let (index, ours, source) = (open().await?, tenant(), SourceId::new());
    store(&*index, &ours, source, &["a bee and honey"]).await?;
    let texts: Vec<String> =
        (0..500).map(|number| format!("a bee and honey and {number}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for _ in 0..4 {
        store(&*index, &tenant(), SourceId::new(), &texts).await?;
    }
    for query in ["bee", "honey", "a bee and honey"] {
        let hits = index.search(&ours, query, 1, &ChunkFilter::default()).await?;
        equal(query, &keys(&hits), &vec![key(source, 0)])?;
    }
    Ok(())
}

/// T27: a tenant that was removed has nothing, the others have all of theirs, and it may begin anew.
pub(super) async fn a_removed_tenant_leaves_nothing(open: Open<'_>) -> Outcome {
    let (index, gone, kept) = (open().await?, tenant(), tenant());
    index.remove_tenant(&gone).await?;
    let source = SourceId::new();
    for scope in [&gone, &kept] {
        store(&*index, scope, source, &["a bee", "an ant"]).await?;
    }
    index.add(&gone, NotebookId::new(), SourceId::new(), records(&["a bee"])).await?;
    index.remove_tenant(&gone).await?;
    index.remove_tenant(&gone).await?;
    index.commit(&gone).await?;
    equal("hits", &find(&*index, &gone, "bee").await?, &vec![])?;
    equal("count", &index.count(&gone, &ChunkFilter::default()).await?, &0)?;
    equal("hits of the other", &find(&*index, &kept, "bee").await?, &vec![key(source, 0)])?;
    store(&*index, &gone, source, &["a wasp"]).await?;
    equal("new hits", &find(&*index, &gone, "wasp").await?, &vec![key(source, 0)])?;
    equal("old hits", &find(&*index, &gone, "bee").await?, &vec![])
}

pub(super) async fn filters(open: Open<'_>) -> Outcome {
    let (index, scope) = (open().await?, tenant());
    let (a, b, c) = (SourceId::new(), SourceId::new(), SourceId::new());
    let one = store(&*index, &scope, a, &["bee", "ant"]).await?;
    let other = store(&*index, &scope, b, &["bee"]).await?;
    index.add(&scope, one, c, records(&["bee"])).await?;
    index.commit(&scope).await?;
    let both = |notebook, sources: &[SourceId]| ChunkFilter {
        notebook: Some(notebook),
        ..of_sources(sources.iter().copied())
    };
    for (filter, hits, count) in [
        (ChunkFilter::default(), vec![a, b, c], 4),
        (ChunkFilter::notebook(one), vec![a, c], 3),
        (ChunkFilter::notebook(other), vec![b], 1),
        (ChunkFilter::notebook(NotebookId::new()), vec![], 0),
        (of_sources([a, b]), vec![a, b], 3),
        (of_sources([SourceId::new()]), vec![], 0),
        (of_sources([]), vec![], 0),
        (both(one, &[b, c]), vec![c], 1),
        (both(other, &[a]), vec![], 0),
    ] {
        let mut found = keys(&index.search(&scope, "bee", 10, &filter).await?);
        found.sort_unstable();
        let wanted: Vec<_> = hits.into_iter().map(|source| key(source, 0)).collect();
        equal(&format!("hits of {filter:?}"), &found, &wanted)?;
        equal(&format!("count of {filter:?}"), &index.count(&scope, &filter).await?, &count)?;
    }
    Ok(())
}

pub(super) async fn any_text_is_a_query(open: Open<'_>) -> Outcome {
    let (index, scope, source) = (open().await?, tenant(), SourceId::new());
    store(&*index, &scope, source, &["the bee", "an ant: not a bee"]).await?;
    for text in ["", " ", "?!", "\u{0}", "👍", "( [ { \" ' \\ / * ^ ~ : + - && || !", "\u{301}"] {
        equal(&format!("hits of {text:?}"), &find(&*index, &scope, text).await?, &vec![])?;
    }
    for text in ["-ant", "+ant", "text:ant", "ant*", "ant~2", "\"ant", "(ant", "NOT ant", "[ant TO"]
    {
        let hits = find(&*index, &scope, text).await?;
        equal(&format!("first hit of {text:?}"), &hits.first(), &Some(&key(source, 1)))?;
    }
    let long = format!("bee {}", "unknown words ".repeat(20_000));
    equal("hits of a long text", &find(&*index, &scope, &long).await?.len(), &2)
}

pub(super) async fn case_and_pairs(open: Open<'_>) -> Outcome {
    let (index, scope, source) = (open().await?, tenant(), SourceId::new());
    store(&*index, &scope, source, &["ÄRGER in Köln", "蜂蜜は甘いです。", "한국어를 배운다"])
        .await?;
    for (text, ordinal) in [("ärger", 0), ("KÖLN", 0), ("蜂蜜", 1), ("甘い", 1), ("한국어", 2)]
    {
        let hits = find(&*index, &scope, text).await?;
        equal(&format!("hits of {text}"), &hits, &vec![key(source, ordinal)])?;
    }
    equal("a pair that is not there", &find(&*index, &scope, "蜜蜂").await?, &vec![])
}

pub(super) async fn headings_are_searched(open: Open<'_>) -> Outcome {
    let (index, scope, source) = (open().await?, tenant(), SourceId::new());
    let record =
        KeywordRecord { ordinal: 7, headings: "Insects - Bees".into(), text: "They dance.".into() };
    index.add(&scope, NotebookId::new(), source, vec![record]).await?;
    index.commit(&scope).await?;
    for text in ["insects", "dance"] {
        equal(text, &find(&*index, &scope, text).await?, &vec![key(source, 7)])?;
    }
    Ok(())
}

/// Rare words count more than frequent ones, repeated ones more than single ones, and a word in
/// a short text more than in a long one.
pub(super) async fn better_matches_come_first(open: Open<'_>) -> Outcome {
    let (index, scope, source) = (open().await?, tenant(), SourceId::new());
    let long = format!("the wasp {}", "and much more about it ".repeat(20));
    let texts =
        ["the common bee", "the rare hornet", "the wasp here", &long, "the ant eats the ant"];
    store(&*index, &scope, source, &texts).await?;
    let first = |ordinal| Some(key(source, ordinal));
    let hits = find(&*index, &scope, "the hornet").await?;
    equal("rare word", &hits.first().copied(), &first(1))?;
    equal("hits of a word in all", &hits.len(), &5)?;
    equal(
        "short text",
        &find(&*index, &scope, "wasp").await?,
        &vec![key(source, 2), key(source, 3)],
    )?;
    equal("repeated word", &find(&*index, &scope, "the ant").await?.first().copied(), &first(4))?;
    let hits = index.search(&scope, "the wasp", 10, &ChunkFilter::default()).await?;
    let falling =
        hits.is_sorted_by(|a, b| a.score >= b.score) && hits.iter().all(|h| h.score > 0.0);
    equal("scores fall and are positive", &falling, &true)
}

pub(super) async fn equal_scores_are_ordered_by_key(open: Open<'_>) -> Outcome {
    let (index, scope) = (open().await?, tenant());
    let mut sources: Vec<_> = (0..6).map(|_| SourceId::new()).collect();
    sources.reverse();
    for source in &sources {
        store(&*index, &scope, *source, &["the bee", "the bee"]).await?;
    }
    sources.reverse();
    let wanted: Vec<_> = sources.iter().flat_map(|s| [key(*s, 0), key(*s, 1)]).collect();
    for limit in [1, 5, 12] {
        let hits = index.search(&scope, "bee", limit, &ChunkFilter::default()).await?;
        let best: Vec<_> = wanted.iter().take(limit).copied().collect();
        equal(&format!("the first {limit}"), &keys(&hits), &best)?;
    }
    Ok(())
}

/// Not on the number of commits, nor on chunks that were deleted.
pub(super) async fn scores_depend_on_the_chunks_only(open: Open<'_>) -> Outcome {
    let (index, once, often) = (open().await?, tenant(), tenant());
    let sources: Vec<_> = (0..5).map(|_| SourceId::new()).collect();
    let text = |i: usize| format!("bee {} {}", "honey ".repeat(i), "wax ".repeat(5 - i));
    let (notebook, extra) = (NotebookId::new(), SourceId::new());
    for (i, source) in sources.iter().enumerate() {
        index.add(&once, notebook, *source, records(&[&text(i)])).await?;
        index.add(&often, notebook, *source, records(&[&text(i)])).await?;
        index.add(&often, notebook, extra, records(&["bee honey bee honey"])).await?;
        index.commit(&often).await?;
        index.delete_source(&often, extra).await?;
    }
    index.commit(&once).await?;
    let filter = ChunkFilter::default();
    let one = index.search(&once, "bee honey wax", 10, &filter).await?;
    let other = index.search(&often, "bee honey wax", 10, &filter).await?;
    equal("hits", &other, &one)?;
    equal("number of hits", &one.len(), &5)
}

pub(super) async fn limits(open: Open<'_>) -> Outcome {
    let (index, scope, source) = (open().await?, tenant(), SourceId::new());
    store(&*index, &scope, source, &["bee", "bee bee", "bee bee bee"]).await?;
    let filter = ChunkFilter::default();
    for limit in [0, 1_001, usize::MAX] {
        let result = index.search(&scope, "bee", limit, &filter).await;
        refused(&format!("limit {limit}"), result, ErrorKind::InvalidInput)?;
    }
    equal("two of three", &index.search(&scope, "bee", 2, &filter).await?.len(), &2)?;
    equal("all", &index.search(&scope, "bee", 1_000, &filter).await?.len(), &3)
}

pub(super) async fn reopening_keeps_what_was_committed(open: Open<'_>) -> Outcome {
    let (scope, source, gone) = (tenant(), SourceId::new(), SourceId::new());
    let index = open().await?;
    store(&*index, &scope, source, &["a bee"]).await?;
    store(&*index, &scope, gone, &["a bee"]).await?;
    index.delete_source(&scope, gone).await?;
    let before = index.search(&scope, "bee", 10, &ChunkFilter::default()).await?;
    drop(index);
    let index = open().await?;
    let after = index.search(&scope, "bee", 10, &ChunkFilter::default()).await?;
    equal("hits", &after, &before)?;
    equal("keys", &keys(&after), &vec![key(source, 0)])
}

/// A filter may name hundreds of sources, and a search return hundreds of hits.
pub(super) async fn many_sources(open: Open<'_>) -> Outcome {
    let (index, scope, notebook) = (open().await?, tenant(), NotebookId::new());
    let sources: Vec<_> = (0..300).map(|_| SourceId::new()).collect();
    for source in &sources {
        index.add(&scope, notebook, *source, records(&["the bee", "the ant", "a bee"])).await?;
    }
    index.commit(&scope).await?;
    let half: Vec<_> = sources.iter().step_by(2).copied().collect();
    let filter = of_sources(half.iter().copied());
    let hits = index.search(&scope, "bee", 1_000, &filter).await?;
    equal("hits", &hits.len(), &300)?;
    let inside = hits.iter().all(|hit| half.contains(&hit.key.source));
    equal("hits are of the sources", &inside, &true)?;
    equal("count", &index.count(&scope, &filter).await?, &450)
}
