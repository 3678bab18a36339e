//! Which conversation a client that keeps the history itself goes on with.

use notebook_agent::chat::{Ask, Parent, Question};
use notebook_core::{
    Error, NotebookId, Result, TenantScope,
    chat::{ChatMessage, ChatRole},
    model::{Conversation, Message, ModelSettings, PageRequest, Role, Run},
};

use super::message::Said;
use crate::{app::App, problem::Problem};

/// How many of the newest conversations are looked at.
const LOOKED_AT: usize = 20;
/// The most messages of a history that are compared.
const COMPARED: usize = 200;

/// A question in its place.
pub(crate) struct Begun {
    pub(crate) run: Run,
    /// Whether the conversation was made for it.
    pub(crate) new: bool,
}

/// Asks where the history is from, or, where nobody knows it, in a new conversation with the history that the client gives.
pub(crate) async fn begin(
    app: &App,
    scope: &TenantScope,
    notebook: NotebookId,
    said: Said,
    settings: ModelSettings,
) -> Result<Begun> {
    app.store.notebook(scope, notebook).await.map_err(|error| error.with("field", "model"))?;
    let found = find(app, scope, notebook, &said.history).await?;
    let new = found.is_none();
    let (conversation, parent) = match found {
        Some((conversation, last)) => (conversation, Parent::Message(last.id)),
        None => {
            let conversation = Conversation::new(notebook, app.clock.now());
            (app.store.create_conversation(scope, conversation).await?, Parent::Nothing)
        }
    };
    let ask = Ask {
        mode: notebook_agent::chat::Mode::Answer,
        conversation: conversation.id,
        question: Question::New { text: said.question, parent },
        settings: ModelSettings { system_prompt: said.system, ..settings },
        history: new.then_some(said.history).filter(|history| !history.is_empty()),
        idempotency_key: None,
    };
    match app.chat.ask(scope, ask).await {
        Ok(opened) => Ok(Begun { run: opened.run().clone(), new }),
        Err(error) => {
            if new {
                app.store.delete_conversation(scope, conversation.id).await?;
            }
            Err(error)
        }
    }
}

/// A refusal in the words of the client's own interface: what is wrong with the question stands in its messages.
pub(super) fn named(error: Error, messages: &str, max_tokens: &str) -> Problem {
    let problem = Problem::from(error);
    match problem.at() {
        Some("question" | "history") => problem.renamed(messages),
        Some("max_tokens") => problem.renamed(max_tokens),
        _ => problem,
    }
}

/// The conversation whose newest branch is this history, and its last message.
async fn find(
    app: &App,
    scope: &TenantScope,
    notebook: NotebookId,
    history: &[ChatMessage],
) -> Result<Option<(Conversation, Message)>> {
    if history.last().is_none_or(|last| last.role != ChatRole::Assistant) {
        return Ok(None);
    }
    let conversations = app.store.conversations(scope, notebook).await?;
    for conversation in conversations.into_iter().take(LOOKED_AT) {
        let first = PageRequest::first(1);
        let newest =
            app.store.messages(scope, conversation.id, first).await?.items.into_iter().next();
        let Some(newest) = newest else { continue };
        if !history.last().is_some_and(|last| is(last, &newest)) {
            continue;
        }
        let page = PageRequest::first(COMPARED);
        let messages = app.store.messages(scope, conversation.id, page).await?.items;
        if is_branch(&messages, &newest, history) {
            return Ok(Some((conversation, newest)));
        }
    }
    Ok(None)
}

fn is(said: &ChatMessage, stored: &Message) -> bool {
    let role = if stored.role == Role::User { ChatRole::User } else { ChatRole::Assistant };
    said.role == role && said.content.trim() == stored.text.trim()
}

/// Whether the messages from the beginning to `last` are these.
fn is_branch(messages: &[Message], last: &Message, history: &[ChatMessage]) -> bool {
    let mut at = Some(last);
    for said in history.iter().rev() {
        let Some(stored) = at.filter(|stored| is(said, stored)) else { return false };
        at = stored.parent.and_then(|id| messages.iter().find(|message| message.id == id));
    }
    at.is_none()
}
