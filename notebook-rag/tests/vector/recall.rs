use notebook_core::{
    NotebookId, SourceId,
    model::ChunkKey,
    vector::{ChunkFilter, Hit, VectorIndex, VectorRecord, VectorSpace, inner_product},
};
use notebook_rag::index::{EmbeddedIndex, EmbeddedIndexConfig};

use super::common::{Random, scope};

const DIMENSIONS: usize = 384;

/// Clustered unit vectors that are not centred on zero, as those of embedding models are not.
struct Mixture {
    random: Random,
    centres: Vec<Vec<f32>>,
}

impl Mixture {
    fn new(clusters: usize, offset: f32) -> Self {
        let mut random = Random(0xfeed);
        let shared: Vec<f32> = (0..DIMENSIONS).map(|_| random.normal() * offset).collect();
        let centre = |random: &mut Random| shared.iter().map(|s| s + random.normal()).collect();
        let centres = (0..clusters).map(|_| centre(&mut random)).collect();
        Self { random, centres }
    }

    fn draw(&mut self) -> Vec<f32> {
        let at = self.random.below(self.centres.len() as u64) as usize;
        let spread = 0.6 + self.random.below(100) as f32 / 100.0;
        let mut vector: Vec<f32> =
            self.centres[at].iter().map(|x| x + self.random.normal() * spread).collect();
        let length = inner_product(&vector, &vector).sqrt();
        vector.iter_mut().for_each(|x| *x /= length);
        vector
    }
}

/// The share of the truly nearest 10 and of the nearest 100 that is found.
async fn recall(rows: usize, clusters: usize, offset: f32) -> [f64; 2] {
    let folder = tempfile::tempdir().unwrap();
    let space = VectorSpace { model: "mixture".into(), dimensions: DIMENSIONS };
    let index = EmbeddedIndex::open(EmbeddedIndexConfig::new(folder.path(), space)).unwrap();
    let mut mixture = Mixture::new(clusters, offset);
    let mut all = Vec::with_capacity(rows);
    for source in 0..rows.div_ceil(1_000) {
        let key = |ordinal| ChunkKey { source: SourceId::from_u128(source as u128), ordinal };
        let records: Vec<_> = (0..1_000.min(rows - source * 1_000) as u32)
            .map(|i| VectorRecord {
                key: key(i),
                notebook: NotebookId::from_u128(1),
                vector: mixture.draw(),
            })
            .collect();
        all.extend(records.iter().map(|record| (record.key, record.vector.clone())));
        index.upsert(&scope(1), records).await.unwrap();
    }
    let (questions, limits) = (20, [10, 100]);
    let mut right = [0; 2];
    for _ in 0..questions {
        let question = mixture.draw();
        let mut wanted: Vec<_> =
            all.iter().map(|(key, vector)| (inner_product(&question, vector), *key)).collect();
        wanted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (right, limit) in right.iter_mut().zip(limits) {
            let any = ChunkFilter::default();
            let found = index.search(&scope(1), &question, limit, &any).await.unwrap();
            let is_wanted = |hit: &&Hit| wanted[..limit].iter().any(|(_, key)| *key == hit.key);
            *right += found.iter().filter(is_wanted).count();
        }
    }
    std::array::from_fn(|i| right[i] as f64 / (questions * limits[i]) as f64)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_the_nearest_are_found_up_to_ten_thousand() {
    for (rows, clusters, offset) in [(3_000, 30, 1.0), (10_000, 100, 0.0), (10_000, 50, 1.5)] {
        let recall = recall(rows, clusters, offset).await;
        assert_eq!(recall, [1.0, 1.0], "{rows} rows, offset {offset}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nearly_all_of_the_nearest_are_found_beyond() {
    let recall = recall(30_000, 200, 1.0).await;
    assert!(recall.iter().all(|recall| *recall >= 0.997), "{recall:?}");
}
