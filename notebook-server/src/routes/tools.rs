//! The tools that models may be given.

use axum::extract::State;
use notebook_agent::{guard::policy::ToolClass, tools::ToolInfo};
use serde::Serialize;
use utoipa::ToSchema;

use super::Items;
use crate::{
    app::App,
    extract::{Json, Scope, need},
    problem::Reply,
};

/// A tool.
#[derive(Serialize, ToSchema)]
pub(super) struct ToolReply {
    /// What a notebook's settings call it.
    name: String,
    /// What it does, as models are told.
    description: String,
    /// `read`, `write` or `outward`: what it can do at most. Tools that only read are on where a notebook names none.
    #[schema(value_type = String)]
    class: ToolClass,
}

impl From<&ToolInfo> for ToolReply {
    fn from(info: &ToolInfo) -> Self {
        let (name, description) = (info.name.clone(), info.description.clone());
        Self { name, description, class: info.class }
    }
}

/// The tools that there are for research, by name.
#[utoipa::path(get, path = "/api/tools", responses((status = 200, body = Items<ToolReply>)))]
pub(super) async fn list(
    State(app): State<App>,
    _: Scope<need::NotebookRead>,
) -> Reply<Json<Items<ToolReply>>> {
    let items = app.chat.tools().map_or_else(Vec::new, |tools| {
        tools.names().iter().filter_map(|name| tools.info(name)).map(Into::into).collect()
    });
    Ok(Json(Items { items }))
}
