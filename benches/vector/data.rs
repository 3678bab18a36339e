//! Vectors of real texts; or synthetic unit vectors that resemble embeddings: clusters within clusters, in a space of fewer degrees of
//! freedom than dimensions, with a common offset.

use std::{fs, path::Path};

use notebook_core::embed::{EmbedKind, Embedder as _};
use notebook_rag::{
    embed::{
        LocalOptions,
        candle::{CandleEmbedder, MODEL_FILES},
    },
    models::ModelPlaces,
};

use crate::{DIMENSIONS, Outcome};

const FREEDOM: usize = 96;

/// The vectors of one tenant, one after the other.
pub(crate) struct Tenant {
    pub(crate) rows: Vec<f32>,
}

/// What is searched, and by what.
pub(crate) struct Data {
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) questions: Vec<(usize, Vec<f32>)>,
}

impl Data {
    /// Takes questions and rows from vectors that are there, each at most once.
    pub(crate) fn of(
        vectors: &[f32],
        tenants: usize,
        rows: usize,
        questions: usize,
    ) -> Outcome<Self> {
        let count = vectors.len() / DIMENSIONS;
        if count < tenants * rows + questions {
            return Err(format!("{count} vectors are too few").into());
        }
        // A step that is prime to the count mixes lines of one text among the tenants.
        let step =
            (0..count).rev().skip(count / 3).find(|step| prime_to(*step, count)).unwrap_or(1);
        let mut drawn = (0..count).map(|i| {
            let start = i * step % count * DIMENSIONS;
            &vectors[start..start + DIMENSIONS]
        });
        let questions = drawn
            .by_ref()
            .take(questions)
            .enumerate()
            .map(|(i, v)| (i % tenants, v.to_vec()))
            .collect();
        let tenants = (0..tenants)
            .map(|_| Tenant { rows: drawn.by_ref().take(rows).flatten().copied().collect() })
            .collect();
        Ok(Self { tenants, questions })
    }

    pub(crate) fn new(tenants: usize, rows: usize, questions: usize) -> Self {
        let mut source = Source::new(rows.div_ceil(50));
        let tenant =
            |source: &mut Source| Tenant { rows: (0..rows).flat_map(|_| source.draw()).collect() };
        let all = (0..tenants).map(|_| tenant(&mut source)).collect();
        let questions = (0..questions).map(|i| (i % tenants, source.draw())).collect();
        Self { tenants: all, questions }
    }
}

/// The vectors of the lines of a text, by all-MiniLM-L6-v2; kept beside it in `FILE.vectors`.
pub(crate) fn real(texts: &Path) -> Outcome<Vec<f32>> {
    let kept = texts.with_added_extension("vectors");
    if !kept.exists() {
        let name = "sentence-transformers/all-MiniLM-L6-v2";
        let folder = ModelPlaces::from_env().folder(name, None, &MODEL_FILES)?;
        let options = LocalOptions { max_tokens: Some(64), ..LocalOptions::default() };
        let model = CandleEmbedder::load(name, &folder, &options)?;
        let lines: Vec<String> = fs::read_to_string(texts)?.lines().map(String::from).collect();
        println!("embedding {} lines; it takes minutes", lines.len());
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let vectors = runtime.block_on(model.embed(EmbedKind::Passage, &lines))?;
        let bytes: Vec<u8> = vectors.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
        fs::write(&kept, bytes)?;
    }
    let bytes = fs::read(&kept)?;
    Ok(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

fn prime_to(a: usize, b: usize) -> bool {
    if b == 0 { a == 1 } else { prime_to(b, a % b) }
}

struct Source {
    state: u64,
    axes: Vec<f32>,
    offset: Vec<f32>,
    clusters: Vec<Vec<f32>>,
}

impl Source {
    fn new(clusters: usize) -> Self {
        let mut source =
            Self { state: 0x5eed, axes: Vec::new(), offset: Vec::new(), clusters: Vec::new() };
        source.axes = source.normals(FREEDOM * DIMENSIONS);
        source.offset = source.normals(DIMENSIONS).iter().map(|x| x * 5.0).collect();
        let themes: Vec<_> = (0..clusters.div_ceil(20)).map(|_| source.normals(FREEDOM)).collect();
        for cluster in 0..clusters {
            let own = source.normals(FREEDOM);
            let theme = &themes[cluster % themes.len()];
            source.clusters.push(theme.iter().zip(own).map(|(a, b)| a + 0.8 * b).collect());
        }
        source
    }

    fn draw(&mut self) -> Vec<f32> {
        let cluster = (self.next() >> 33) as usize % self.clusters.len();
        let own = self.normals(FREEDOM);
        let mut vector = self.offset.clone();
        for (noise, x) in self.normals(DIMENSIONS).into_iter().zip(&mut vector) {
            *x += noise;
        }
        for (axis, (centre, own)) in
            self.axes.chunks(DIMENSIONS).zip(self.clusters[cluster].iter().zip(own))
        {
            let weight = centre + 0.7 * own;
            for (x, direction) in vector.iter_mut().zip(axis) {
                *x += weight * direction;
            }
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|x| *x /= length);
        vector
    }

    fn normals(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.normal()).collect()
    }

    /// About normal, as the sum of four uniform numbers.
    fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: u64 = (0..4).map(|i| bits >> (16 * i) & 0xffff).sum();
        (sum as f32 / 65_536.0 - 2.0) * 1.732
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.state;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}
