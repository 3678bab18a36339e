use axum::{
    extract::{Multipart, State, multipart::MultipartRejection},
    http::{HeaderName, StatusCode, header::LOCATION},
    response::Response,
};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use notebook_core::{
    Error, ErrorKind, JobId, NotebookId, SourceId, TenantScope,
    document::SourceKind,
    model::Source,
    sse::{EventRef, encode},
};
use notebook_rag::ingest::{SourceEvent, SourceWatch, Watched};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::conversations::Items;
use crate::{
    app::App,
    extract::{Ending, Json, May, Path, Scope, need},
    problem::{Problem, Reply},
    spool,
    stream::sse,
};

/// Sources of a notebook, oldest first.
#[utoipa::path(get, path = "/api/notebooks/{id}/sources", params(("id" = NotebookId, Path)),
    responses((status = 200, body = Items<Source>), (status = 404, body = Problem)))]
pub(super) async fn list(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<NotebookId>,
) -> Reply<Json<Items<Source>>> {
    // One that is being put together is not shown.
    app.store.notebook(&scope, id).await?;
    Ok(Json(Items { items: app.store.sources(&scope, id).await? }))
}

/// The form of an upload.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the form in the OpenAPI document")]
pub(super) struct UploadForm {
    /// The file, with its name and content type.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Uploads a file as a new source. It is streamed to disk, never held in memory.
#[utoipa::path(post, path = "/api/notebooks/{id}/sources", params(("id" = NotebookId, Path)),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 202, body = Source), (status = 404, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn upload(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::SourceWrite>,
    Path(notebook): Path<NotebookId>,
    form: Result<Multipart, MultipartRejection>,
) -> Reply<(StatusCode, Json<Source>)> {
    // Refused before the first byte of the body is read.
    app.store.notebook(&scope, notebook).await?;
    let form = form.map_err(|rejection| {
        Problem::new(
            rejection.status(),
            "invalid_input",
            "Send the file as multipart/form-data in a part named `file`.",
        )
    })?;
    let source = spool::receive(&app, &scope, notebook, form).await?;
    Ok((StatusCode::ACCEPTED, Json(source)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PastedText {
    /// What to call it: 1 to 300 characters.
    name: String,
    /// The text.
    text: String,
}

/// Adds pasted text as a source.
#[utoipa::path(post, path = "/api/notebooks/{id}/sources/text", params(("id" = NotebookId, Path)),
    request_body = PastedText,
    responses((status = 202, body = Source), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn paste(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::SourceWrite>,
    Path(notebook): Path<NotebookId>,
    Json(body): Json<PastedText>,
) -> Reply<(StatusCode, Json<Source>)> {
    app.store.notebook(&scope, notebook).await?;
    if body.text.trim().is_empty() {
        return Err(Error::invalid("add source", "text", "paste some text").into());
    }
    let bytes = Bytes::from(body.text);
    let source =
        app.ingest.add_bytes(&scope, notebook, &body.name, SourceKind::Text, bytes).await?;
    Ok((StatusCode::ACCEPTED, Json(source)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    /// The address of a page or a file on the public internet, `http` or `https`.
    url: String,
    /// What to call it; the page's title, or its address, when absent.
    name: Option<String>,
}

/// Adds a page of the web as a source. It is fetched as a job; its stage is then `fetch`.
#[utoipa::path(post, path = "/api/notebooks/{id}/sources/link", params(("id" = NotebookId, Path)),
    request_body = Link,
    responses((status = 202, body = Source), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn link(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::SourceWrite>,
    Path(notebook): Path<NotebookId>,
    Json(body): Json<Link>,
) -> Reply<(StatusCode, Json<Source>)> {
    app.store.notebook(&scope, notebook).await?;
    // What can be told from the address is told at once; where its name leads to, when it is called.
    app.pages.check(body.url.trim())?;
    let source = app.ingest.add_link(&scope, notebook, &body.url, body.name.as_deref()).await?;
    Ok((StatusCode::ACCEPTED, Json(source)))
}

/// One source.
#[utoipa::path(get, path = "/api/sources/{id}", params(("id" = SourceId, Path)),
    responses((status = 200, body = Source), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<SourceId>,
) -> Reply<Json<Source>> {
    Ok(Json(app.store.source(&scope, id).await?))
}

/// The job that does what was asked for.
#[derive(Serialize, ToSchema)]
pub(super) struct Accepted {
    /// See `GET /api/jobs/{id}`.
    pub(super) job: JobId,
}

/// Deletes a source. Questions do not find it from now on; a job removes it from every place, looks for what is
/// left, and ends with a receipt as its result.
#[utoipa::path(delete, path = "/api/sources/{id}", params(("id" = SourceId, Path)),
    responses((status = 202, body = Accepted), (status = 404, body = Problem)))]
pub(super) async fn delete(
    State(app): State<App>,
    May(by, ..): May<need::SourceWrite>,
    Path(id): Path<SourceId>,
) -> Reply<(StatusCode, [(HeaderName, String); 1], Json<Accepted>)> {
    let job = in_task(async move {
        let job = app.ingest.delete(&by.scope, id).await?;
        app.models.layers().forget(&by.scope).await?;
        app.log(&by, "source.deleted", id).await?;
        Ok(job)
    })
    .await?;
    let place = [(LOCATION, format!("/api/jobs/{job}"))];
    Ok((StatusCode::ACCEPTED, place, Json(Accepted { job })))
}

/// Tries a failed source again, from the stage that failed.
#[utoipa::path(post, path = "/api/sources/{id}/retry", params(("id" = SourceId, Path)),
    responses((status = 202, body = Source), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn retry(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::SourceWrite>,
    Path(id): Path<SourceId>,
) -> Reply<(StatusCode, Json<Source>)> {
    let source = in_task(async move { app.ingest.retry(&scope, id).await }).await?;
    Ok((StatusCode::ACCEPTED, Json(source)))
}

/// Ends an unfinished ingestion.
#[utoipa::path(post, path = "/api/sources/{id}/cancel", params(("id" = SourceId, Path)),
    responses((status = 202, body = Source), (status = 404, body = Problem)))]
pub(super) async fn cancel(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::SourceWrite>,
    Path(id): Path<SourceId>,
) -> Reply<(StatusCode, Json<Source>)> {
    let source = in_task(async move { app.ingest.cancel(&scope, id).await }).await?;
    Ok((StatusCode::ACCEPTED, Json(source)))
}

/// Runs a change to its end even when the client goes away.
pub(super) async fn in_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(work).await.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Internal, "change source").caused_by(error))
    })
}

