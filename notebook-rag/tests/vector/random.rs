use std::collections::BTreeSet;

use notebook_core::{
    NotebookId, SourceId,
    vector::{ChunkFilter, MemoryVectorIndex, VectorIndex, conformance},
};
use proptest::prelude::*;

use super::common::{contents, open_small, record, scope};

#[derive(Debug, Clone)]
enum Step {
    Upsert {
        tenant: u128,
        source: u128,
        first: u32,
        count: u32,
        seed: u64,
    },
    Delete {
        tenant: u128,
        source: u128,
    },
    Search {
        tenant: u128,
        seed: u64,
        limit: usize,
        notebook: Option<u128>,
        sources: Option<BTreeSet<u128>>,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let (tenant, source) = (0_u128..4, 0_u128..6);
    let upsert = (tenant.clone(), source.clone(), 0_u32..30, 1_u32..20, any::<u64>());
    let sources = prop::option::of(prop::collection::btree_set(0_u128..7, 0..4));
    let search = (tenant.clone(), any::<u64>(), 1_usize..40, prop::option::of(0_u128..4), sources);
    prop_oneof![
        6 => upsert.prop_map(|(tenant, source, first, count, seed)| Step::Upsert {
            tenant, source, first, count, seed: seed % 1_000,
        }),
        2 => (tenant, source).prop_map(|(tenant, source)| Step::Delete { tenant, source }),
        4 => search.prop_map(|(tenant, seed, limit, notebook, sources)| Step::Search {
            tenant, seed: seed % 1_000, limit, notebook, sources,
        }),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// T3: several tenants, random operations, the exact index as the model; scores and order are
    /// the same to the bit, and no tenant sees another's rows.
    #[test]
    fn does_what_the_exact_index_does(steps in prop::collection::vec(step(), 1..50)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let model = MemoryVectorIndex::new(conformance::space("a"));
            let mut index = open_small(folder.path());
            for step in steps {
                match step {
                    Step::Upsert { tenant, source, first, count, seed } => {
                        let row = |i| record(source, first + i, seed + u64::from(i % 7));
                        let records: Vec<_> = (0..count).map(row).collect();
                        model.upsert(&scope(tenant), records.clone()).await.unwrap();
                        index.upsert(&scope(tenant), records).await.unwrap();
                    }
                    Step::Delete { tenant, source } => {
                        let source = SourceId::from_u128(source);
                        let wanted = model.delete_source(&scope(tenant), source).await.unwrap();
                        let found = index.delete_source(&scope(tenant), source).await.unwrap();
                        prop_assert_eq!(found, wanted);
                    }
                    Step::Search { tenant, seed, limit, notebook, sources } => {
                        let filter = ChunkFilter {
                            notebook: notebook.map(NotebookId::from_u128),
                            sources: sources.map(|s| s.into_iter().map(SourceId::from_u128).collect()),
                        };
                        let (scope, question) = (scope(tenant), conformance::vector(seed));
                        let wanted = model.search(&scope, &question, limit, &filter).await.unwrap();
                        let found = index.search(&scope, &question, limit, &filter).await.unwrap();
                        prop_assert_eq!(found, wanted);
                        let wanted = model.count(&scope, &filter).await.unwrap();
                        prop_assert_eq!(index.count(&scope, &filter).await.unwrap(), wanted);
                    }
                    Step::Reopen => {
                        drop(index);
                        index = open_small(folder.path());
                    }
                }
            }
            drop(index);
            let index = open_small(folder.path());
            for tenant in 0..4 {
                let wanted = contents(&model, &scope(tenant)).await.unwrap();
                prop_assert_eq!(contents(&index, &scope(tenant)).await.unwrap(), wanted);
            }
            Ok(())
        })?;
    }
}
