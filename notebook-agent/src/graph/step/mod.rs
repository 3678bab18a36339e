//! One step of a run: pure, without I/O, a clock or chance of its own.

mod again;
mod branches;
mod digest;
mod effect;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use notebook_core::Timestamp;
use parking_lot::Mutex;

pub(super) use digest::{digest, measure};
pub use effect::{Effect, Input, Request, Stepped};

use super::{
    Answer, BudgetName, Call, Context, End, Event, EventBody, Failure, Graph, Run, State,
    admit::{admit, settle},
    build::{Action, Exit, Target},
    state::{Kind, Pending, Running, Status},
};

/// Which node's function is being called, for somebody who waits in vain.
#[derive(Debug, Default)]
pub(super) struct Seen(pub(super) Mutex<Option<Arc<str>>>);

/// A step in the making. `Err` of its functions is the run's end.
pub(super) struct Machine<'g, S> {
    pub(super) graph: &'g Graph<S>,
    pub(super) run: Run<S>,
    pub(super) effects: Vec<Effect>,
    /// The number of the first event of this step.
    first_event: u64,
    seen: &'g Seen,
}

impl<S: State> Graph<S> {
    /// The next step: the same run, input and moment give the same run and effects.
    ///
    /// One node at most is entered. A run that has ended stays as it is.
    #[must_use]
    pub fn step(&self, run: Run<S>, input: Input, now: Timestamp) -> Stepped<S> {
        self.step_seen(run, input, now, &Seen::default())
    }

    pub(super) fn step_seen(
        &self,
        run: Run<S>,
        input: Input,
        now: Timestamp,
        seen: &Seen,
    ) -> Stepped<S> {
        let first_event = run.next_event;
        let mut machine = Machine { graph: self, run, effects: Vec::new(), first_event, seen };
        match input {
            Input::Resume => machine.again(now),
            _ if machine.run.end.is_some() || !machine.is_awaited(&input) => {}
            input => machine.forward(input, now),
        }
        Stepped { run: machine.run, effects: machine.effects }
    }
}

