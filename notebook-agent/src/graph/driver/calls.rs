//! Calls under way: each in a task of its own, with a deadline.

use std::{collections::HashMap, sync::Arc, time::Duration};

use notebook_core::TenantScope;
use tokio::{
    task::{AbortHandle, Id, JoinSet},
    time::Instant,
};

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
    underway: HashMap<Id, Underway>,
}

struct Underway {
    key: Arc<str>,
    handle: AbortHandle,
    timeout: Duration,
    until: Instant,
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
        let until = Instant::now() + timeout;
        self.underway.insert(handle.id(), Underway { key, handle, timeout, until });
    }

    /// Ends a call; its answer is not waited for.
    pub(super) fn cancel(&mut self, key: &str) {
        self.underway.retain(|_, call| {
            let goes = *call.key == *key;
            if goes {
                call.handle.abort();
            }
            !goes
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.underway.is_empty()
    }

    /// The next that comes back, or is late; `None` when none is under way.
    pub(super) async fn next(&mut self) -> Option<Done> {
        loop {
            // Here, and not in the call's task: that may block its thread.
            let (id, until) = self.first_deadline()?;
            let joined = tokio::select! {
                biased;
                joined = self.tasks.join_next_with_id() => joined?,
                () = tokio::time::sleep_until(until) => {
                    let call = self.underway.remove(&id)?;
                    call.handle.abort();
                    return Some(Done { key: call.key, answer: Some(Err(late(call.timeout))) });
                }
            };
            let (id, answer) = match joined {
                Ok((id, answer)) => (id, answer),
                Err(error) => (error.id(), Some(Err(broken(error)))),
            };
            // One that was ended is not known any more.
            if let Some(call) = self.underway.remove(&id) {
                return Some(Done { key: call.key, answer });
            }
        }
    }

    fn first_deadline(&self) -> Option<(Id, Instant)> {
        let first = self.underway.iter().min_by_key(|(_, call)| call.until);
        first.map(|(id, call)| (*id, call.until))
    }
}

fn broken(error: tokio::task::JoinError) -> Failure {
    match error.try_into_panic() {
        Ok(panic) => panicked(&*panic),
        Err(_) => Failure::new("cancelled", "the call was ended"),
    }
}

async fn make(hands: &Hands, info: &CallInfo, call: Call) -> Option<Answer> {
    match call {
        Call::Model(call) => Some(hands.models.call(info, call).await.map(Reply::Model)),
        Call::Tool(call) => Some(hands.tools.call(info, call).await.map(Reply::Tool)),
        Call::Approval(approval) => {
            let asked = hands.approvals.ask(info, &approval).await.transpose()?;
            Some(asked.map(Reply::Approval))
        }
    }
}

fn late(after: Duration) -> Failure {
    let message = format!("no answer within {} ms", after.as_millis());
    Failure { retryable: true, ..Failure::new("timeout", message) }
}
