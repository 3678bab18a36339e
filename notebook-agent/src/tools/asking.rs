//! Questions of runs to people, kept in a store: the engine's way to the port of approvals.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use notebook_core::{
    RunId,
    approval::{self, ApprovalState, ApprovalStore, NewApproval, digest},
};

use crate::graph::{Approval, Approvals, CallInfo, Failure, ToolCall, Verdict};

/// How much of what stands for a definition is shown: enough to tell two apart.
const SHOWN: usize = 16;

/// Asks people through a store, and does not wait: the run is parked until one has answered.
#[derive(Clone)]
pub struct Asking {
    store: Arc<dyn ApprovalStore>,
    wakes: fn(RunId) -> String,
    tell: Option<Listener>,
}

/// Is told each question as it stands when it is looked at.
type Listener = Arc<dyn Fn(&approval::Approval) + Send + Sync>;

impl Asking {
    /// Through this store. An answer makes the job due whose unique key this gives for the run.
    #[must_use]
    pub fn new(store: Arc<dyn ApprovalStore>, wakes: fn(RunId) -> String) -> Self {
        Self { store, wakes, tell: None }
    }

    /// The same; each question is told as it stands whenever the run looks at it. To be quick.
    #[must_use]
    pub fn telling(self, tell: impl Fn(&approval::Approval) + Send + Sync + 'static) -> Self {
        Self { tell: Some(Arc::new(tell)), ..self }
    }
}

/// What a person is shown of a tool: with the beginning of what stands for its definition, where that may change.
fn shown(action: &ToolCall) -> String {
    match action.definition.as_deref().and_then(|definition| definition.get(..SHOWN)) {
        Some(beginning) => format!("{}@{beginning}", action.name),
        None => action.name.clone(),
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asking")
    }
}

#[async_trait]
impl Approvals for Asking {
    async fn ask(&self, info: &CallInfo, approval: &Approval) -> Result<Option<Verdict>, Failure> {
        let arguments = approval.action.arguments.to_string();
        let tool = shown(&approval.action);
        let wanted = digest(&tool, &arguments);
        let new = NewApproval {
            run: info.run,
            call: info.key.to_string(),
            tool,
            arguments,
            reason: approval.reason.clone(),
            wait: info.timeout,
            wakes: Some((self.wakes)(info.run)),
        };
        let asked = self.store.ask(&info.scope, new).await?;
        // What runs is what was shown.
        if asked.digest != wanted {
            return Err(Failure::new("conflict", "this call was shown with other arguments"));
        }
        if let Some(tell) = &self.tell {
            tell(&asked);
        }
        Ok(match asked.state {
            ApprovalState::Pending => None,
            ApprovalState::Approved => Some(Verdict::Approved),
            ApprovalState::Refused => Some(Verdict::Refused { reason: asked.note }),
            ApprovalState::Expired => Some(Verdict::Expired),
        })
    }
}