impl<S: State> Machine<'_, S> {
    fn is_awaited(&self, input: &Input) -> bool {
        match input {
            Input::Answer { key, .. } => self.run.pending().any(|(_, pending)| pending.key == *key),
            _ => true,
        }
    }

    fn forward(&mut self, input: Input, now: Timestamp) {
        self.run.step += 1;
        self.run.events.clear();
        self.pass_time(now);
        let entered =
            self.apply(input).and_then(|()| self.check_time()).and_then(|()| self.advance());
        if let Err(end) = entered {
            self.finish(end);
        }
        let body = self.encode();
        let (version, schema) = (self.run.step, self.run.schema);
        let calls = std::mem::take(&mut self.effects);
        let (cancels, calls): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|effect| matches!(effect, Effect::Cancel(_)));
        self.effects.extend(cancels);
        self.effects.push(Effect::Checkpoint { version, schema, body });
        self.effects.extend(self.run.events.iter().cloned().map(Effect::Emit));
        self.effects.extend(calls);
    }

    /// The stored form, within its budget: a run that outgrows it ends.
    fn encode(&mut self) -> Vec<u8> {
        let most = self.run.budget.state_bytes;
        let run = &self.run;
        // How a state serialises is its type's own code.
        match guard(|| run.encode().map_err(Failure::from)) {
            Ok(body) if body.len() <= most => return body,
            Ok(_) => self.outgrown(over(BudgetName::StateBytes)),
            Err(failure) => self.outgrown(End::Failed { node: None, failure }),
        }
        // Without any state of a node's, and with the last event alone, this is small.
        self.run.encode().unwrap_or_default()
    }

    /// Ends a run that cannot be stored as it is, without the states of its nodes and what this step told.
    fn outgrown(&mut self, end: End) {
        self.run.events.clear();
        self.run.next_event = self.first_event;
        self.run.end = None;
        self.finish(end);
        self.run.branches.clear();
    }

    /// Time that counts, and time that people take. A clock that goes back counts nothing.
    fn pass_time(&mut self, now: Timestamp) {
        let passed = now.since(self.run.at);
        self.run.at = now;
        if self.run.waits_for_people() {
            self.run.spent.waited += passed;
        } else {
            self.run.spent.time += passed;
        }
    }

    fn check_time(&self) -> Result<(), End> {
        if self.run.time_left().is_zero() { Err(over(BudgetName::WallTime)) } else { Ok(()) }
    }

    fn apply(&mut self, input: Input) -> Result<(), End> {
        match input {
            Input::Start => {
                let graph = Arc::clone(&self.graph.name);
                self.tell(0, EventBody::Started { graph });
                Ok(())
            }
            Input::Answer { key, answer } => {
                let found = self.run.pending().find(|(_, pending)| pending.key == key);
                let Some((id, pending)) = found else { return Ok(()) };
                let pending = pending.clone();
                self.receive(id, &pending, answer)
            }
            Input::Tick => self.expire(),
            Input::Stop => Err(End::Stopped),
            Input::Hung { node } => {
                self.check_time()?;
                let message = "the node's function did not come back in time";
                Err(End::Failed { node, failure: Failure::new("hung", message) })
            }
            Input::Continue | Input::Resume => Ok(()),
        }
    }

    /// The next branch in turn enters its node.
    fn advance(&mut self) -> Result<(), End> {
        let Some(id) = self.run.ready.pop_front() else { return Ok(()) };
        let Some(mut branch) = self.run.branches.remove(&id) else { return Ok(()) };
        let entered = self.enter(&mut branch);
        self.settle_branch(branch, entered)
    }

    /// What a branch's node did becomes of the branch: it is put back first, so that its state is kept whatever follows.
    fn settle_branch(&mut self, branch: Running<S>, done: Result<After, Halt>) -> Result<(), End> {
        let (id, node) = (branch.id, branch.path.last().map(Arc::clone));
        self.run.branches.insert(id, branch);
        match done {
            Ok(After::Waits) => Ok(()),
            Ok(After::Leaves) => self.leave(id),
            Err(Halt::Run(end)) => Err(end),
            Err(Halt::Branch(failure)) if id == 0 => Err(End::Failed { node, failure }),
            Err(Halt::Branch(failure)) => self.complete(id, Some(failure)),
        }
    }

    fn enter(&mut self, branch: &mut Running<S>) -> Result<After, Halt> {
        let graph = self.graph;
        let path = branch.path.last().map(Arc::clone).unwrap_or_default();
        let found = graph.nodes.get(&path).zip(branch.state.as_mut());
        let (node, state) = found.ok_or_else(|| broken(&path))?;
        if self.run.spent.steps >= self.run.budget.steps {
            return Err(over(BudgetName::Steps).into());
        }
        self.run.spent.steps += 1;
        self.tell(branch.id, EventBody::Entered { node: Arc::clone(&path) });
        match &node.action {
            Action::Compute(work) => {
                self.with(branch.id, &path, |context| work(state, context))?;
                Ok(After::Leaves)
            }
            Action::Call { ask, .. } => {
                let call = self.with(branch.id, &path, |context| ask(state, context))?;
                self.call(branch, path, call)
            }
            Action::Split { split, start, .. } => {
                let states = self.with(branch.id, &path, |context| split(state, context))?;
                self.split(branch, path, start, states)
            }
            Action::Inner { start } => {
                branch.path.push(Arc::clone(start));
                self.run.ready.push_back(branch.id);
                Ok(After::Waits)
            }
        }
    }

    fn call(&mut self, branch: &mut Running<S>, node: Arc<str>, call: Call) -> Result<After, Halt> {
        let admitted = admit(&mut self.run, branch.id, &node, &call)?;
        let (pending, failure) = (admitted.pending, admitted.failure);
        let (key, name) = (Arc::clone(&pending.key), call.name().to_owned());
        self.tell(branch.id, EventBody::Called { node: Arc::clone(&node), key, name });
        if let Some(failure) = failure {
            return self.take(branch, &pending, Err(failure));
        }
        let request = request(&self.run, &node, &pending, call);
        self.effects.push(Effect::Call(request));
        branch.status = Status::Calling(pending);
        Ok(After::Waits)
    }

    /// A call came back to its branch.
    fn receive(&mut self, id: u32, pending: &Pending, answer: Answer) -> Result<(), End> {
        let Some(mut branch) = self.run.branches.remove(&id) else { return Ok(()) };
        branch.status = Status::Ready;
        let taken = self.take(&mut branch, pending, answer);
        self.settle_branch(branch, taken)
    }

    fn take(
        &mut self,
        branch: &mut Running<S>,
        pending: &Pending,
        answer: Answer,
    ) -> Result<After, Halt> {
        let graph = self.graph;
        let path = branch.path.last().map(Arc::clone).unwrap_or_default();
        let (answer, budget) = settle(&mut self.run, pending, answer);
        let (key, failure) = (Arc::clone(&pending.key), answer.as_ref().err().cloned());
        self.tell(branch.id, EventBody::Answered { node: Arc::clone(&path), key, failure });
        let node = graph.nodes.get(&path).map(|node| &node.action);
        let (Some(Action::Call { take, .. }), Some(state)) = (node, branch.state.as_mut()) else {
            return Err(broken(&path));
        };
        // Kept even where the budget ends the run with it: it was paid for.
        let taken = self.with(branch.id, &path, |context| take(state, answer, context));
        if let Some(budget) = budget {
            return Err(over(budget).into());
        }
        taken?;
        Ok(After::Leaves)
    }

    /// Follows the edge of the node that a branch stands at, out of nested graphs as well.
    fn leave(&mut self, id: u32) -> Result<(), End> {
        let graph = self.graph;
        loop {
            let Some(branch) = self.run.branches.get_mut(&id) else { return Ok(()) };
            let Some(path) = branch.path.last().map(Arc::clone) else {
                return self.complete(id, None);
            };
            let target = match (graph.nodes.get(&path), branch.state.as_ref()) {
                (Some(node), Some(state)) => {
                    *self.seen.0.lock() = Some(Arc::clone(&path));
                    follow(&node.exit, state)
                }
                _ => Err(Failure::new("internal", "the node is gone")),
            };
            match target {
                Ok(Target::Node(next)) => {
                    branch.path.pop();
                    branch.path.push(next);
                    self.run.ready.push_back(id);
                    return Ok(());
                }
                Ok(Target::End) => {
                    branch.path.pop();
                }
                Err(failure) if id == 0 => return Err(End::Failed { node: Some(path), failure }),
                Err(failure) => return self.complete(id, Some(failure)),
            }
        }
    }

    /// People who have not answered in time have answered that.
    fn expire(&mut self) -> Result<(), End> {
        let now = self.run.spent.time + self.run.spent.waited;
        let most = self.run.budget.approval_time;
        let late = |pending: &Pending| {
            pending.kind == Kind::Approval && now.saturating_sub(pending.since) >= most
        };
        let expired: Vec<_> = self.run.pending().filter(|(_, pending)| late(pending)).collect();
        let expired: Vec<_> = expired.into_iter().map(|(id, p)| (id, p.clone())).collect();
        for (id, pending) in expired {
            self.effects.push(Effect::Cancel(Arc::clone(&pending.key)));
            let verdict = super::Reply::Approval(super::Verdict::Expired);
            self.receive(id, &pending, Ok(verdict))?;
        }
        Ok(())
    }

    /// Ends the run. What is under way is ended, and only the first branch's state is kept.
    fn finish(&mut self, end: End) {
        self.effects.retain(|effect| matches!(effect, Effect::Cancel(_)));
        let keys: Vec<_> = self.run.pending().map(|(_, p)| Arc::clone(&p.key)).collect();
        self.effects.extend(keys.into_iter().map(Effect::Cancel));
        self.run.ready.clear();
        self.run.branches.retain(|id, _| *id == 0);
        for branch in self.run.branches.values_mut() {
            branch.status = Status::Ready;
        }
        let spent = self.run.spent.clone();
        self.tell(0, EventBody::Ended { end: end.clone(), spent });
        self.run.end = Some(end);
    }

    pub(super) fn tell(&mut self, branch: u32, body: EventBody) {
        let (seq, step, at) = (self.run.next_event, self.run.step, self.run.at);
        self.run.next_event += 1;
        self.run.events.push(Event { seq, step, at, branch, body });
    }

    /// Calls a node's function; what it notes is told.
    fn with<T>(
        &mut self,
        branch: u32,
        node: &Arc<str>,
        work: impl FnOnce(&mut Context<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        *self.seen.0.lock() = Some(Arc::clone(node));
        let mut context = context(&self.run, branch, node);
        let done = guard(|| work(&mut context));
        let notes = std::mem::take(&mut context.notes);
        for value in notes {
            self.tell(branch, EventBody::Note { node: Arc::clone(node), value });
        }
        done
    }
}

