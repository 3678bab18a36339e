//! Not kept: what the layers cost on a token.
use async_trait::async_trait;
use futures::{StreamExt, stream};
use notebook_core::{
    Result,
    chat::{layers::*, *},
    clock::SystemClock,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
struct Quick(ChatModelInfo);
const N: usize = 1_000_000;
#[async_trait]
impl ChatModel for Quick {
    fn info(&self) -> &ChatModelInfo {
        &self.0
    }
    async fn stream(&self, _: ChatRequest) -> Result<ChatStream> {
        let text = (0..N).map(|_| Ok(ChatEvent::Delta(String::from("a token"))));
        Ok(Box::pin(stream::iter(text.chain([Ok(ChatEvent::Finish(FinishReason::Stop))]))))
    }
    fn count_tokens(&self, t: &str) -> TokenCount {
        TokenCount::estimate(t)
    }
    async fn check(&self) -> Result<()> {
        Ok(())
    }
}
fn main() {
    let info = ChatModelInfo {
        provider: "a".into(),
        model: "b".into(),
        context_tokens: None,
        local: true,
        tools: false,
    };
    let model: Arc<dyn ChatModel> = Arc::new(Quick(info));
    let clock = Arc::new(SystemClock);
    let s = Some(Duration::from_secs(60));
    let layered = Layered {
        timeouts: Timeouts { first: s, between: s, whole: None },
        breaker: Some(Arc::new(
            Breaker::new("a/b", BreakerPolicy::default(), clock.clone()).unwrap(),
        )),
        limit: Some(Arc::new(
            Limit::new(LimitPolicy { at_once: 9, waiting: 9 }, Duration::from_secs(1)).unwrap(),
        )),
        retries: Some(Arc::new(
            Retries::new(RetryPolicy::default(), BudgetPolicy::default(), clock).unwrap(),
        )),
        model: model.clone(),
    };
    let mut stack = Stack::new(layered);
    stack.others.push(Layered::new(model.clone()));
    stack.whole = s;
    let all = stack.for_scope(None);
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async {
        for round in 0..5 {
            let mut took = vec![];
            for m in [&model, &all] {
                let r = ChatRequest {
                    messages: vec![ChatMessage::new(ChatRole::User, "x")],
                    ..Default::default()
                };
                let since = Instant::now();
                let mut a = m.stream(r).await.unwrap();
                let mut n = 0;
                while let Some(e) = a.next().await {
                    e.unwrap();
                    n += 1;
                }
                assert_eq!(n, N + 1);
                took.push(since.elapsed().as_nanos() as f64 / N as f64);
            }
            eprintln!("round {round}: bare {:.1} ns, layered {:.1} ns a token", took[0], took[1]);
        }
    });
}
