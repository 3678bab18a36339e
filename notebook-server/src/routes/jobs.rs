use axum::extract::State;
use notebook_core::{
    Error, ErrorKind, JobId, Timestamp,
    model::Progress,
    queue::{Job, JobState},
    webhook,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{conversations::Items, sources::in_task};
use crate::{
    app::App,
    extract::{Json, Path, Scope, need},
    problem::{Problem, Reply},
};

/// The most dead jobs in a list.
const MOST: usize = 500;

/// Something slow: what it is, how far it has come, how it ended.
#[derive(Serialize, ToSchema)]
pub(super) struct JobView {
    id: JobId,
    /// Such as `source.read`, `source.delete`, `export`, `import`.
    kind: String,
    /// What it is about.
    payload: serde_json::Value,
    /// `scheduled`, `available`, `running`; ended as `completed`, `cancelled`, or `dead`.
    #[schema(value_type = String)]
    state: JobState,
    progress: Progress,
    /// How many runs failed.
    attempt: u32,
    /// How many may.
    max_attempts: u32,
    /// How many runs ended with their worker.
    crash_count: u32,
    /// Whether its end was asked for.
    cancel_requested: bool,
    /// What it ended with: for `source.delete`, a receipt; for `export`, its file.
    result: Option<serde_json::Value>,
    /// Why the last run failed.
    error: Option<JobProblem>,
    /// When it may run.
    run_at: Timestamp,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
}

/// Why a run failed.
#[derive(Serialize, ToSchema)]
pub(super) struct JobProblem {
    code: String,
    message: String,
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        let error = job.error.map(|error| JobProblem { code: error.code, message: error.message });
        Self {
            id: job.id,
            kind: job.kind,
            payload: job.payload,
            state: job.state,
            progress: job.progress,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            crash_count: job.crash_count,
            cancel_requested: job.cancel_requested,
            result: job.result,
            error,
            run_at: job.run_at,
            created_at: job.created_at,
            finished_at: job.finished_at,
        }
    }
}

/// Jobs that ended without a result and do not run again by themselves, newest first, at most 500.
#[utoipa::path(get, path = "/api/jobs/dead", responses((status = 200, body = Items<JobView>)))]
pub(super) async fn dead(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::WorkspaceManage>,
) -> Reply<Json<Items<JobView>>> {
    let dead = app.queue.dead(&scope, MOST).await?;
    Ok(Json(Items { items: dead.into_iter().map(JobView::from).collect() }))
}

/// One job. Ended ones are kept for a week.
#[utoipa::path(get, path = "/api/jobs/{id}", params(("id" = JobId, Path)),
    responses((status = 200, body = JobView), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<JobId>,
) -> Reply<Json<JobView>> {
    Ok(Json(app.queue.job(&scope, id).await?.into()))
}

/// Asks for the end of a job. One that runs ends where it can.
#[utoipa::path(post, path = "/api/jobs/{id}/cancel", params(("id" = JobId, Path)),
    responses((status = 200, body = JobView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn cancel(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::SourceWrite>,
    Path(id): Path<JobId>,
) -> Reply<Json<JobView>> {
    let job = app.queue.job(&scope, id).await?;
    if job.kind == webhook::KIND && !job.state.is_final() {
        // Else its delivery would be given another job in the night.
        return Err(Error::new(ErrorKind::Conflict, "cancel job")
            .with("fix", "disable or delete the webhook to end its deliveries")
            .into());
    }
    if let Some(run) = app.chat.run_of(&job) {
        // It ends as stopped, with what was written.
        app.chat.stop(&scope, run).await?;
        return Ok(Json(app.queue.job(&scope, id).await?.into()));
    }
    match app.ingest.source_of(&job) {
        // The source says so too, and keeps what can be asked about already.
        Some(source) if !job.state.is_final() => in_task(async move {
            app.ingest.cancel(&scope, source).await?;
            Ok(Json(app.queue.job(&scope, id).await?.into()))
        })
        .await
        .map_err(Problem::from),
        _ => Ok(Json(app.queue.cancel(&scope, id).await?.into())),
    }
}

/// Runs a dead job again, with a new budget of attempts.
#[utoipa::path(post, path = "/api/jobs/{id}/retry", params(("id" = JobId, Path)),
    responses((status = 200, body = JobView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn retry(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::SourceWrite>,
    Path(id): Path<JobId>,
) -> Reply<Json<JobView>> {
    let job = app.queue.job(&scope, id).await?;
    if let Some(source) = app.ingest.source_of(&job) {
        // A source goes on in a job of its own: this one has ended.
        return in_task(async move {
            app.ingest.retry(&scope, source).await?;
            let job = app.ingest.job_of(&scope, source).await?;
            Ok(Json(job.ok_or_else(|| Error::not_found("retry job", "job"))?.into()))
        })
        .await
        .map_err(Problem::from);
    }
    let job = app.queue.revive(&scope, id).await?;
    tracing::info!(job = %id, kind = job.kind, tenant = %scope.tenant(), "a dead job was run again on request");
    app.bell.notify_one();
    Ok(Json(job.into()))
}
