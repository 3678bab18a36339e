//! The audit log of the workspace.

use axum::extract::State;
use notebook_core::{
    Timestamp, hex,
    identity::audit::{Actor, Entry, NewEntry, Severity, verify},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    extract::{Json, May, Query, need},
    problem::{Problem, Reply},
};

/// Something that was done.
#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct EntryView {
    /// Its place in the log, from 1.
    seq: u64,
    at: Timestamp,
    /// Who did it: `{kind: "user" | "key" | "system" | "unknown", id?}`.
    #[schema(value_type = Object)]
    actor: Actor,
    /// Such as `member.added`.
    action: String,
    target: Option<String>,
    severity: Severity,
    #[schema(value_type = Object)]
    detail: serde_json::Value,
    /// SHA-256 over this entry and the hash before it, in hexadecimal.
    hash: String,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        Self {
            seq: entry.seq,
            at: entry.at,
            actor: entry.what.actor,
            action: entry.what.action,
            target: entry.what.target,
            severity: entry.what.severity,
            detail: serde_json::from_str(&entry.what.detail).unwrap_or_default(),
            hash: hex(entry.hash),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::routes) struct AuditQuery {
    /// `next` of the page before.
    before: Option<u64>,
    /// 1 to 500; 50 when absent.
    limit: Option<usize>,
}

/// A page of the log.
#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct AuditPage {
    items: Vec<EntryView>,
    /// `before` of the next page.
    next: Option<u64>,
}

/// What was done in the workspace, newest first. Reading it is logged too.
#[utoipa::path(get, path = "/api/audit", params(AuditQuery),
    responses((status = 200, body = AuditPage), (status = 401, body = Problem), (status = 403, body = Problem), (status = 422, body = Problem)))]
pub(in crate::routes) async fn list(
    State(app): State<App>,
    May(principal, ..): May<need::AuditRead>,
    Query(query): Query<AuditQuery>,
) -> Reply<Json<AuditPage>> {
    let limit = query.limit.unwrap_or(50);
    if !(1..=500).contains(&limit) {
        return Err(notebook_core::Error::invalid("read audit log", "limit", "use 1 to 500").into());
    }
    let identity = app.access.identity();
    if query.before.is_none() {
        // Once a look, not once a page.
        let entry = NewEntry::new(principal.actor(), "audit.read");
        identity.append(&principal.scope, vec![entry]).await?;
    }
    let entries = identity.newest(&principal.scope, query.before, limit).await?;
    let last = entries.last().map(|entry| entry.seq).filter(|seq| *seq > 1);
    let next = last.filter(|_| entries.len() == limit);
    Ok(Json(AuditPage { items: entries.into_iter().map(EntryView::from).collect(), next }))
}

/// What a check of the log found.
#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct Checked {
    /// Whether every entry is as it was written, and none is missing.
    ok: bool,
    /// How many were looked at.
    entries: u64,
    /// The last one's hash: keep it elsewhere to see later that nothing was cut off.
    head: String,
    /// Where it breaks, if it does, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(rename = "break")]
    broken: Option<BreakView>,
}

/// The first entry that is not what was logged.
#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct BreakView {
    seq: u64,
    /// How, as the end of a sentence.
    fault: String,
}

/// Checks the chain of the workspace's log from its beginning.
#[utoipa::path(get, path = "/api/audit/verify",
    responses((status = 200, body = Checked), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(in crate::routes) async fn check(
    State(app): State<App>,
    May(principal, ..): May<need::AuditRead>,
) -> Reply<Json<Checked>> {
    let identity = app.access.identity();
    let found = verify(&**identity, &principal.scope, None, app.access.audit_keys()).await?;
    Ok(Json(Checked {
        ok: found.broken.is_none(),
        entries: found.head.seq,
        head: hex(found.head.hash),
        broken: found.broken.map(|at| BreakView { seq: at.seq, fault: at.fault.to_string() }),
    }))
}
