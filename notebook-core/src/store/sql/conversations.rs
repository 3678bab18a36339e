use async_trait::async_trait;

use super::{SqlStore, notebooks, statement::conversations as statement};
use crate::{
    ConversationId, Error, ErrorKind, MessageId, NotebookId, Result, RunId, TenantId, TenantScope,
    model::{Conversation, Message, Page, PageRequest},
    sql::{
        AFTER_ALL, Lock, Row, Tx,
        codec::{json, name, optional_json},
        limit, values,
    },
    store::{
        ConversationStore,
        rules::{self, Cursor},
    },
};

#[async_trait]
impl ConversationStore for SqlStore {
    async fn create_conversation(
        &self,
        scope: &TenantScope,
        conversation: Conversation,
    ) -> Result<Conversation> {
        let input = (scope.tenant(), conversation);
        self.database
            .write(scope, "create conversation", input, |tx, (tenant, conversation)| {
                Box::pin(create(tx, *tenant, conversation))
            })
            .await
    }

    async fn conversation(&self, scope: &TenantScope, id: ConversationId) -> Result<Conversation> {
        let input = (scope.tenant(), id);
        self.database
            .read(scope, "read conversation", input, |tx, (tenant, id)| {
                Box::pin(find(tx, *tenant, *id))
            })
            .await
    }

    async fn conversations(
        &self,
        scope: &TenantScope,
        notebook: NotebookId,
    ) -> Result<Vec<Conversation>> {
        let input = (scope.tenant(), notebook);
        self.database
            .read(scope, "list conversations", input, |tx, (tenant, notebook)| {
                Box::pin(list(tx, *tenant, *notebook))
            })
            .await
    }

    async fn update_conversation(
        &self,
        scope: &TenantScope,
        conversation: Conversation,
    ) -> Result<()> {
        let input = (scope.tenant(), conversation);
        self.database
            .write(scope, "update conversation", input, |tx, (tenant, conversation)| {
                Box::pin(update(tx, *tenant, conversation))
            })
            .await
    }

    async fn delete_conversation(&self, scope: &TenantScope, id: ConversationId) -> Result<()> {
        let input = (scope.tenant(), id);
        self.database
            .write(scope, "delete conversation", input, |tx, (tenant, id)| {
                Box::pin(delete(tx, *tenant, *id))
            })
            .await
    }

    async fn messages(
        &self,
        scope: &TenantScope,
        id: ConversationId,
        page: PageRequest,
    ) -> Result<Page<Message>> {
        let cursor = rules::cursor::<MessageId>("list messages", &page)?;
        let input = (scope.tenant(), id, cursor);
        let items =
            self.database.read(scope, "list messages", input, |tx, (tenant, id, cursor)| {
                Box::pin(messages(tx, *tenant, *id, *cursor))
            });
        Ok(rules::page(items.await?, cursor.limit, |message| message.id))
    }

    async fn message(&self, scope: &TenantScope, id: MessageId) -> Result<Message> {
        let input = (scope.tenant(), id);
        self.database
            .read(scope, "read message", input, |tx, (tenant, id)| {
                Box::pin(message(tx, *tenant, *id))
            })
            .await
    }
}

/// The conversation, or `NotFound`.
pub(super) async fn find(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: ConversationId,
) -> Result<Conversation> {
    let found = tx.one(statement::SELECT, values![tenant.as_bytes(), id.as_bytes()], read).await?;
    found.ok_or_else(|| missing(tx))
}

/// The same; nobody else changes the conversation, nor what hangs on it, until the transaction ends.
pub(super) async fn find_locked(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: ConversationId,
) -> Result<Conversation> {
    let values = values![tenant.as_bytes(), id.as_bytes()];
    let found = tx.one_locked(Lock::Change, statement::SELECT, values, read).await?;
    found.ok_or_else(|| missing(tx))
}

