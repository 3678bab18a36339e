//! Reports of wrong refusals.

use axum::{extract::State, http::StatusCode};
use notebook_core::{
    ReportId,
    model::{Page, PageRequest},
    report::{NewReport, Report},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    extract::{Json, Path, Query, Scope, need},
    problem::{Problem, Reply},
};

/// A question that was refused wrongly.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateReport {
    /// The question. Its SHA-256 is stored; itself only with `keep_question`.
    question: String,
    /// `labels` of the refusal.
    #[serde(default)]
    labels: Vec<String>,
    /// Whether the admins of the workspace may read the question.
    #[serde(default)]
    keep_question: bool,
    /// What there is to say about it; at most 2,000 bytes.
    remark: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReportQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 1,000; 50 when absent.
    limit: Option<usize>,
}

/// Reports that a question was refused wrongly.
#[utoipa::path(post, path = "/api/guard/reports", request_body = CreateReport,
    responses((status = 201, body = Report), (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::Chat>,
    Json(body): Json<CreateReport>,
) -> Reply<(StatusCode, Json<Report>)> {
    let CreateReport { question, labels, keep_question, remark } = body;
    let report = NewReport { labels, question, keep_question, remark }.report(app.clock.now())?;
    Ok((StatusCode::CREATED, Json(app.reports.add(&scope, report).await?)))
}

/// The workspace's reports, newest first.
#[utoipa::path(get, path = "/api/guard/reports", params(ReportQuery),
    responses((status = 200, body = Page<Report>), (status = 422, body = Problem)))]
pub(super) async fn list(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::AuditRead>,
    Query(query): Query<ReportQuery>,
) -> Reply<Json<Page<Report>>> {
    let page = PageRequest { after: query.after, limit: query.limit.unwrap_or(50) };
    Ok(Json(app.reports.list(&scope, page).await?))
}

/// Removes a report.
#[utoipa::path(delete, path = "/api/guard/reports/{id}", params(("id" = ReportId, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn delete(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::WorkspaceManage>,
    Path(id): Path<ReportId>,
) -> Reply<StatusCode> {
    app.reports.remove(&scope, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
