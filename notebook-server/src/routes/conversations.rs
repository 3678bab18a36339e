use axum::{extract::State, http::StatusCode};
use notebook_core::{
    ConversationId, Error, NotebookId, SourceId,
    model::{Conversation, Message, Page, PageRequest, Run},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    extract::{Json, May, Path, Query, Scope, need},
    problem::{Problem, Reply},
};

/// A whole list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Items<T> {
    pub(crate) items: Vec<T>,
}

/// Conversations of a notebook, newest first.
#[utoipa::path(get, path = "/api/notebooks/{id}/conversations", params(("id" = NotebookId, Path)),
    responses((status = 200, body = Items<Conversation>), (status = 404, body = Problem)))]
pub(super) async fn list(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<NotebookId>,
) -> Reply<Json<Items<Conversation>>> {
    // One that is being put together is not shown.
    app.store.notebook(&scope, id).await?;
    Ok(Json(Items { items: app.store.conversations(&scope, id).await? }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateConversation {
    /// Made by the client (UUID version 7), so that creating it twice creates it once; else by the server.
    id: Option<ConversationId>,
    /// At most 200 characters; without one the first question names it.
    title: Option<String>,
}

/// Creates a conversation, or returns the one that has this id.
#[utoipa::path(post, path = "/api/notebooks/{id}/conversations", params(("id" = NotebookId, Path)),
    request_body = CreateConversation,
    responses((status = 201, body = Conversation), (status = 200, body = Conversation), (status = 404, body = Problem)))]
pub(super) async fn create(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::Chat>,
    Path(notebook): Path<NotebookId>,
    Json(body): Json<CreateConversation>,
) -> Reply<(StatusCode, Json<Conversation>)> {
    app.store.notebook(&scope, notebook).await?;
    let id = body.id.unwrap_or_else(ConversationId::new);
    let existed = app.store.conversation(&scope, id).await.is_ok();
    let title = body.title.map_or_else(|| Ok(String::new()), |title| checked_title(&title))?;
    let conversation = Conversation { id, title, ..Conversation::new(notebook, app.clock.now()) };
    let conversation = app.store.create_conversation(&scope, conversation).await?;
    if conversation.notebook != notebook {
        return Err(Error::not_found("create conversation", "conversation").into());
    }
    Ok((if existed { StatusCode::OK } else { StatusCode::CREATED }, Json(conversation)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateConversation {
    /// At most 200 characters.
    title: Option<String>,
    /// Sources to switch off; at most 10,000.
    excluded_sources: Option<Vec<SourceId>>,
}

/// Changes what the body names.
#[utoipa::path(patch, path = "/api/conversations/{id}", params(("id" = ConversationId, Path)),
    request_body = UpdateConversation,
    responses((status = 200, body = Conversation), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn update(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::Chat>,
    Path(id): Path<ConversationId>,
    Json(body): Json<UpdateConversation>,
) -> Reply<Json<Conversation>> {
    let mut conversation = app.store.conversation(&scope, id).await?;
    if let Some(title) = body.title {
        conversation.title = checked_title(&title)?;
    }
    if let Some(excluded) = body.excluded_sources {
        if excluded.len() > 10_000 {
            return Err(Error::invalid(
                "update conversation",
                "excluded_sources",
                "list at most 10,000 sources",
            )
            .into());
        }
        conversation.excluded_sources = excluded;
    }
    conversation.updated_at = app.clock.now();
    app.store.update_conversation(&scope, conversation.clone()).await?;
    Ok(Json(conversation))
}

/// Deletes a conversation with its messages.
#[utoipa::path(delete, path = "/api/conversations/{id}", params(("id" = ConversationId, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn delete(
    State(app): State<App>,
    May(by, ..): May<need::Chat>,
    Path(id): Path<ConversationId>,
) -> Reply<StatusCode> {
    let scope = &by.scope;
    for run in app.runs.log().runs(scope, id, 100).await? {
        if !run.state.is_terminal() {
            app.chat.stop(scope, run.id).await?;
        }
    }
    app.store.delete_conversation(scope, id).await?;
    app.models.layers().forget(scope).await?;
    app.log(&by, "conversation.deleted", id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MessagesQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 1,000; 100 when absent.
    limit: Option<usize>,
}

/// Messages, newest first.
#[utoipa::path(get, path = "/api/conversations/{id}/messages",
    params(("id" = ConversationId, Path), MessagesQuery),
    responses((status = 200, body = Page<Message>), (status = 404, body = Problem)))]
pub(super) async fn messages(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<ConversationId>,
    Query(query): Query<MessagesQuery>,
) -> Reply<Json<Page<Message>>> {
    let page = PageRequest { after: query.after, limit: query.limit.unwrap_or(100) };
    Ok(Json(app.store.messages(&scope, id, page).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RunsQuery {
    /// 1 to 100; 5 when absent.
    limit: Option<usize>,
}

/// The newest runs, newest first: where a reloaded page finds the one that is unfinished.
#[utoipa::path(get, path = "/api/conversations/{id}/runs",
    params(("id" = ConversationId, Path), RunsQuery),
    responses((status = 200, body = Items<Run>), (status = 404, body = Problem)))]
pub(super) async fn runs(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<ConversationId>,
    Query(query): Query<RunsQuery>,
) -> Reply<Json<Items<Run>>> {
    let limit = query.limit.unwrap_or(5);
    if !(1..=100).contains(&limit) {
        return Err(Error::invalid("list runs", "limit", "use 1 to 100").into());
    }
    Ok(Json(Items { items: app.runs.log().runs(&scope, id, limit).await? }))
}

fn checked_title(title: &str) -> Result<String, Error> {
    let title = title.trim();
    if title.chars().count() > 200 {
        return Err(Error::invalid("name conversation", "title", "use at most 200 characters"));
    }
    Ok(title.to_owned())
}
