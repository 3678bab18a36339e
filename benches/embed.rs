//! Embedding with all-MiniLM-L6-v2 on all cores: candle against onnxruntime, in turn, the same texts.
//!
//! `cargo bench --bench embed`. Chunks of about 128 tokens (a passage's usual length), chunks of
//! mixed lengths, and single questions one after the other. Needs what
//! `scripts/fetch-models.py onnxruntime` fetches.

use std::time::Instant;

use notebook_core::embed::{EmbedKind, Embedder};
use notebook_rag::{
    embed::{
        LocalOptions,
        candle::{self, CandleEmbedder},
        ort::{OrtEmbedder, OrtOptions},
    },
    models::ModelPlaces,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const ROUNDS: usize = 9;

fn main() -> Outcome<()> {
    let name = "sentence-transformers/all-MiniLM-L6-v2";
    let folder = ModelPlaces::from_env().folder(name, None, &candle::MODEL_FILES)?;
    let candle = CandleEmbedder::load(name, &folder, &LocalOptions::default())?;
    let ort = OrtEmbedder::load(name, &folder, &OrtOptions::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let embed = |model: &dyn Embedder, kind, texts: &[String]| -> Outcome<(f64, Vec<Vec<f32>>)> {
        let started = Instant::now();
        let vectors = runtime.block_on(model.embed(kind, texts))?;
        Ok((started.elapsed().as_secs_f64(), vectors))
    };
    let even: Vec<String> = (0..96).map(|i| text(i, 127, &candle)).collect();
    let mixed: Vec<String> = (0..96).map(|i| text(i, 8 + i * 53 % 240, &candle)).collect();
    let questions: Vec<String> = (0..40).map(|i| text(i, 12, &candle)).collect();
    for (case, kind, texts, at_once) in [
        ("96 chunks of 129 tokens", EmbedKind::Passage, &even, 96),
        ("96 chunks of 10 to 249 tokens", EmbedKind::Passage, &mixed, 96),
        ("40 questions of 14 tokens, one by one", EmbedKind::Query, &questions, 1),
    ] {
        let models: [(&str, &dyn Embedder); 2] = [("onnxruntime", &ort), ("candle", &candle)];
        let mut times = [Vec::new(), Vec::new()];
        let mut vectors = [Vec::new(), Vec::new()];
        for round in 0..=ROUNDS {
            for (at, (_, model)) in models.iter().enumerate() {
                vectors[at].clear();
                let mut taken = 0.0;
                for texts in texts.chunks(at_once) {
                    let (seconds, found) = embed(*model, kind, texts)?;
                    taken += seconds;
                    vectors[at].extend(found);
                }
                // The first round warms up.
                if round > 0 {
                    times[at].push(taken);
                }
            }
        }
        let worst = vectors[0].iter().zip(&vectors[1]).map(|(a, b)| dot(a, b)).fold(1.0, f32::min);
        println!("{case} (least cosine between the two {worst:.5})");
        let rate = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            texts.len() as f64 / times[ROUNDS / 2]
        });
        for ((name, _), rate_of) in models.iter().zip(rate) {
            println!("  {name:<12} {rate_of:>8.1} texts/s  {:>5.2}x", rate_of / rate[0]);
        }
    }
    Ok(())
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A text of `tokens` tokens, without special ones.
fn text(number: usize, tokens: usize, model: &dyn Embedder) -> String {
    const WORDS: [&str; 16] = [
        "the", "river", "carries", "seven", "barges", "of", "grain", "past", "an", "old", "mill",
        "while", "its", "keeper", "counts", "them",
    ];
    let mut words: Vec<&str> =
        (0..tokens).map(|i| WORDS[(i * 7 + number * 5 + i / 16 * number) % WORDS.len()]).collect();
    while model.count_tokens(&words.join(" ")) > tokens {
        words.pop();
    }
    words.join(" ")
}
