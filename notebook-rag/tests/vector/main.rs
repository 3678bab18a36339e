//! The embedded vector index, from outside: the conformance suite, random operations against the
//! exact index, crashes, damage, a full disk, and recall.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods, reason = "tests make scopes of their own")]

mod common;
mod crash;
mod damage;
mod disk;
mod random;
mod recall;
mod upkeep;

use std::sync::Arc;

use futures::FutureExt;
use notebook_core::{
    ErrorKind,
    vector::{VectorIndex, conformance},
};
use notebook_rag::index::{EmbeddedIndex, EmbeddedIndexConfig};

/// Under the usual bounds, and under bounds so small that everything happens all the time.
#[tokio::test(flavor = "multi_thread")]
async fn embedded_conforms() {
    for small in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let open = |space| {
            let usual = EmbeddedIndexConfig::new(folder.path(), space);
            let config = if small { common::small(usual) } else { usual };
            let index = EmbeddedIndex::open(config);
            async move { Ok(Arc::new(index?) as Arc<dyn VectorIndex>) }.boxed()
        };
        assert_eq!(conformance::run_all(&open).await, Vec::<String>::new(), "small: {small}");
    }
}

#[test]
fn a_folder_is_used_by_one_index_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let config = EmbeddedIndexConfig::new(folder.path(), conformance::space("a"));
    let first = EmbeddedIndex::open(config.clone()).unwrap();
    let error = EmbeddedIndex::open(config.clone()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.context("fix").unwrap().contains("other process"), "{error}");
    drop(first);
    EmbeddedIndex::open(config).unwrap();
}

#[test]
fn bounds_that_cannot_be_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let usual = EmbeddedIndexConfig::new(folder.path(), conformance::space("a"));
    let with = |change: fn(&mut EmbeddedIndexConfig)| {
        let mut config = usual.clone();
        change(&mut config);
        config
    };
    let cases = [
        (with(|c| c.space.dimensions = 0), "space.dimensions"),
        (with(|c| c.space.dimensions = 8_193), "space.dimensions"),
        (with(|c| c.open_tenants = 0), "open_tenants"),
        (with(|c| c.log_rows = 0), "log_rows"),
        (with(|c| c.segment_rows = 1), "log_rows"),
        (with(|c| c.segment_rows = usize::MAX), "segment_rows"),
    ];
    for (config, field) in cases {
        let error = EmbeddedIndex::open(config).err().unwrap();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)));
    }
}
