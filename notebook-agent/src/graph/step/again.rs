//! A run that was stored and is taken up again.

use std::sync::Arc;

use notebook_core::Timestamp;

use super::{Effect, Machine, Request, context, digest, guard, request};
use crate::graph::{
    Call, End, Failure, State,
    build::Action,
    state::{Running, Status},
};

impl<S: State> Machine<'_, S> {
    /// What the last step gave out, again. The nodes are asked again what they ask for, and it has to be the same.
    pub(super) fn again(&mut self, now: Timestamp) {
        self.effects.extend(self.run.events.iter().cloned().map(Effect::Emit));
        let passed = now.since(self.run.at);
        let late = passed >= self.run.time_left() && !self.run.waits_for_people();
        // One whose time is over makes no more calls: the next tick ends it.
        if self.run.end.is_some() || late {
            return;
        }
        let ids: Vec<_> = self.run.pending().map(|(id, _)| id).collect();
        for id in ids {
            let Some(branch) = self.run.branches.remove(&id) else { continue };
            let asked = self.ask_again(&branch);
            let node = branch.path.last().map(Arc::clone);
            self.run.branches.insert(id, branch);
            match asked {
                Ok(mut request) => {
                    if !matches!(request.call, Call::Approval(_)) {
                        let left = self.run.time_left().saturating_sub(passed);
                        request.timeout = request.timeout.min(left);
                    }
                    self.effects.push(Effect::Call(request));
                }
                Err(failure) => {
                    self.effects.clear();
                    return self.fail_again(node, failure, now);
                }
            }
        }
    }

    fn fail_again(&mut self, node: Option<Arc<str>>, failure: Failure, at: Timestamp) {
        self.run.step += 1;
        self.run.at = at;
        let before = std::mem::take(&mut self.run.events);
        self.finish(End::Failed { node, failure });
        let body = self.encode();
        let (version, schema) = (self.run.step, self.run.schema);
        let told = before.into_iter().chain(self.run.events.iter().cloned());
        let told: Vec<_> = told.map(Effect::Emit).collect();
        self.effects.push(Effect::Checkpoint { version, schema, body });
        self.effects.extend(told);
    }

    fn ask_again(&mut self, branch: &Running<S>) -> Result<Request, Failure> {
        let graph = self.graph;
        let path = branch.path.last().map(Arc::clone).unwrap_or_default();
        let node = graph.nodes.get(&path).map(|node| &node.action);
        let (Some(Action::Call { ask, .. }), Some(state), Status::Calling(pending)) =
            (node, branch.state.as_ref(), &branch.status)
        else {
            return Err(Failure::new("internal", "the call is gone"));
        };
        let mut context = context(&self.run, branch.id, &path);
        let call = guard(|| ask(state, &mut context))?;
        if digest(&call) == pending.digest {
            return Ok(request(&self.run, &path, pending, call));
        }
        let message = "the node asks for something else than before it was stored: its function has changed, or is not pure";
        Err(Failure::new("not_repeatable", message))
    }
}
