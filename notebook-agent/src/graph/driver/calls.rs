//! Calls under way: each in a task of its own, with a deadline.

use std::{collections::HashMap, sync::Arc, time::Duration};

use notebook_core::TenantScope;
use tokio::task::{AbortHandle, Id, JoinSet};

use super::{Approvals, CallInfo, Models, Tools};
use crate::graph::{Answer, Call, Failure, Reply, Request, step::panicked};

/// Who does what nodes ask for.
#[derive(Clone)]
pub(super) struct Hands {
    pub(super) models: Arc<dyn Models>,
    pub(super) tools: Arc<dyn Tools>,
    pub(super) approvals: Arc<dyn Approvals>,
}

/// Calls under way. Dropping this ends them.
#[derive(Default)]
pub(super) struct Calls {
    tasks: JoinSet<Option<Answer>>,
    keys: HashMap<Id, (Arc<str>, AbortHandle)>,
}

/// A call that came back.
pub(super) struct Done {
    pub(super) key: Arc<str>,
    /// `None`: a person was asked, and has not answered yet.
    pub(super) answer: Option<Answer>,
}

impl Calls {
    pub(super) fn start(&mut self, hands: &Hands, scope: &TenantScope, request: Request) {
        let Request { run, key, node, call, timeout, most_bytes } = request;
        let info = CallInfo {
            scope: scope.clone(),
            run,
            node,
            key: Arc::clone(&key),
            timeout,
            most_bytes,
        };
        let hands = hands.clone();
        let handle = self.tasks.spawn(async move { make(&hands, &info, call).await });
        self.keys.insert(handle.id(), (key, handle));
    }

    /// Ends a call; its answer is not waited for.
    pub(super) fn cancel(&mut self, key: &str) {
        self.keys.retain(|_, (other, handle)| {
            let goes = **other == *key;
            if goes {
                handle.abort();
            }
            !goes
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The next that comes back; `None` when none is under way.
    pub(super) async fn next(&mut self) -> Option<Done> {
        loop {
            let (id, answer) = match self.tasks.join_next_with_id().await? {
                Ok((id, answer)) => (id, answer),
                Err(error) => {
                    let id = error.id();
                    let failure = match error.try_into_panic() {
                        Ok(panic) => panicked(&*panic),
                        Err(_) => Failure::new("cancelled", "the call was ended"),
                    };
                    (id, Some(Err(failure)))
                }
            };
            // One that was ended is not known any more.
            if let Some((key, _)) = self.keys.remove(&id) {
                return Some(Done { key, answer });
            }
        }
    }
}

async fn make(hands: &Hands, info: &CallInfo, call: Call) -> Option<Answer> {
    let made = async {
        match call {
            Call::Model(call) => Some(hands.models.call(info, call).await.map(Reply::Model)),
            Call::Tool(call) => Some(hands.tools.call(info, call).await.map(Reply::Tool)),
            Call::Approval(approval) => {
                let asked = hands.approvals.ask(info, &approval).await.transpose()?;
                Some(asked.map(Reply::Approval))
            }
        }
    };
    match tokio::time::timeout(info.timeout, made).await {
        Ok(answer) => answer,
        Err(_) => Some(Err(late(info.timeout))),
    }
}

fn late(after: Duration) -> Failure {
    let message = format!("no answer within {} ms", after.as_millis());
    Failure { retryable: true, ..Failure::new("timeout", message) }
}
