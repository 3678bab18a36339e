//! Recordings of runs.

use axum::extract::State;
use notebook_agent::chat::{joined, without_server};
use notebook_core::{Error, ErrorKind, RunId, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    app::App,
    extract::{Json, May, Path, need},
    problem::{Problem, Reply},
};

/// What came into a run, and what came out.
#[derive(Serialize, ToSchema)]
pub(super) struct RunRecording {
    run: RunId,
    /// One for each time that a worker took it up, in their order; none where runs were not recorded.
    parts: Vec<RecordingPart>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct RecordingPart {
    /// From 1.
    part: u32,
    recorded_at: Timestamp,
    /// As `notebook replay` reads it.
    #[schema(value_type = Object)]
    recording: Box<RawValue>,
}

/// What was recorded of a run: all that models, tools and people said, as they said it. What it knows of the server, the words and folders that
/// redaction looks for, is for those who run the installation.
#[utoipa::path(get, path = "/api/runs/{id}/recording", params(("id" = RunId, Path)),
    responses((status = 200, body = RunRecording), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(app): State<App>,
    May(principal, ..): May<need::AuditRead>,
    Path(id): Path<RunId>,
) -> Reply<Json<RunRecording>> {
    let scope = &principal.scope;
    app.runs.log().run(scope, id).await?;
    let operates = app.access.operates(&principal).is_ok();
    let mut parts = Vec::new();
    for stored in joined(app.recordings.recording(scope, id).await?)? {
        let body = if operates { stored.body } else { without_server(&stored.body)? };
        let recording = String::from_utf8(body).ok().map(RawValue::from_string);
        let recording = recording.and_then(Result::ok).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, "read recording").with("part", stored.part.to_string())
        })?;
        parts.push(RecordingPart { part: stored.part, recorded_at: stored.recorded_at, recording });
    }
    Ok(Json(RunRecording { run: id, parts }))
}
