use async_trait::async_trait;
use rusqlite::params;

use super::{SqliteStore, notebooks};
use crate::{
    ConversationId, Error, MessageId, NotebookId, Result, RunId, TenantId, TenantScope,
    model::{Conversation, Message, Page, PageRequest},
    sqlite::{Row, Tx},
    store::{
        ConversationStore, rules,
        sql::{
            self,
            codec::{json, name, optional_json},
            conversations as statement,
        },
    },
};

#[async_trait]
impl ConversationStore for SqliteStore {
    async fn create_conversation(
        &self,
        scope: &TenantScope,
        conversation: Conversation,
    ) -> Result<Conversation> {
        let tenant = scope.tenant();
        self.client
            .write("create conversation", move |tx| {
                notebooks::find(tx, tenant, conversation.notebook)?;
                if insert(tx, tenant, &conversation)? {
                    return Ok(conversation.clone());
                }
                find(tx, tenant, conversation.id)
            })
            .await
    }

    async fn conversation(&self, scope: &TenantScope, id: ConversationId) -> Result<Conversation> {
        let tenant = scope.tenant();
        self.client.read("read conversation", move |tx| find(tx, tenant, id)).await
    }

    async fn conversations(
        &self,
        scope: &TenantScope,
        notebook: NotebookId,
    ) -> Result<Vec<Conversation>> {
        let tenant = scope.tenant();
        self.client
            .read("list conversations", move |tx| {
                notebooks::find(tx, tenant, notebook)?;
                tx.all(statement::LIST, params![tenant.as_bytes(), notebook.as_bytes()], read)
            })
            .await
    }

    async fn update_conversation(
        &self,
        scope: &TenantScope,
        conversation: Conversation,
    ) -> Result<()> {
        let tenant = scope.tenant();
        self.client
            .write("update conversation", move |tx| {
                let params = params![
                    conversation.title,
                    json(tx.operation, &conversation.excluded_sources)?,
                    conversation.updated_at.as_millis(),
                    tenant.as_bytes(),
                    conversation.id.as_bytes(),
                ];
                found(tx, tx.execute(statement::UPDATE, params)?)
            })
            .await
    }

    async fn delete_conversation(&self, scope: &TenantScope, id: ConversationId) -> Result<()> {
        let tenant = scope.tenant();
        self.client
            .write("delete conversation", move |tx| {
                let params = params![tenant.as_bytes(), id.as_bytes()];
                found(tx, tx.execute(statement::DELETE, params)?)
            })
            .await
    }

    async fn messages(
        &self,
        scope: &TenantScope,
        id: ConversationId,
        page: PageRequest,
    ) -> Result<Page<Message>> {
        let tenant = scope.tenant();
        let cursor = rules::cursor::<MessageId>("list messages", &page)?;
        let items = self.client.read("list messages", move |tx| {
            find(tx, tenant, id)?;
            let before = cursor.after.map_or(sql::AFTER_ALL, |id| *id.as_bytes());
            let limit = sql::limit(cursor.limit + 1);
            let params = params![tenant.as_bytes(), id.as_bytes(), before, limit];
            tx.all(statement::LIST_MESSAGES, params, read_message)
        });
        Ok(rules::page(items.await?, cursor.limit, |message| message.id))
    }

    async fn message(&self, scope: &TenantScope, id: MessageId) -> Result<Message> {
        let tenant = scope.tenant();
        self.client
            .read("read message", move |tx| {
                let params = params![tenant.as_bytes(), id.as_bytes()];
                tx.one(statement::SELECT_MESSAGE, params, read_message)?
                    .ok_or_else(|| Error::not_found(tx.operation, "message"))
            })
            .await
    }
}

/// The conversation, or `NotFound`.
pub(super) fn find(tx: &Tx<'_>, tenant: TenantId, id: ConversationId) -> Result<Conversation> {
    tx.one(statement::SELECT, params![tenant.as_bytes(), id.as_bytes()], read)?
        .ok_or_else(|| missing(tx))
}

fn insert(tx: &Tx<'_>, tenant: TenantId, conversation: &Conversation) -> Result<bool> {
    let changed = tx.execute(
        statement::INSERT,
        params![
            tenant.as_bytes(),
            conversation.id.as_bytes(),
            conversation.notebook.as_bytes(),
            conversation.title,
            json(tx.operation, &conversation.excluded_sources)?,
            conversation.created_at.as_millis(),
            conversation.updated_at.as_millis(),
        ],
    )?;
    Ok(changed == 1)
}

/// Stores a message; says whether its id was free.
pub(super) fn insert_message(tx: &Tx<'_>, tenant: TenantId, message: &Message) -> Result<bool> {
    let changed = tx.execute(
        statement::INSERT_MESSAGE,
        params![
            tenant.as_bytes(),
            message.id.as_bytes(),
            message.conversation.as_bytes(),
            message.parent.as_ref().map(MessageId::as_bytes),
            name(tx.operation, message.role)?,
            message.text,
            json(tx.operation, &message.citations)?,
            message.dropped_citations,
            message.run.as_ref().map(RunId::as_bytes),
            message.model,
            optional_json(tx.operation, message.usage.as_ref())?,
            json(tx.operation, &message.timings)?,
            message.partial,
            message.created_at.as_millis(),
        ],
    )?;
    Ok(changed == 1)
}

fn read(row: &Row<'_>) -> Result<Conversation> {
    Ok(Conversation {
        id: row.id(0, ConversationId::from_u128)?,
        notebook: row.id(1, NotebookId::from_u128)?,
        title: row.get(2)?,
        excluded_sources: row.json(3)?,
        created_at: row.time(4)?,
        updated_at: row.time(5)?,
    })
}

fn read_message(row: &Row<'_>) -> Result<Message> {
    Ok(Message {
        id: row.id(0, MessageId::from_u128)?,
        conversation: row.id(1, ConversationId::from_u128)?,
        parent: row.optional_id(2, MessageId::from_u128)?,
        role: row.name(3)?,
        text: row.get(4)?,
        citations: row.json(5)?,
        dropped_citations: row.get(6)?,
        run: row.optional_id(7, RunId::from_u128)?,
        model: row.get(8)?,
        usage: row.optional_json(9)?,
        timings: row.json(10)?,
        partial: row.get(11)?,
        created_at: row.time(12)?,
    })
}

fn found(tx: &Tx<'_>, changed: usize) -> Result<()> {
    if changed == 0 { Err(missing(tx)) } else { Ok(()) }
}

fn missing(tx: &Tx<'_>) -> Error {
    Error::not_found(tx.operation, "conversation")
}
