//! Files that leave, and notebooks that come back.

use axum::{
    body::Body,
    extract::{Multipart, State, multipart::MultipartRejection},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use notebook_core::{
    ConversationId, Error, ErrorKind, JobId, MessageId, NotebookId, TenantScope,
    queue::{JobState, NewJob},
};
use object_store::ObjectStoreExt;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    source_text::disposition,
    sources::{Accepted, UploadForm},
};
use crate::{
    app::App,
    exports::{self, Exported, Format, ImportPayload, What},
    extract::{Json, May, Path, Scope, need},
    problem::{Problem, Reply},
    spool,
};

/// The reply to what is done by a job.
type Started = (StatusCode, [(HeaderName, String); 1], Json<Accepted>);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportConversation {
    format: Format,
    /// A message: the branch through it is written; the newest branch when absent.
    through: Option<MessageId>,
}

/// Writes a conversation as Markdown or PDF. The job's result names the file; while one is written, the same request
/// gets the same job.
#[utoipa::path(post, path = "/api/conversations/{id}/exports", params(("id" = ConversationId, Path)),
    request_body = ExportConversation,
    responses((status = 202, body = Accepted), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn conversation(
    State(app): State<App>,
    May(by, ..): May<need::Export>,
    Path(conversation): Path<ConversationId>,
    Json(body): Json<ExportConversation>,
) -> Reply<Started> {
    let scope = &by.scope;
    app.store.conversation(scope, conversation).await?;
    if let Some(through) = body.through
        && app.store.message(scope, through).await?.conversation != conversation
    {
        return Err(Error::not_found("export conversation", "message").into());
    }
    let what = What::Conversation { conversation, format: body.format, through: body.through };
    app.log(&by, "conversation.exported", conversation).await?;
    start(&app, scope, exports::export_job(what)).await
}

/// Writes a whole notebook as an archive. The job's result names the file; while one is written, the same request gets
/// the same job.
#[utoipa::path(post, path = "/api/notebooks/{id}/exports", params(("id" = NotebookId, Path)),
    responses((status = 202, body = Accepted), (status = 404, body = Problem)))]
pub(super) async fn notebook(
    State(app): State<App>,
    May(by, ..): May<need::Export>,
    Path(notebook): Path<NotebookId>,
) -> Reply<Started> {
    app.store.notebook(&by.scope, notebook).await?;
    app.log(&by, "notebook.exported", notebook).await?;
    start(&app, &by.scope, exports::export_job(What::Notebook { notebook })).await
}

/// Puts an archive into a new notebook, which is there when the job has ended. The upload is streamed to disk.
#[utoipa::path(post, path = "/api/imports",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 202, body = Accepted), (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn import(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookWrite>,
    form: Result<Multipart, MultipartRejection>,
) -> Reply<Started> {
    let form = form.map_err(|rejection| {
        Problem::new(
            rejection.status(),
            "invalid_input",
            "Send the archive as multipart/form-data in a part named `file`.",
        )
    })?;
    let id = JobId::new();
    let key = exports::import_key(&scope, id);
    let received = spool::receive_archive(&app, &key, form).await?;
    let payload =
        ImportPayload { name: received.name, bytes: received.bytes, sha256: received.sha256 };
    let job = NewJob { id, ..exports::import_job(&payload) };
    let started = start(&app, &scope, job).await;
    if !matches!(&started, Ok((_, _, Json(accepted))) if accepted.job == id) {
        // The same file is being imported already, or the job could not be stored.
        let removed = app.blobs.delete(&key.as_str().into()).await;
        removed.map_err(notebook_rag::ingest::blob_error)?;
    }
    started
}

async fn start(app: &App, scope: &TenantScope, job: NewJob) -> Reply<Started> {
    let ids = app.queue.insert(scope, vec![job]).await?;
    let job = ids.first().copied().ok_or_else(|| Error::new(ErrorKind::Internal, "insert job"))?;
    app.bell.notify_one();
    let place = [(header::LOCATION, format!("/api/jobs/{job}"))];
    Ok((StatusCode::ACCEPTED, place, Json(Accepted { job })))
}

/// The file that an export made, always as an attachment (U55).
#[utoipa::path(get, path = "/api/jobs/{id}/file", params(("id" = JobId, Path)),
    responses((status = 200, content_type = "application/octet-stream"), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn file(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::Export>,
    Path(id): Path<JobId>,
) -> Reply<Response> {
    const OPERATION: &str = "read exported file";
    let job = app.queue.job(&scope, id).await?;
    if job.kind != exports::EXPORT {
        return Err(Error::not_found(OPERATION, "file").into());
    }
    // The file of what is gone is gone with it, though it is still kept.
    let what = What::deserialize(&job.payload).map_err(|_| Error::not_found(OPERATION, "file"))?;
    let notebook = match what {
        What::Notebook { notebook } => notebook,
        What::Conversation { conversation, .. } => {
            app.store.conversation(&scope, conversation).await?.notebook
        }
    };
    app.store.notebook(&scope, notebook).await?;
    let fix = match job.state {
        JobState::Completed => None,
        JobState::Dead | JobState::Cancelled => Some("the export failed: export again"),
        _ => Some("the export has not ended: wait until its job is completed"),
    };
    if let Some(fix) = fix {
        return Err(Error::new(ErrorKind::Conflict, OPERATION).with("fix", fix).into());
    }
    let file = job.result.as_ref().and_then(|result| result.get("file"));
    let file = file.and_then(|file| Exported::deserialize(file).ok());
    let file = file.ok_or_else(|| Error::not_found(OPERATION, "file"))?;
    let got = app.blobs.get(&exports::export_key(&scope, id).as_str().into()).await;
    let got = got.map_err(|error| match error {
        object_store::Error::NotFound { .. } => Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "The file is not kept any more. Export again.",
        ),
        other => Error::new(ErrorKind::Unavailable, OPERATION).caused_by(other).into(),
    })?;
    let size = got.meta.size;
    let mut response = Body::from_stream(got.into_stream()).into_response();
    let headers = response.headers_mut();
    let text = |text: &str| {
        HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
    };
    headers.insert(header::CONTENT_TYPE, text(&file.media_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'"),
    );
    if let Ok(value) = HeaderValue::from_str(&disposition(&file.name)) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}
