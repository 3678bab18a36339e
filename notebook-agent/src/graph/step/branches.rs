//! Branches: begun side by side, and put together when all of them have come to their ends.

use std::sync::Arc;

use super::{After, Halt, Machine, broken, over};
use crate::graph::{
    Branch, BudgetName, End, EventBody, Failure, State,
    build::Action,
    state::{Running, Status},
};

impl<S: State> Machine<'_, S> {
    pub(super) fn split(
        &mut self,
        branch: &mut Running<S>,
        node: Arc<str>,
        start: &Arc<str>,
        states: Vec<S>,
    ) -> Result<After, Halt> {
        // The branch itself is out of the list at the moment.
        let all = self.run.branches.len() + 1 + states.len();
        if all > self.run.budget.branches as usize {
            return Err(over(BudgetName::Branches).into());
        }
        let mut ids = Vec::new();
        branch.status = Status::Joining(states.iter().map(|_| None).collect());
        for (place, state) in (0..).zip(states) {
            let id = self.run.next_branch;
            self.run.next_branch += 1;
            let (path, parent) = (vec![Arc::clone(start)], Some((branch.id, place)));
            let part = Running { id, parent, state: Some(state), path, status: Status::Ready };
            self.run.branches.insert(id, part);
            self.run.ready.push_back(id);
            ids.push(id);
        }
        let none = ids.is_empty();
        self.tell(branch.id, EventBody::Split { node, branches: ids });
        if none { self.join(branch) } else { Ok(After::Waits) }
    }

    /// Every branch came to its end: what became of them is put together.
    fn join(&mut self, branch: &mut Running<S>) -> Result<After, Halt> {
        let graph = self.graph;
        let path = branch.path.last().map(Arc::clone).unwrap_or_default();
        let status = std::mem::replace(&mut branch.status, Status::Ready);
        let node = graph.nodes.get(&path).map(|node| &node.action);
        let (Some(Action::Split { reduce, .. }), Some(state), Status::Joining(ended)) =
            (node, branch.state.as_mut(), status)
        else {
            return Err(broken(&path));
        };
        let ended: Vec<_> = ended.into_iter().flatten().collect();
        let failed = ended.iter().filter(|branch| branch.failure.is_some()).count();
        let failed = u32::try_from(failed).unwrap_or(u32::MAX);
        self.tell(branch.id, EventBody::Joined { node: Arc::clone(&path), failed });
        self.with(branch.id, &path, |context| reduce(state, ended, context))?;
        Ok(After::Leaves)
    }

    /// A branch came to its end: the run's, or one among those that another waits for.
    pub(super) fn complete(&mut self, id: u32, failure: Option<Failure>) -> Result<(), End> {
        let Some(parent) = self.run.branches.get(&id).map(|branch| branch.parent) else {
            return Ok(());
        };
        let Some((parent, place)) = parent else { return Err(End::Done) };
        let state = self.run.branches.remove(&id).and_then(|branch| branch.state);
        let Some(mut waiting) = self.run.branches.remove(&parent) else { return Ok(()) };
        let mut all = false;
        if let (Status::Joining(ended), Some(state)) = (&mut waiting.status, state) {
            if let Some(slot) = ended.get_mut(place as usize) {
                *slot = Some(Branch { state, failure });
            }
            all = ended.iter().all(Option::is_some);
        }
        let joined = if all { self.join(&mut waiting) } else { Ok(After::Waits) };
        self.settle_branch(waiting, joined)
    }
}
