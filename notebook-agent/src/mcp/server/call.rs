//! A call of a server's tool.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use rmcp::{
    model::{CallToolRequestParams, CallToolResponse},
    service::ServiceError,
};
use serde_json::Value;
use tokio::time::Instant;

use super::{Server, lost};
use crate::{
    graph::Failure,
    mcp::{content, health::Heard},
    tools::{At, Observation, RawTool, changed},
};

/// A tool of a server, as it was defined once.
pub(super) struct Remote {
    pub(super) server: Weak<Server>,
    pub(super) tool: String,
    pub(super) digest: String,
}

#[async_trait]
impl RawTool for Remote {
    async fn call(&self, at: At<'_>, arguments: Value) -> Result<Observation, Failure> {
        let gone = || Failure::new("unavailable", "the MCP servers are gone");
        let server = self.server.upgrade().ok_or_else(gone)?;
        let mut waiting = Waiting::new(&server, at.call.timeout);
        server.call(&self.tool, &self.digest, arguments, &mut waiting).await
    }
}

/// A call that nothing was heard of yet. Whoever waits gives it up by dropping it: that is noticed where its time had run out.
struct Waiting<'s> {
    server: &'s Server,
    since: Instant,
    enough: Duration,
    is_answered: bool,
}

impl<'s> Waiting<'s> {
    fn new(server: &'s Server, limit: Duration) -> Self {
        let time = server.settings.taking.time.min(limit);
        // Whose time it is began before this, on a busy machine long before. Half of it also counts calls that somebody has stopped: all
        // that comes of it is that the server is asked whether it is there.
        Self { server, since: Instant::now(), enough: time / 2, is_answered: false }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            self.server.heard(Heard::Answer);
        } else if self.since.elapsed() >= self.enough {
            self.server.heard(Heard::Nothing);
        }
    }
}

impl Server {
    async fn call(
        self: &Arc<Self>,
        tool: &str,
        digest: &str,
        arguments: Value,
        waiting: &mut Waiting<'_>,
    ) -> Result<Observation, Failure> {
        let name = &self.settings.taking.server;
        let live = self.live.lock().clone();
        let Some(live) = live.filter(|live| !live.peer.is_transport_closed()) else {
            // Somebody wants it now.
            self.wake.notify_one();
            let message = format!("the MCP server {name} is not connected now");
            return Err(Failure { retryable: true, ..Failure::new("unavailable", message) });
        };
        let listed = self.list_if_old(&live.peer).await;
        listed
            .map_err(|why| Failure::new("unavailable", format!("the MCP server {name}: {why}")))?;
        if !self.standing.borrow().offer.has(tool, digest) {
            return Err(changed());
        }
        let Value::Object(arguments) = arguments else {
            return Err(Failure::new("bad_arguments", "give the arguments as one JSON object"));
        };
        let asked = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let answer = live.peer.call_tool_once(asked).await;
        waiting.is_answered = matches!(
            answer,
            Ok(_) | Err(ServiceError::McpError(_) | ServiceError::UnexpectedResponse)
        );
        match answer {
            Ok(CallToolResponse::Complete(result)) => content::observation(name, &result),
            Ok(_) => {
                let message = format!(
                    "the MCP server {name} wants more before it answers, which nobody gives it"
                );
                Err(Failure::new("unsupported", message))
            }
            Err(error) => {
                let message =
                    format!("the MCP server {name}: {}", self.without_secrets(&lost(&error)));
                Err(Failure::new("tool_failed", message))
            }
        }
    }
}
