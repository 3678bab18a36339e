//! Retrieval through the real indexes, measured on public collections.
#![cfg(feature = "keyword")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use notebook_core::{
    ErrorKind, Result,
    embed::{EmbedKind, Embedder},
    model::RetrievalMode,
    rerank::Reranker,
    vector::VectorSpace,
};
use notebook_rag::{
    eval::{EvalConfig, EvalProgress, run},
    retrieve::Reranking,
};

/// The folder of the shared collections.
fn shared() -> PathBuf {
    std::env::var_os("NOTEBOOK_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from)
}

/// B7: keyword search is at least as good as the reference: BM25 with the same constants.
#[tokio::test]
async fn keyword_search_reaches_the_reference() {
    for (name, ndcg, recall) in [("cranfield", 0.464, 0.713), ("squad2-dev", 0.851, 0.990)] {
        let folder = shared().join("data").join(name);
        assert!(folder.exists(), "{} is missing: set NOTEBOOK_SHARED", folder.display());
        let report = run(&folder, None, None, EvalConfig::default(), &|_| ()).await.unwrap();
        let [keyword] = report.rows.as_slice() else { panic!("{report}") };
        assert!(keyword.ndcg_10 >= ndcg && keyword.recall_100 >= recall, "{report}");
        let refused = report.abstention[0].answerable_refused as f64;
        assert!(refused <= 0.03 * report.queries as f64, "{report}");
    }
}

/// Gives each of a few words a direction of its own.
struct Directions(VectorSpace);

#[async_trait]
impl Embedder for Directions {
    fn space(&self) -> &VectorSpace {
        &self.0
    }
    fn max_tokens(&self) -> usize {
        256
    }
    async fn embed(&self, _: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let direction = |text: &String| {
            let place = ["insect", "fish", "bird"].iter().position(|word| text.contains(word));
            let mut vector = vec![0.0; 4];
            vector[place.unwrap_or(3)] = 1.0;
            vector
        };
        Ok(texts.iter().map(direction).collect())
    }
    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

/// Likes fish.
struct Fisher;

#[async_trait]
impl Reranker for Fisher {
    fn model(&self) -> &str {
        "fisher"
    }
    async fn scores(&self, _: &str, passages: &[String]) -> Result<Vec<f32>> {
        Ok(passages.iter().map(|text| f32::from(u8::from(text.contains("fish")))).collect())
    }
}

/// Three documents of one line each, and two questions.
fn collection() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("qrels")).unwrap();
    let corpus = [("a", "a bee is an insect"), ("b", "a cod is a fish"), ("c", "a wren is a bird")];
    let lines = corpus.map(|(id, text)| format!(r#"{{"_id":"{id}","title":"","text":"{text}"}}"#));
    fs::write(folder.path().join("corpus.jsonl"), lines.join("\n")).unwrap();
    let queries = "{\"_id\":\"1\",\"text\":\"which insect\"}\n{\"_id\":\"2\",\"text\":\"cod\"}";
    fs::write(folder.path().join("queries.jsonl"), queries).unwrap();
    fs::write(folder.path().join("qrels/test.tsv"), "h\n1\ta\t1\n2\tb\t1\n").unwrap();
    folder
}

/// Says these numbers, whatever was asked.
struct Liar(&'static [f32]);

#[async_trait]
impl Reranker for Liar {
    fn model(&self) -> &str {
        "liar"
    }
    async fn scores(&self, _: &str, _: &[String]) -> Result<Vec<f32>> {
        Ok(self.0.to_vec())
    }
}

/// B3: what is no number for each passage is refused in a measurement as it is in an answer, and measures nothing.
#[tokio::test]
async fn b3_a_reranker_that_breaks_its_promise_is_not_measured() {
    let folder = collection();
    for numbers in [&[][..], &[1.0, 2.0, 3.0], &[f32::NAN], &[f32::INFINITY]] {
        let reranking = Reranking { model: Arc::new(Liar(numbers)), candidates: 1 };
        let config = EvalConfig::default();
        let measured = run(folder.path(), None, Some(reranking), config, &|_| ()).await;
        assert_eq!(measured.unwrap_err().kind(), ErrorKind::Protocol, "{numbers:?}");
    }
}

#[tokio::test]
async fn b3_all_ways_are_measured_and_progress_is_told() {
    let folder = collection();
    let space = VectorSpace { model: "directions".to_owned(), dimensions: 4 };
    let told = Mutex::new(Vec::new());
    let progress = |step: EvalProgress| told.lock().unwrap().push(step);
    let embedder: Arc<dyn Embedder> = Arc::new(Directions(space));
    let reranking = Reranking { model: Arc::new(Fisher), candidates: 2 };
    let config = EvalConfig::default();
    let report =
        run(folder.path(), Some(embedder), Some(reranking), config, &progress).await.unwrap();

    let rows: Vec<_> = report.rows.iter().map(|row| (row.mode, row.ndcg_10)).collect();
    let [keyword, vector, fused, reranked] = rows.as_slice() else { panic!("{report}") };
    assert_eq!(*keyword, (RetrievalMode::Keyword, 1.0));
    // The vectors know nothing of cods: all documents are equally far, and the first wins.
    assert!(vector.0 == RetrievalMode::Vector && vector.1 < 1.0, "{report}");
    assert!(fused.0 == RetrievalMode::Hybrid && fused.1 > vector.1, "{report}");
    // Two are judged, and that with a fish comes first, whatever was asked.
    assert!(reranked.0 == RetrievalMode::Hybrid && reranked.1 < fused.1, "{report}");
    assert_eq!(report.rows.iter().map(|row| row.reranked).filter(|is| *is).count(), 1);
    assert_eq!(report.reranker.as_deref(), Some("fisher"));
    assert!(report.rows.iter().all(|row| row.recall_100 == 1.0), "{report}");
    assert_eq!((report.documents, report.chunks, report.queries), (3, 3, 2));
    let told = told.into_inner().unwrap();
    assert!(told.iter().any(|step| step.stage == "embed chunks" && step.done == 3));
    assert!(told.iter().all(|step| step.done <= step.total));
}