async fn create(tx: &mut Tx<'_>, tenant: TenantId, new: &Conversation) -> Result<Conversation> {
    notebooks::keep(tx, tenant, new.notebook).await?;
    let changed = tx
        .execute(
            statement::INSERT,
            values![
                tenant.as_bytes(),
                new.id.as_bytes(),
                new.notebook.as_bytes(),
                new.title,
                json(tx.operation, &new.excluded_sources)?,
                new.created_at.as_millis(),
                new.updated_at.as_millis(),
            ],
        )
        .await?;
    if changed == 1 { Ok(new.clone()) } else { find(tx, tenant, new.id).await }
}

async fn list(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    notebook: NotebookId,
) -> Result<Vec<Conversation>> {
    notebooks::find(tx, tenant, notebook).await?;
    tx.all(statement::LIST, values![tenant.as_bytes(), notebook.as_bytes()], read).await
}

async fn update(tx: &mut Tx<'_>, tenant: TenantId, conversation: &Conversation) -> Result<()> {
    find(tx, tenant, conversation.id).await?;
    let changed = tx
        .execute(
            statement::UPDATE,
            values![
                conversation.title,
                json(tx.operation, &conversation.excluded_sources)?,
                conversation.updated_at.as_millis(),
                tenant.as_bytes(),
                conversation.id.as_bytes(),
            ],
        )
        .await?;
    found(tx, changed)
}

async fn delete(tx: &mut Tx<'_>, tenant: TenantId, id: ConversationId) -> Result<()> {
    find(tx, tenant, id).await?;
    let key = values![tenant.as_bytes(), id.as_bytes()];
    tx.execute(statement::DELETE_CHECKPOINTS, key).await?;
    let changed = tx.execute(statement::DELETE, values![tenant.as_bytes(), id.as_bytes()]).await?;
    found(tx, changed)
}

async fn messages(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: ConversationId,
    cursor: Cursor<MessageId>,
) -> Result<Vec<Message>> {
    find(tx, tenant, id).await?;
    let before = cursor.after.map_or(AFTER_ALL, |id| *id.as_bytes());
    let values = values![tenant.as_bytes(), id.as_bytes(), before, limit(cursor.limit + 1)];
    tx.all(statement::LIST_MESSAGES, values, read_message).await
}

async fn message(tx: &mut Tx<'_>, tenant: TenantId, id: MessageId) -> Result<Message> {
    let absent = Error::not_found(tx.operation, "message");
    let Some(message) = find_message(tx, tenant, id).await? else { return Err(absent) };
    let shown = find(tx, tenant, message.conversation).await;
    shown.map_err(|error| if error.kind() == ErrorKind::NotFound { absent } else { error })?;
    Ok(message)
}

/// The message, if there is one.
pub(super) async fn find_message(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: MessageId,
) -> Result<Option<Message>> {
    let values = values![tenant.as_bytes(), id.as_bytes()];
    tx.one(statement::SELECT_MESSAGE, values, read_message).await
}

/// Stores a message; says whether its id was free.
pub(super) async fn insert_message(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    message: &Message,
) -> Result<bool> {
    let changed = tx
        .execute(
            statement::INSERT_MESSAGE,
            values![
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
                json(tx.operation, &message.warnings)?,
            ],
        )
        .await?;
    Ok(changed == 1)
}

fn read(row: &Row<'_>) -> Result<Conversation> {
    Ok(Conversation {
        id: row.id(0, ConversationId::from_u128)?,
        notebook: row.id(1, NotebookId::from_u128)?,
        title: row.get(2)?,
        excluded_sources: row.json(3)?,
        created_at: row.get(4)?,
        updated_at: row.get(5)?,
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
        created_at: row.get(12)?,
        warnings: row.json(13)?,
    })
}

fn found(tx: &Tx<'_>, changed: usize) -> Result<()> {
    if changed == 0 { Err(missing(tx)) } else { Ok(()) }
}

fn missing(tx: &Tx<'_>) -> Error {
    Error::not_found(tx.operation, "conversation")
}
