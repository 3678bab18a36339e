//! What runs ask people to allow.

use axum::extract::State;
use notebook_core::{
    ConversationId, Error, ErrorKind, RunId, Timestamp,
    approval::{Answer, Approval, ApprovalId, ApprovalState, ApprovalStore as _, Say, visible},
    model::Run,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Items;
use crate::{
    app::App,
    extract::{Json, May, Path, Scope, need},
    problem::{Problem, Reply},
};

/// A question of a run, as a person must see it to decide.
#[derive(Serialize, ToSchema)]
pub(super) struct ApprovalReply {
    id: ApprovalId,
    run: RunId,
    /// The conversation that the run answers in.
    conversation: ConversationId,
    /// The tool.
    tool: String,
    /// Its exact arguments, as JSON.
    arguments: String,
    /// The same for the eye: what is not seen, or turns the direction of writing, is written out as `⟨U+202E⟩`.
    shown: String,
    /// Whether something had to be written out.
    hidden: bool,
    /// How many characters the arguments have.
    characters: usize,
    /// What stands for tool and arguments: the answer names it.
    digest: String,
    /// Why a person is asked.
    reason: String,
    state: ApprovalState,
    asked_at: Timestamp,
    /// Until when it can be answered.
    expires_at: Timestamp,
    decided_at: Option<Timestamp>,
    /// What was said about it.
    note: String,
}

impl ApprovalReply {
    fn new(approval: Approval, run: &Run) -> Self {
        let shown = visible(&approval.arguments);
        Self {
            id: approval.id,
            run: approval.run,
            conversation: run.conversation,
            hidden: shown != approval.arguments,
            shown,
            characters: approval.arguments.chars().count(),
            tool: approval.tool,
            arguments: approval.arguments,
            digest: approval.digest,
            reason: approval.reason,
            state: approval.state,
            asked_at: approval.asked_at,
            expires_at: approval.expires_at,
            decided_at: approval.decided_at,
            note: approval.note,
        }
    }
}

/// What a run asks people to allow, and what they said; oldest first.
#[utoipa::path(get, path = "/api/runs/{id}/approvals", params(("id" = RunId, Path)),
    responses((status = 200, body = Items<ApprovalReply>), (status = 404, body = Problem)))]
pub(super) async fn list(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(run): Path<RunId>,
) -> Reply<Json<Items<ApprovalReply>>> {
    let run = app.runs.log().run(&scope, run).await?;
    let found = app.rows.approvals(&scope, run.id).await?;
    Ok(Json(Items { items: found.into_iter().map(|one| ApprovalReply::new(one, &run)).collect() }))
}

/// What waits for an answer in the workspace; oldest first.
#[utoipa::path(get, path = "/api/approvals", responses((status = 200, body = Items<ApprovalReply>)))]
pub(super) async fn open(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
) -> Reply<Json<Items<ApprovalReply>>> {
    let mut items = Vec::new();
    for run in app.runs.log().unfinished(&scope).await? {
        let found = app.rows.approvals(&scope, run.id).await?;
        let open = found.into_iter().filter(|one| one.state == ApprovalState::Pending);
        items.extend(open.map(|one| ApprovalReply::new(one, &run)));
    }
    items.sort_by_key(|item| item.id);
    Ok(Json(Items { items }))
}

/// One question, with the exact arguments.
#[utoipa::path(get, path = "/api/approvals/{id}", params(("id" = ApprovalId, Path)),
    responses((status = 200, body = ApprovalReply), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<ApprovalId>,
) -> Reply<Json<ApprovalReply>> {
    let found = app.rows.approval(&scope, id).await?;
    let run = app.runs.log().run(&scope, found.run).await?;
    Ok(Json(ApprovalReply::new(found, &run)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Verdict {
    /// `approve` or `refuse`.
    verdict: Say,
    /// The `digest` of what was shown.
    digest: String,
    /// Something for the model to read, such as why not.
    #[serde(default)]
    note: String,
}

/// Allows or refuses what a run asks for. Only what was shown can be allowed; an answer stays.
#[utoipa::path(post, path = "/api/approvals/{id}", params(("id" = ApprovalId, Path)),
    request_body = Verdict,
    responses((status = 200, body = ApprovalReply), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn decide(
    State(app): State<App>,
    May(principal, ..): May<need::NotebookWrite>,
    Path(id): Path<ApprovalId>,
    Json(body): Json<Verdict>,
) -> Reply<Json<ApprovalReply>> {
    let asked = app.rows.approval(&principal.scope, id).await?;
    let run = app.runs.log().run(&principal.scope, asked.run).await?;
    if asked.state == ApprovalState::Pending && run.state.is_terminal() {
        // An answer would stand in the audit log for a call that is never made.
        let fix = "the run has ended, and calls nothing any more";
        return Err(Error::new(ErrorKind::Conflict, "answer question").with("fix", fix).into());
    }
    let by = Some(principal.user);
    let answer = Answer { say: body.verdict, digest: body.digest, by, note: body.note };
    let decided = app.rows.decide(&principal.scope, id, answer).await?;
    let action = match decided.state {
        ApprovalState::Approved => "approval.approved",
        _ => "approval.refused",
    };
    app.log(&principal, action, decided.id).await?;
    // A run of this process need not wait for the next look.
    app.bell.notify_one();
    let run = app.runs.log().run(&principal.scope, decided.run).await?;
    Ok(Json(ApprovalReply::new(decided, &run)))
}
