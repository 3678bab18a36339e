//! What stands around a reranker.

use std::sync::Arc;

use async_trait::async_trait;

use super::Reranker;
use crate::{
    Result,
    chat::layers::{Asked, CallLayers},
};

/// A reranker behind [`CallLayers`].
///
/// Whoever asks it has a limit of time already, and goes on without it. So [`CallLayers::timeout`] should be a little shorter
/// than that limit: what the caller gives up says nothing to a breaker.
pub struct LayeredReranker {
    inner: Arc<dyn Reranker>,
    layers: CallLayers,
}

impl LayeredReranker {
    /// The reranker with these layers.
    #[must_use]
    pub const fn new(inner: Arc<dyn Reranker>, layers: CallLayers) -> Self {
        Self { inner, layers }
    }
}

#[async_trait]
impl Reranker for LayeredReranker {
    fn model(&self) -> &str {
        self.inner.model()
    }

    async fn scores(&self, question: &str, passages: &[String]) -> Result<Vec<f32>> {
        if passages.is_empty() {
            return Ok(Vec::new());
        }
        let once = || self.inner.scores(question, passages);
        self.layers.call(Asked::default(), once).await
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicU32, sync::atomic::Ordering, time::Duration};

    use super::*;
    use crate::{
        ErrorKind,
        chat::layers::{Breaker, BreakerPolicy},
        clock::SystemClock,
        rerank::OverlapReranker,
    };

    /// Never answers.
    #[derive(Default)]
    struct Silent(AtomicU32);

    #[async_trait]
    impl Reranker for Silent {
        fn model(&self) -> &'static str {
            "silent"
        }

        async fn scores(&self, _: &str, _: &[String]) -> Result<Vec<f32>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        }
    }

    fn layers() -> CallLayers {
        let breaker = Breaker::new("test/a", BreakerPolicy::by_count(), Arc::new(SystemClock));
        CallLayers {
            timeout: Some(Duration::from_secs(1)),
            breaker: Some(Arc::new(breaker.unwrap())),
            ..CallLayers::default()
        }
    }

    #[cfg(feature = "conformance")]
    #[tokio::test]
    async fn the_layers_keep_the_promises_of_the_port() {
        let layered = LayeredReranker::new(Arc::new(OverlapReranker), layers());
        crate::rerank::conformance::run_all(&layered).await;
    }

    /// C2: a reranker that says nothing is left alone after some questions, which then do not wait for it.
    #[tokio::test(start_paused = true)]
    async fn c2_a_silent_reranker_is_left_alone() {
        let silent = Arc::new(Silent::default());
        let layered = LayeredReranker::new(silent.clone(), layers());
        let passages = ["a".to_owned()];
        for _ in 0..5 {
            let error = layered.scores("a", &passages).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
        }
        let before = tokio::time::Instant::now();
        let error = layered.scores("a", &passages).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.context("refused_by")),
            (ErrorKind::Unavailable, Some("breaker"))
        );
        assert_eq!((before.elapsed(), silent.0.load(Ordering::Relaxed)), (Duration::ZERO, 5));
        assert_eq!(OverlapReranker.scores("a", &passages).await.unwrap(), [1.0]);
    }
}
