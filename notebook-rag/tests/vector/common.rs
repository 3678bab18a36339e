use std::{path::Path, time::Duration};

use notebook_core::{
    NotebookId, SourceId, TenantId, TenantScope,
    model::ChunkKey,
    vector::{ChunkFilter, Hit, VectorIndex, VectorRecord, conformance},
};
use notebook_rag::index::{EmbeddedIndex, EmbeddedIndexConfig};

/// Bounds so small that logs are sealed, parts joined and tenants closed all the time.
pub(crate) fn small(usual: EmbeddedIndexConfig) -> EmbeddedIndexConfig {
    EmbeddedIndexConfig {
        open_tenants: 2,
        heap_bytes: 20_000,
        log_rows: 8,
        segment_rows: 300,
        purge_after: Duration::ZERO,
        ..usual
    }
}

pub(crate) fn open_small(folder: &Path) -> EmbeddedIndex {
    let usual = EmbeddedIndexConfig::new(folder, conformance::space("a"));
    EmbeddedIndex::open(small(usual)).unwrap()
}

pub(crate) fn scope(tenant: u128) -> TenantScope {
    TenantScope::authenticated(TenantId::from_u128(tenant))
}

pub(crate) fn record(source: u128, ordinal: u32, seed: u64) -> VectorRecord {
    let source = SourceId::from_u128(source);
    let notebook = NotebookId::from_u128(u128::from(seed % 3));
    let key = ChunkKey { source, ordinal };
    VectorRecord { key, notebook, vector: conformance::vector(seed) }
}

/// Everything that a tenant holds, by a search that returns all of it.
pub(crate) async fn contents(
    index: &dyn VectorIndex,
    scope: &TenantScope,
) -> notebook_core::Result<Vec<Hit>> {
    index.search(scope, &conformance::vector(7), 1_000, &ChunkFilter::default()).await
}

/// Copies the folder of an index that is not open.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// A stream of pseudo-random numbers.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }

    /// About normally distributed, by the sum of four uniform numbers.
    pub(crate) fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: u64 = (0..4).map(|i| bits >> (16 * i) & 0xffff).sum();
        (sum as f32 / 65_536.0 - 2.0) * 1.732
    }
}
