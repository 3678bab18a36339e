//! B3: the last stage, a model that judges passages.

use std::sync::Mutex;

use notebook_core::rerank::Reranker;

use super::*;
use crate::retrieve::{LastAsked, Reranking, Retrieved};

/// What a reranker of a test says.
#[derive(Clone, Copy)]
enum Says {
    /// The passages with this word are better; all others are alike.
    Likes(&'static str),
    /// Zeros of both signs in turn: all are alike.
    Zeros,
    /// These, whatever was asked.
    Numbers(&'static [f32]),
}

/// A question with the passages that were judged for it.
type Given = (String, Vec<String>);

struct Judge {
    mood: Mood,
    says: Says,
    given: Arc<Mutex<Vec<Given>>>,
}

#[async_trait]
impl Reranker for Judge {
    fn model(&self) -> &str {
        "judge"
    }
    async fn scores(&self, question: &str, passages: &[String]) -> Result<Vec<f32>> {
        self.given.lock().unwrap().push((question.to_owned(), passages.to_vec()));
        self.mood.meet().await?;
        Ok(match self.says {
            Says::Likes(word) => {
                passages.iter().map(|text| f32::from(u8::from(text.contains(word)))).collect()
            }
            Says::Zeros => [0.0, -0.0].into_iter().cycle().take(passages.len()).collect(),
            Says::Numbers(numbers) => numbers.to_vec(),
        })
    }
}

const QUESTION: &str = "Where do bees dance?";

struct Asked {
    found: Retrieved,
    last: LastAsked,
    given: Vec<Given>,
}

impl Asked {
    fn texts(&self) -> Vec<&str> {
        self.found.passages.iter().map(|passage| passage.chunk.text.as_str()).collect()
    }

    fn last_stage(&self) -> (&str, bool) {
        let last = self.found.timings.last().unwrap();
        (last.stage.as_str(), last.finished)
    }
}

async fn asked(mood: Mood, says: Says, candidates: usize, request: RetrieveRequest) -> Asked {
    let house = house(Mood::Well, Some(Mood::Well)).await;
    let given = Arc::default();
    let model = Arc::new(Judge { mood, says, given: Arc::clone(&given) });
    let retriever = house.retriever.reranking(Reranking { model, candidates }).unwrap();
    assert_eq!(retriever.reranker(), LastAsked::Never);
    let found = retriever.retrieve(&scope(), &request).await.unwrap();
    let given = given.lock().unwrap().clone();
    Asked { found, last: retriever.clone().reranker(), given }
}

fn two() -> RetrieveRequest {
    RetrieveRequest { limit: 2, ..request(QUESTION) }
}

/// The order without a reranker.
async fn fused(limit: usize) -> Vec<String> {
    let request = RetrieveRequest { limit, ..request(QUESTION) };
    let house = house(Mood::Well, Some(Mood::Well)).await;
    let found = house.retriever.retrieve(&scope(), &request).await.unwrap();
    found.passages.into_iter().map(|passage| passage.chunk.text).collect()
}

/// What the model likes best comes first, though the searches had it last; the rest stays in fused order.
#[tokio::test]
async fn b3_a_reranker_has_the_last_word() {
    let fused = fused(4).await;
    let last = fused.last().unwrap();
    assert_eq!(last, TEXTS[2].1, "the best by the model is outside of what is asked for");
    let asked = asked(Mood::Well, Says::Likes("Ants"), 4, two()).await;
    assert_eq!(asked.texts(), [last, &fused[0]]);
    assert_eq!(asked.found.passages[0].rerank_score, Some(1.0));
    assert_eq!(asked.found.passages[1].rerank_score, Some(0.0));
    assert!(!asked.found.partial && asked.found.warnings.is_empty());
    assert_eq!(asked.last, LastAsked::Well);
    assert_eq!(asked.last_stage(), ("rerank", true));
    assert_eq!(asked.given, [(QUESTION.to_owned(), fused)]);
}

/// It is given the first only; those behind stay behind.
#[tokio::test]
async fn b3_passages_behind_the_candidates_stay_behind() {
    let fused = fused(4).await;
    let all = RetrieveRequest { limit: 4, ..request(QUESTION) };
    let asked = asked(Mood::Well, Says::Numbers(&[1.0, 2.0]), 2, all).await;
    assert_eq!(asked.texts(), [&fused[1], &fused[0], &fused[2], &fused[3]]);
    let scores: Vec<_> = asked.found.passages.iter().map(|one| one.rerank_score).collect();
    assert_eq!(scores, [Some(2.0), Some(1.0), None, None]);
    assert_eq!(asked.given[0].1, fused[..2]);
}

#[tokio::test]
async fn b3_what_is_judged_alike_stays_in_fused_order() {
    for says in [Says::Zeros, Says::Likes("nothing like it"), Says::Likes("")] {
        let all = RetrieveRequest { limit: 4, ..request(QUESTION) };
        assert_eq!(asked(Mood::Well, says, 4, all).await.texts(), fused(4).await);
    }
}

/// When it is late or fails the fused order is kept, and that is said.
#[tokio::test(start_paused = true)]
async fn b3_a_late_reranker_costs_its_limit_and_changes_nothing() {
    for (mood, kind, finished) in
        [(Mood::Hanging, ErrorKind::Timeout, false), (Mood::Failing, ErrorKind::Unavailable, true)]
    {
        let start = tokio::time::Instant::now();
        let asked = asked(mood, Says::Likes("wasp"), 4, two()).await;
        assert!(start.elapsed() <= StageLimits::default().rerank + Duration::from_millis(50));
        assert_eq!(asked.texts(), fused(2).await);
        assert!(asked.found.passages.iter().all(|passage| passage.rerank_score.is_none()));
        assert_eq!(asked.last_stage(), ("rerank", finished));
        assert!(asked.found.partial && asked.found.relevant);
        let [warning] = asked.found.warnings.as_slice() else { panic!("{:?}", asked.found) };
        assert_eq!((warning.stage, warning.kind), (StageName::Rerank, kind));
        assert_eq!(asked.last, LastAsked::Failed(kind));
    }
}

/// The time that is left of the whole is less than its own.
#[tokio::test(start_paused = true)]
async fn b3_the_deadline_of_the_request_bounds_it() {
    let start = tokio::time::Instant::now();
    let hurried = RetrieveRequest { deadline: Some(Duration::from_millis(300)), ..two() };
    let asked = asked(Mood::Hanging, Says::Zeros, 4, hurried).await;
    assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());
    assert_eq!((asked.texts().len(), asked.found.partial), (2, true));
}

/// Too few, too many, none, or no numbers: as if it had failed.
#[tokio::test]
async fn b3_a_reranker_that_breaks_its_promise_changes_nothing() {
    const WRONG: [&[f32]; 5] = [
        &[],
        &[1.0, 2.0, 3.0],
        &[1.0, 2.0, 3.0, 4.0, 5.0],
        &[1.0, f32::NAN, 3.0, 4.0],
        &[1.0, 2.0, f32::INFINITY, 4.0],
    ];
    for numbers in WRONG {
        let asked = asked(Mood::Well, Says::Numbers(numbers), 4, two()).await;
        assert_eq!(asked.texts(), fused(2).await, "{numbers:?}");
        let [warning] = asked.found.warnings.as_slice() else { panic!("{numbers:?}") };
        assert_eq!((warning.stage, warning.kind), (StageName::Rerank, ErrorKind::Protocol));
        assert!(asked.found.partial);
    }
}

/// Nobody is asked where there is nothing to order.
#[tokio::test]
async fn b3_one_passage_is_not_judged() {
    let only = Some(BTreeSet::from([SourceId::from_u128(9)]));
    let nothing = RetrieveRequest { sources: only, ..two() };
    let asked = asked(Mood::Failing, Says::Zeros, 4, nothing).await;
    assert!(asked.given.is_empty() && !asked.found.partial && asked.found.passages.is_empty());
    assert_eq!(asked.last, LastAsked::Never);
}

#[tokio::test]
async fn b3_wrong_numbers_of_candidates_are_refused() {
    for candidates in [0, 101] {
        let house = house(Mood::Well, None).await;
        let model = Arc::new(Judge { mood: Mood::Well, says: Says::Zeros, given: Arc::default() });
        let error = house.retriever.reranking(Reranking { model, candidates }).unwrap_err();
        assert_eq!(error.context("field"), Some("candidates"));
    }
}
