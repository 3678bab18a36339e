
/// Likes the passages with a word; in a mood.
struct Likes(&'static str, Mood);

#[async_trait]
impl Reranker for Likes {
    fn model(&self) -> &str {
        "likes"
    }
    async fn scores(&self, _: &str, passages: &[String]) -> Result<Vec<f32>> {
        self.1.meet().await?;
        Ok(passages.iter().map(|text| if text.contains(self.0) { 1.0 } else { 0.0 }).collect())
    }
}

async fn reranked(mood: Mood) -> super::Retrieved {
    let house = house(Mood::Well, Some(Mood::Well)).await;
    let reranking = Reranking { model: Arc::new(Likes("wasp", mood)), candidates: 4 };
    let retriever = house.retriever.reranking(reranking).unwrap();
    let asked = RetrieveRequest { limit: 2, ..request("Where do bees dance?") };
    retriever.retrieve(&scope(), &asked).await.unwrap()
}

/// B3: what the model likes best comes first, though the searches had it last; the rest stays in fused order.
#[tokio::test]
async fn b3_a_reranker_has_the_last_word() {
    let found = reranked(Mood::Well).await;
    let texts: Vec<&str> = found.passages.iter().map(|passage| passage.chunk.text.as_str()).collect();
    assert_eq!(texts, [TEXTS[3].1, TEXTS[0].1]);
    assert_eq!(found.passages[0].reranked, Some(1.0));
    assert!(!found.partial);
    let last = found.timings.last().unwrap();
    assert_eq!((last.stage.as_str(), last.finished), ("rerank", true));
}

/// B3: when it is late or fails the fused order is kept, and said so.
#[tokio::test(start_paused = true)]
async fn b3_a_late_reranker_changes_nothing() {
    for (mood, kind, finished) in [
        (Mood::Hanging, ErrorKind::Timeout, false),
        (Mood::Failing, ErrorKind::Unavailable, true),
    ] {
        let found = reranked(mood).await;
        assert_eq!(found.passages[0].chunk.text, TEXTS[0].1);
        assert_eq!((found.passages.len(), found.passages[0].reranked), (2, None));
        let last = found.timings.last().unwrap();
        assert_eq!((last.stage.as_str(), last.finished), ("rerank", finished));
        assert!(found.partial);
        assert_eq!((found.warnings[0].stage, found.warnings[0].kind), (StageName::Rerank, kind));
    }
}
