//! Models whose words are written down, or played back.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use notebook_core::{
    Error, ErrorKind, Result,
    chat::{CallOptions, ChatModel, ChatModelInfo, ChatRequest, ChatStream, TokenCount},
    hex,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    line::{Ask, Line, Said},
    played::Played,
    written::Written,
};

/// A model, with all that it says written down.
pub(super) struct Taped {
    model: Arc<dyn ChatModel>,
    tape: Arc<Written>,
}

impl Taped {
    pub(super) fn new(model: Arc<dyn ChatModel>, tape: Arc<Written>) -> Self {
        Self { model, tape }
    }
}

#[async_trait]
impl ChatModel for Taped {
    fn info(&self) -> &ChatModelInfo {
        self.model.info()
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        self.tape.add(|| Line::Ask(Ask::Model(digest(&request))));
        let stream = self.model.stream(request).await;
        self.tape.add(|| match &stream {
            Ok(_) => Line::Came(Value::Null),
            Err(error) => Line::failed(error),
        });
        let said = stream::unfold((stream?, Arc::clone(&self.tape)), |(mut stream, tape)| async {
            let event = stream.next().await;
            tape.add(|| Line::Said(Said::of(event.as_ref())));
            Some((event?, (stream, tape)))
        });
        Ok(said.fuse().boxed())
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        let count = self.model.count_tokens(text);
        self.tape.add(|| Line::count(text, count));
        count
    }

    async fn check(&self) -> Result<()> {
        self.model.check().await
    }
}

/// A model that says what stands on a tape.
pub(in crate::chat) struct Player {
    info: ChatModelInfo,
    tape: Arc<Played>,
}

impl Player {
    pub(in crate::chat) fn new(info: ChatModelInfo, tape: Arc<Played>) -> Self {
        Self { info, tape }
    }
}

#[async_trait]
impl ChatModel for Player {
    fn info(&self) -> &ChatModelInfo {
        &self.info
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        self.tape.take::<()>(&Ask::Model(digest(&request))).await?;
        let said = stream::unfold(Arc::clone(&self.tape), |tape| async {
            let event = tape.said().await?;
            Some((event, tape))
        });
        Ok(said.fuse().boxed())
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        self.tape.count(text)
    }

    async fn check(&self) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "check model").with("reason", "it is a recording"))
    }
}

/// Stands for all of a request that reaches the model.
fn digest(request: &ChatRequest) -> String {
    let ChatRequest {
        messages,
        temperature,
        top_p,
        max_tokens,
        stop,
        seed,
        grounding,
        tools,
        tool_choice,
        call: CallOptions { deadline: _, repeated_above: _, marker, tally: _ },
    } = request;
    let grounding = grounding.as_ref().map(|grounding| (&grounding.question, &grounding.passages));
    let whole = json!([
        messages,
        temperature,
        top_p,
        max_tokens,
        stop,
        seed,
        grounding,
        tools,
        tool_choice,
        marker
    ]);
    hex(Sha256::digest(whole.to_string()))
}
