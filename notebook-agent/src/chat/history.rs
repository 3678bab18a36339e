//! The messages before a question, along its branch.

use std::collections::HashMap;

use notebook_core::{
    ConversationId, MessageId, Result, TenantScope,
    chat::{ChatMessage, ChatRole},
    model::{Message, PageRequest, Role},
    store::Store,
};

/// How many of the newest messages are looked at.
const NEWEST: usize = 200;

/// The newest message of a conversation: what a new question follows.
pub(super) async fn newest(
    store: &dyn Store,
    scope: &TenantScope,
    conversation: ConversationId,
) -> Result<Option<Message>> {
    let page = store.messages(scope, conversation, PageRequest::first(1)).await?;
    Ok(page.items.into_iter().next())
}

/// The messages that `question` follows, oldest first.
pub(super) async fn before(
    store: &dyn Store,
    scope: &TenantScope,
    question: &Message,
) -> Result<Vec<ChatMessage>> {
    let page = store.messages(scope, question.conversation, PageRequest::first(NEWEST)).await?;
    let mut by_id: HashMap<MessageId, Message> =
        page.items.into_iter().map(|message| (message.id, message)).collect();
    let mut chain = Vec::new();
    let mut parent = question.parent;
    // Taking each message out of the map ends the walk even if parents ever formed a circle.
    while let Some(message) = parent.and_then(|id| by_id.remove(&id)) {
        parent = message.parent;
        chain.push(ChatMessage::new(role(message.role), message.text));
    }
    chain.reverse();
    Ok(chain)
}

const fn role(role: Role) -> ChatRole {
    match role {
        Role::User => ChatRole::User,
        Role::Assistant => ChatRole::Assistant,
    }
}
