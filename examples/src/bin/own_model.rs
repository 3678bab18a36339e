//! A chat model of your own: here one that repeats the best passage. Its citations are verified like
//! those of any other model, and an invented one does not get through.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream;
use notebook_agent::library::{Backends, Library};
use notebook_core::{
    Result,
    chat::{
        ChatEvent, ChatModel, ChatModelInfo, ChatRequest, ChatStream, FinishReason, TokenCount,
    },
    keyword::MemoryKeywordIndex,
    store::memory::MemoryStore,
};

struct Parrot(ChatModelInfo);

#[async_trait]
impl ChatModel for Parrot {
    fn info(&self) -> &ChatModelInfo {
        &self.0
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        let passage =
            request.grounding.and_then(|g| g.passages.into_iter().next()).unwrap_or_default();
        Ok(Box::pin(stream::iter([
            Ok(ChatEvent::Delta(format!("{passage} [1] "))),
            Ok(ChatEvent::Delta("Dragons live there too [1].".to_owned())),
            Ok(ChatEvent::Finish(FinishReason::Stop)),
        ])))
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        TokenCount::estimate(text)
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let info = ChatModelInfo {
        provider: "example".to_owned(),
        model: "parrot".to_owned(),
        context_tokens: None,
        local: true,
        tools: false,
    };
    let backends = Backends::new(Arc::new(MemoryStore::new()), Arc::new(MemoryKeywordIndex::new()));
    let library = Library::open(backends, Arc::new(Parrot(info)))?;
    let notebook = library.notebook(&notebook_auth::single_user(), "Caves").await?;
    notebook.add_text("caves.txt", "The cave is dry in summer. Bats sleep in it.").await?;
    let answer = notebook.ask("Who sleeps in the cave?").await?;
    println!("{}", answer.text);
    println!("{} verified, {} dropped", answer.citations.len(), answer.dropped_citations);
    assert_eq!((answer.citations.len(), answer.dropped_citations), (1, 1));
    Ok(())
}
