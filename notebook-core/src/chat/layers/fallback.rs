//! Asks another model when one fails before it said anything.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tracing::warn;

use super::guarded::begun;
use crate::{
    Error, ErrorKind, Result,
    chat::{
        ChatEvent, ChatModel, ChatModelInfo, ChatRequest, ChatStream, Replaced, TokenCount,
        check_request,
    },
};

/// Several models in order. It looks like the first one; where another answers, a
/// [`Replaced`](ChatEvent::Replaced) comes before the text, for each that failed.
///
/// Any error but a wrong request makes it go on: what the first refuses, another may take, a prompt that is too long for it
/// too. When all fail the error is that of the first, and says what the others said.
pub struct FallbackChat {
    first: Arc<dyn ChatModel>,
    others: Vec<Arc<dyn ChatModel>>,
}

impl FallbackChat {
    /// The first, and those that stand in for it.
    #[must_use]
    pub fn new(first: Arc<dyn ChatModel>, others: Vec<Arc<dyn ChatModel>>) -> Self {
        Self { first, others }
    }
}

fn replaced(failed: Vec<(String, Error)>, answers: &str, answer: ChatStream) -> ChatStream {
    if failed.is_empty() {
        return answer;
    }
    let told: Vec<_> = failed
        .into_iter()
        .map(|(failed, error)| {
            let answers = answers.to_owned();
            Ok(ChatEvent::Replaced(Replaced { failed, reason: error.kind(), answers }))
        })
        .collect();
    Box::pin(stream::iter(told).chain(answer))
}

#[async_trait]
impl ChatModel for FallbackChat {
    fn info(&self) -> &ChatModelInfo {
        self.first.info()
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        check_request(self.first.info(), &request)?;
        let mut failed: Vec<(String, Error)> = Vec::new();
        for model in std::iter::once(&self.first).chain(&self.others) {
            let label = model.info().label();
            match begun(model.stream(request.clone())).await {
                Ok(answer) => return Ok(replaced(failed, &label, answer)),
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                Err(error) => {
                    warn!(model = label, %error, "a model could not answer");
                    failed.push((label, error));
                }
            }
        }
        let mut failed = failed.into_iter();
        let Some((_, first)) = failed.next() else {
            return Err(Error::new(ErrorKind::Internal, "start answer"));
        };
        let others: Vec<_> =
            failed.map(|(label, error)| format!("{label}: {}", error.kind().code())).collect();
        Err(if others.is_empty() { first } else { first.with("instead", others.join(", ")) })
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        self.first.count_tokens(text)
    }

    /// Whether any of them is there. Where none is, the error is the first one's.
    async fn check(&self) -> Result<()> {
        let Err(error) = self.first.check().await else { return Ok(()) };
        for model in &self.others {
            if model.check().await.is_ok() {
                return Ok(());
            }
        }
        Err(error)
    }
}