/// Changes of a notebook's sources as `text/event-stream`: first all sources as they are, then each change.
#[utoipa::path(get, path = "/api/notebooks/{id}/events", params(("id" = NotebookId, Path)),
    responses((status = 200, body = Source, content_type = "text/event-stream"), (status = 404, body = Problem)))]
pub(super) async fn events(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(notebook): Path<NotebookId>,
    Ending(ending): Ending,
) -> Reply<Response> {
    // Watching begins before the list is read, so that no change falls between.
    let watch = app.ingest.events().watch(&scope, notebook);
    app.store.notebook(&scope, notebook).await?;
    let follower = Follower { app, scope, notebook, watch, list_next: true };
    Ok(sse::reply(follower.stream(), ending))
}

struct Follower {
    app: App,
    scope: TenantScope,
    notebook: NotebookId,
    watch: SourceWatch,
    list_next: bool,
}

impl Follower {
    fn stream(self) -> impl Stream<Item = Bytes> {
        stream::unfold(self, |mut follower| async move {
            let blocks = follower.next().await?;
            Some((stream::iter(blocks), follower))
        })
        .flatten()
    }

    async fn next(&mut self) -> Option<Vec<Bytes>> {
        if std::mem::take(&mut self.list_next) {
            let sources = self.app.store.sources(&self.scope, self.notebook).await.ok()?;
            return Some(sources.iter().filter_map(changed).collect());
        }
        match self.watch.next().await? {
            Watched::Missed => {
                self.list_next = true;
                Some(Vec::new())
            }
            Watched::Event(SourceEvent::Changed(source)) => {
                Some(changed(&source).into_iter().collect())
            }
            Watched::Event(SourceEvent::Deleted { id, .. }) => {
                let data = json!({ "id": id }).to_string();
                Some(block("source_deleted", &data).into_iter().collect())
            }
        }
    }
}

fn changed(source: &Source) -> Option<Bytes> {
    block("source", &serde_json::to_string(source).ok()?)
}

fn block(name: &str, data: &str) -> Option<Bytes> {
    let mut block = Vec::with_capacity(data.len() + 40);
    encode::event(&EventRef { event: name, ..EventRef::message(data) }, &mut block).ok()?;
    Some(block.into())
}