/// What a branch does after its node.
pub(super) enum After {
    /// It waits for something, or for its turn.
    Waits,
    /// It follows the node's edge.
    Leaves,
}

/// What ends a branch or the run.
pub(super) enum Halt {
    Branch(Failure),
    Run(End),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Branch(failure)
    }
}

impl From<End> for Halt {
    fn from(end: End) -> Self {
        Self::Run(end)
    }
}

pub(super) const fn over(budget: BudgetName) -> End {
    End::Budget { budget }
}

/// What cannot be in a run that was decoded.
fn broken(node: &str) -> Halt {
    let failure = Failure::new("internal", "the branch stands at nothing that can be done");
    Halt::Run(End::Failed { node: Some(node.into()), failure })
}

fn context<'r, S>(run: &'r Run<S>, branch: u32, node: &Arc<str>) -> Context<'r> {
    Context {
        run: run.id,
        node: Arc::clone(node),
        branch,
        step: run.step,
        now: run.at,
        seed: run.seed,
        draws: 0,
        budget: &run.budget,
        spent: &run.spent,
        tools: &run.tools,
        notes: Vec::new(),
        note_bytes: 0,
    }
}

fn follow<S>(exit: &Exit<S>, state: &S) -> Result<Target, Failure> {
    match exit {
        Exit::To(target) => Ok(target.clone()),
        Exit::Choose { choose, targets } => {
            let name = guard(|| Ok(choose(state)))?;
            targets.get(name).cloned().ok_or_else(|| {
                Failure::new(
                    "no_such_edge",
                    format!("it chose `{name}`, which is not among its targets"),
                )
            })
        }
    }
}

/// A function that panics has failed.
fn guard<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let said: String = said.unwrap_or("it panicked").chars().take(500).collect();
    Failure::new("panicked", said)
}

/// The call as it is to be made, now and after a crash.
fn request<S>(run: &Run<S>, node: &Arc<str>, pending: &Pending, mut call: Call) -> Request {
    if let Call::Model(call) = &mut call {
        call.max_tokens = Some(pending.max_tokens);
    }
    let timeout = match pending.kind {
        Kind::Approval => run.budget.approval_time,
        Kind::Model | Kind::Tool => run.budget.call_time.min(run.time_left()),
    };
    Request {
        run: run.id,
        key: Arc::clone(&pending.key),
        node: Arc::clone(node),
        call,
        timeout,
        most_bytes: run.budget.call_bytes,
    }
}
