use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    ConversationId, Error, MessageId, NotebookId, Result, TenantScope,
    model::{Conversation, Message, Page, PageRequest},
    store::{ConversationStore, rules},
};

#[async_trait]
impl ConversationStore for MemoryStore {
    async fn create_conversation(
        &self,
        scope: &TenantScope,
        conversation: Conversation,
    ) -> Result<Conversation> {
        let id = conversation.id;
        self.with(scope, |tenant| {
            tenant.notebook("create conversation", conversation.notebook)?;
            tenant.conversations.entry(id).or_insert(conversation);
            tenant.conversation("create conversation", id).cloned()
        })
    }

    async fn conversation(&self, scope: &TenantScope, id: ConversationId) -> Result<Conversation> {
        self.with(scope, |tenant| tenant.conversation("read conversation", id).cloned())
    }

    async fn conversations(
        &self,
        scope: &TenantScope,
        notebook: NotebookId,
    ) -> Result<Vec<Conversation>> {
        self.with(scope, |tenant| {
            tenant.notebook("list conversations", notebook)?;
            let all = tenant.conversations.values().rev();
            Ok(all.filter(|c| c.notebook == notebook).cloned().collect())
        })
    }

    async fn update_conversation(
        &self,
        scope: &TenantScope,
        conversation: Conversation,
    ) -> Result<()> {
        self.with(scope, |tenant| {
            let stored = tenant.conversation("update conversation", conversation.id)?;
            let conversation = rules::updated_conversation(stored, conversation);
            tenant.conversations.insert(conversation.id, conversation);
            Ok(())
        })
    }

    async fn delete_conversation(&self, scope: &TenantScope, id: ConversationId) -> Result<()> {
        self.with(scope, |tenant| {
            tenant.conversation("delete conversation", id)?;
            tenant.remove_conversation(id);
            Ok(())
        })
    }

    async fn messages(
        &self,
        scope: &TenantScope,
        id: ConversationId,
        page: PageRequest,
    ) -> Result<Page<Message>> {
        let cursor = rules::cursor::<MessageId>("list messages", &page)?;
        let items = self.with(scope, |tenant| {
            tenant.conversation("list messages", id)?;
            let all = tenant.messages.values().rev().filter(|m| m.conversation == id);
            let after = all.filter(|m| cursor.after.is_none_or(|after| m.id < after));
            Ok::<_, Error>(after.take(cursor.limit + 1).cloned().collect())
        })?;
        Ok(rules::page(items, cursor.limit, |message: &Message| message.id))
    }

    async fn message(&self, scope: &TenantScope, id: MessageId) -> Result<Message> {
        self.with(scope, |tenant| {
            let message = tenant.messages.get(&id).cloned();
            let shown = message.filter(|message| {
                tenant.conversation("read message", message.conversation).is_ok()
            });
            shown.ok_or_else(|| Error::not_found("read message", "message"))
        })
    }
}
