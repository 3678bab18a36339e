//! What the embedded index is measured against.

use std::time::Instant;

use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

use crate::{DIMENSIONS, LIMIT, Outcome, data::Tenant};

const WORDS: usize = DIMENSIONS / 64;
/// How many of the graph's answers are scored again by their numbers.
const RESCORED: usize = 30;

/// The best rows so far, best first.
struct Best(Vec<(f32, u32)>);

impl Best {
    fn push(&mut self, score: f32, row: u32) {
        if self.0.len() == LIMIT && self.0.last().is_some_and(|last| score <= last.0) {
            return;
        }
        let at = self.0.partition_point(|(other, _)| *other >= score);
        self.0.insert(at, (score, row));
        self.0.truncate(LIMIT);
    }

    fn rows(self) -> Vec<u32> {
        self.0.into_iter().map(|(_, row)| row).collect()
    }
}

/// All rows by all their numbers.
pub(crate) fn exact(tenant: &Tenant, question: &[f32]) -> Vec<u32> {
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the feature was detected just above.
        return unsafe { exact_avx512(tenant, question) };
    }
    exact_portable(tenant, question)
}

#[target_feature(enable = "avx512f")]
fn exact_avx512(tenant: &Tenant, question: &[f32]) -> Vec<u32> {
    exact_portable(tenant, question)
}

#[inline(always)]
fn exact_portable(tenant: &Tenant, question: &[f32]) -> Vec<u32> {
    let mut best = Best(Vec::with_capacity(LIMIT + 1));
    for (row, vector) in (0_u32..).zip(tenant.rows.chunks_exact(DIMENSIONS)) {
        best.push(dot(vector, question), row);
    }
    best.rows()
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 64];
    for (a, b) in a.as_chunks::<64>().0.iter().zip(b.as_chunks::<64>().0) {
        for i in 0..64 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum()
}

/// One bit a number, taken from the mean.
pub(crate) struct Signs {
    centre: Vec<f32>,
    rows: Vec<[u64; WORDS]>,
}

impl Signs {
    pub(crate) fn new(tenant: &Tenant) -> Self {
        let vectors = || tenant.rows.chunks_exact(DIMENSIONS);
        let mut centre = vec![0.0; DIMENSIONS];
        vectors().for_each(|vector| centre.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x));
        let count = vectors().len() as f32;
        centre.iter_mut().for_each(|x| *x /= count);
        let rows = vectors().map(|vector| signs(vector, &centre)).collect();
        Self { centre, rows }
    }

    /// The rows with the fewest signs that differ.
    pub(crate) fn search(&self, question: &[f32]) -> Vec<u32> {
        let question = signs(question, &self.centre);
        if is_x86_feature_detected!("avx512vpopcntdq") && is_x86_feature_detected!("avx512vl") {
            // SAFETY: the features were detected just above.
            return unsafe { nearest_avx512(&self.rows, question) };
        }
        nearest(&self.rows, question)
    }
}

#[target_feature(enable = "avx512f,avx512vl,avx512vpopcntdq,popcnt")]
fn nearest_avx512(rows: &[[u64; WORDS]], question: [u64; WORDS]) -> Vec<u32> {
    nearest(rows, question)
}

#[inline(always)]
fn nearest(rows: &[[u64; WORDS]], question: [u64; WORDS]) -> Vec<u32> {
    let mut best = Best(Vec::with_capacity(LIMIT + 1));
    for (row, signs) in (0_u32..).zip(rows) {
        let differ: u32 = signs.iter().zip(question).map(|(a, b)| (a ^ b).count_ones()).sum();
        best.push(-(differ as f32), row);
    }
    best.rows()
}

fn signs(vector: &[f32], centre: &[f32]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (i, (x, middle)) in vector.iter().zip(centre).enumerate() {
        words[i / 64] |= u64::from(x > middle) << (i % 64);
    }
    words
}

/// A graph for each tenant.
pub(crate) fn graphs(tenants: &[Tenant]) -> Outcome<Vec<Index>> {
    let options = IndexOptions {
        dimensions: DIMENSIONS,
        metric: MetricKind::Cos,
        quantization: ScalarKind::I8,
        ..IndexOptions::default()
    };
    let started = Instant::now();
    let mut graphs = Vec::new();
    for tenant in tenants {
        let graph = Index::new(&options)?;
        graph.reserve(tenant.rows.len() / DIMENSIONS)?;
        for (key, vector) in (0_u64..).zip(tenant.rows.chunks_exact(DIMENSIONS)) {
            graph.add(key, vector)?;
        }
        graphs.push(graph);
    }
    let kernels = graphs.first().map(Index::hardware_acceleration).unwrap_or_default();
    println!("  usearch built in {:.1} s, kernels: {kernels}", started.elapsed().as_secs_f64());
    Ok(graphs)
}

/// The graph's answers, the best of them by all their numbers, from a list of `width` candidates.
pub(crate) fn graph(
    graph: &Index,
    tenant: &Tenant,
    question: &[f32],
    width: usize,
) -> Outcome<Vec<u32>> {
    graph.change_expansion_search(width);
    let mut best = Best(Vec::with_capacity(LIMIT + 1));
    for key in graph.search(question, RESCORED)?.keys {
        let start = key as usize * DIMENSIONS;
        best.push(dot(&tenant.rows[start..start + DIMENSIONS], question), key as u32);
    }
    Ok(best.rows())
}
