//! The other programs whose tools models may be given.

use axum::extract::State;
use notebook_agent::{
    guard::policy::ToolClass,
    mcp::{Standing, offer::Taken, state::Status},
};
use notebook_core::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Items;
use crate::{
    app::App,
    extract::{Json, Scope, need},
    problem::Reply,
};

/// An MCP server. How it is reached, and with what secrets, is the operator's.
#[derive(Serialize, ToSchema)]
pub(super) struct McpServerReply {
    /// What a notebook's settings call it.
    name: String,
    /// `connected`, `disconnected` (not begun yet) or `error`, after which it is begun anew by itself.
    #[schema(value_type = String)]
    status: Status,
    /// Since when.
    since: Timestamp,
    /// Why there is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The revision of the protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<String>,
    /// What it calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    /// Its tools; those of its last connection, where it has none.
    tools: Vec<McpToolReply>,
    /// How many of its tools are not offered: for what their schema is, or because their definition cannot be read.
    not_offered: usize,
    /// Which, and why, of the first of them.
    refused: Vec<String>,
}

/// A tool of an MCP server.
#[derive(Serialize, ToSchema)]
pub(super) struct McpToolReply {
    /// What models are told that it is called.
    name: String,
    /// What its server calls it.
    tool: String,
    /// What it does, in its server's words.
    description: String,
    /// `outward`, or `read` where the operator says so.
    #[schema(value_type = String)]
    class: ToolClass,
}

impl From<&Taken> for McpToolReply {
    fn from(taken: &Taken) -> Self {
        let Taken { name, tool, description, class, .. } = taken.clone();
        Self { name, tool, description, class }
    }
}

impl From<(String, Standing)> for McpServerReply {
    fn from((name, standing): (String, Standing)) -> Self {
        let Standing { connection, about, offer } = standing;
        let (protocol, about) = about.map(|about| (about.protocol, about.name)).unzip();
        Self {
            name,
            status: connection.status(),
            since: connection.since,
            reason: connection.reason().map(ToOwned::to_owned),
            protocol,
            about,
            tools: offer.taken.iter().map(Into::into).collect(),
            not_offered: offer.not_taken,
            refused: offer.refused.clone(),
        }
    }
}

/// The MCP servers whose tools research may use in notebooks of this workspace that allow it, by name.
#[utoipa::path(get, path = "/api/mcp/servers", responses((status = 200, body = Items<McpServerReply>)))]
pub(super) async fn list(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
) -> Reply<Json<Items<McpServerReply>>> {
    let items = app.programs.standing(&scope).into_iter().map(Into::into).collect();
    Ok(Json(Items { items }))
}
