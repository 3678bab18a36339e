//! Where a run stands, as it is stored.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use notebook_core::{Error, ErrorKind, Result, RunId, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Budget, End, Event, Failure, Graph, Spent};

/// What nodes work on: any type that serialises. Give it ordered maps (`BTreeMap`), so that the same state is stored the same.
pub trait State: Serialize + DeserializeOwned + Send + 'static {}

impl<S: Serialize + DeserializeOwned + Send + 'static> State for S {}

/// The version of the engine's own part of what is stored.
pub(super) const FORMAT: u32 = 1;

/// Where a run stands: all of it, and nothing else decides what its next step does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run<S> {
    pub(super) format: u32,
    pub(super) graph: Arc<str>,
    pub(super) schema: u32,
    pub(super) id: RunId,
    pub(super) seed: u64,
    /// The number of the last step.
    pub(super) step: u64,
    pub(super) budget: Budget,
    pub(super) spent: Spent,
    pub(super) tools: BTreeSet<String>,
    /// When the last step was done.
    pub(super) at: Timestamp,
    pub(super) next_branch: u32,
    pub(super) next_event: u64,
    pub(super) branches: BTreeMap<u32, Running<S>>,
    /// Those that can go on, in their turn.
    pub(super) ready: VecDeque<u32>,
    /// Of the last step: told again after a crash, which may have come before they were told.
    pub(super) events: Vec<Event>,
    pub(super) end: Option<End>,
}

/// A branch that has not come to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Running<S> {
    pub(super) id: u32,
    /// The branch that waits for it, and its place there.
    pub(super) parent: Option<(u32, u32)>,
    /// `None` when it ended too large to be stored.
    pub(super) state: Option<S>,
    /// The nodes it stands in: each but the last is a nested graph's.
    pub(super) path: Vec<Arc<str>>,
    pub(super) status: Status<S>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status<S> {
    Ready,
    Calling(Pending),
    Joining(Vec<Option<Branch<S>>>),
}

/// A call that was given out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) key: Arc<str>,
    /// Of the call, to see that it is the same when it is made again.
    pub(super) digest: String,
    pub(super) kind: Kind,
    /// When it was first asked for, of the time that counts and the time waited.
    pub(super) since: Duration,
    /// The tokens of the prompt, and the most of the answer.
    pub(super) prompt_tokens: u64,
    pub(super) max_tokens: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Model,
    Tool,
    Approval,
}

/// What became of a branch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Branch<S> {
    /// Its state at its end. Where it failed, it is as the failing node left it.
    pub state: S,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

/// What a run begins with.
#[derive(Debug, Clone)]
pub struct NewRun<S> {
    /// Its id.
    pub id: RunId,
    /// The state that it begins with.
    pub state: S,
    /// What it may use.
    pub budget: Budget,
    /// The tools that it may call. It gets no others later.
    pub tools: BTreeSet<String>,
    /// What its random numbers are made from.
    pub seed: u64,
}

impl<S> NewRun<S> {
    /// A run with the usual budget, no tools, and a seed made of the id.
    #[must_use]
    pub fn new(id: RunId, state: S) -> Self {
        let seed = u64::try_from(id.as_u128() & u128::from(u64::MAX)).unwrap_or_default();
        Self { id, state, budget: Budget::default(), tools: BTreeSet::new(), seed }
    }
}

impl<S> Run<S> {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> RunId {
        self.id
    }

    /// The number of its last step: the version of its checkpoint.
    #[must_use]
    pub const fn step(&self) -> u64 {
        self.step
    }

    /// How it ended, if it did.
    #[must_use]
    pub const fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// What it may use.
    #[must_use]
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// What it has used.
    #[must_use]
    pub const fn spent(&self) -> &Spent {
        &self.spent
    }

    /// The state of its first branch; `None` when it ended because it was too large to be stored.
    #[must_use]
    pub fn state(&self) -> Option<&S> {
        self.branches.get(&0).and_then(|branch| branch.state.as_ref())
    }

    /// The same, for good.
    #[must_use]
    pub fn into_state(mut self) -> Option<S> {
        self.branches.remove(&0).and_then(|branch| branch.state)
    }

    /// The states of all its branches, those among them that have come to their ends and wait for others.
    pub fn states(&self) -> impl Iterator<Item = &S> {
        self.branches.values().flat_map(|branch| {
            let ended = match &branch.status {
                Status::Joining(ended) => ended.as_slice(),
                _ => &[],
            };
            let ended = ended.iter().flatten().map(|branch| &branch.state);
            branch.state.iter().chain(ended)
        })
    }

    /// Whether a step can be done at once ([`Input::Continue`](super::Input::Continue)), and nothing needs to come back for it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.end.is_none() && !self.ready.is_empty()
    }

    /// How much time of the budget is left.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.budget.wall_time.saturating_sub(self.spent.time)
    }

    /// After how long the run wants to be [told the time](super::Input::Tick), if nothing else happens.
    #[must_use]
    pub fn next_tick(&self) -> Duration {
        let now = self.spent.time + self.spent.waited;
        let expires = self.pending().filter(|(_, pending)| pending.kind == Kind::Approval);
        let expires = expires
            .map(|(_, pending)| (pending.since + self.budget.approval_time).saturating_sub(now));
        let counts = (!self.waits_for_people()).then(|| self.time_left());
        expires.chain(counts).min().unwrap_or_else(|| self.time_left())
    }

    /// The keys of what people are asked, where the run waits for nothing else; `None` where it can go on without them.
    #[must_use]
    pub fn questions(&self) -> Option<Vec<Arc<str>>> {
        let waits = self.end.is_none() && self.waits_for_people();
        waits.then(|| self.pending().map(|(_, pending)| Arc::clone(&pending.key)).collect())
    }

    pub(super) fn pending(&self) -> impl Iterator<Item = (u32, &Pending)> {
        self.branches.values().filter_map(|branch| match &branch.status {
            Status::Calling(pending) => Some((branch.id, pending)),
            _ => None,
        })
    }

    /// Whether nothing but people's answers is waited for.
    pub(super) fn waits_for_people(&self) -> bool {
        let mut pending = self.pending().peekable();
        self.ready.is_empty()
            && pending.peek().is_some()
            && pending.all(|(_, pending)| pending.kind == Kind::Approval)
    }
}

impl<S: State> Run<S> {
    /// As it is stored.
    ///
    /// # Errors
    /// `InvalidInput` when the state does not serialise.
    pub fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| {
            Error::invalid("store state", "state", "give a type that serialises as JSON")
                .caused_by(error)
        })
    }
}

impl Spent {
    /// What a run had used when it was stored, whatever graph it is of.
    ///
    /// # Errors
    /// `Corrupt` when it does not read.
    pub fn of_checkpoint(body: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Part {
            spent: Spent,
        }
        let part: serde_json::Result<Part> = serde_json::from_slice(body);
        part.map(|part| part.spent)
            .map_err(|error| Error::new(ErrorKind::Corrupt, "read checkpoint").caused_by(error))
    }
}

#[derive(Deserialize)]
struct Head {
    format: u32,
    graph: String,
    schema: u32,
}

impl<S: State> Graph<S> {
    /// A run at its beginning: its first step is [`Input::Start`](super::Input::Start).
    ///
    /// # Errors
    /// `InvalidInput` that names the part of the budget.
    pub fn begin(&self, new: NewRun<S>, now: Timestamp) -> Result<Run<S>> {
        new.budget.check()?;
        let first = Running {
            id: 0,
            parent: None,
            state: Some(new.state),
            path: vec![Arc::clone(&self.start)],
            status: Status::Ready,
        };
        Ok(Run {
            format: FORMAT,
            graph: Arc::clone(&self.name),
            schema: self.schema,
            id: new.id,
            seed: new.seed,
            step: 0,
            budget: new.budget,
            spent: Spent::default(),
            tools: new.tools,
            at: now,
            next_branch: 1,
            next_event: 1,
            branches: BTreeMap::from([(0, first)]),
            ready: VecDeque::from([0]),
            events: Vec::new(),
            end: None,
        })
    }

    /// A run as it was stored. Its next step is [`Input::Resume`](super::Input::Resume).
    ///
    /// # Errors
    /// `Unsupported` when a newer program wrote it, or an older one and there is no way to bring it up to date; `Conflict` when
    /// it is another graph's, or stands at a node that the graph has no more; `Corrupt` when it does not read.
    pub fn decode(&self, body: &[u8]) -> Result<Run<S>> {
        const DECODE: &str = "read checkpoint";
        let corrupt = |error| {
            Error::new(ErrorKind::Corrupt, DECODE)
                .with("fix", "if the state's type has changed, raise the graph's schema")
                .caused_by(error)
        };
        let head: Head = serde_json::from_slice(body).map_err(corrupt)?;
        if *head.graph != *self.name {
            return Err(Error::new(ErrorKind::Conflict, DECODE)
                .with("graph", head.graph)
                .with("fix", "resume it with the graph that it was begun with"));
        }
        if head.format > FORMAT || head.schema > self.schema {
            return Err(Error::new(ErrorKind::Unsupported, DECODE)
                .with("schema", format!("{}.{}", head.format, head.schema))
                .with("known", format!("{FORMAT}.{}", self.schema))
                .with("fix", "a newer version wrote it: resume it with that one"));
        }
        let run: Run<S> = if head.schema == self.schema {
            serde_json::from_slice(body).map_err(corrupt)?
        } else {
            let value = serde_json::from_slice(body).map_err(corrupt)?;
            serde_json::from_value(self.migrated(head.schema, value)?).map_err(corrupt)?
        };
        let mut paths = run.branches.values().flat_map(|branch| &branch.path);
        if let Some(gone) = paths.find(|path| !self.nodes.contains_key(*path)) {
            return Err(Error::new(ErrorKind::Conflict, DECODE)
                .with("node", gone.to_string())
                .with("fix", "the run stands at a node that the graph has no more: keep it"));
        }
        Ok(run)
    }

    fn migrated(&self, from: u32, mut run: Value) -> Result<Value> {
        let refused = |failure: Option<Failure>| {
            let error = Error::new(ErrorKind::Unsupported, "migrate checkpoint")
                .with("schema", from.to_string())
                .with("known", self.schema.to_string());
            match failure {
                Some(failure) => error.with("reason", failure.to_string()),
                None => error.with("fix", "give the graph a `migrate`, or raise no version"),
            }
        };
        let migrate = self.migrate.as_ref().ok_or_else(|| refused(None))?;
        let branches = run.get_mut("branches").and_then(Value::as_object_mut);
        for branch in branches.into_iter().flat_map(|branches| branches.values_mut()) {
            let ended = branch.pointer_mut("/status/joining").and_then(Value::as_array_mut);
            let mut states: Vec<&mut Value> = Vec::new();
            if let Some(ended) = ended {
                states.extend(ended.iter_mut().filter_map(|branch| branch.get_mut("state")));
            }
            for state in states {
                *state = migrate(from, state.take()).map_err(|failure| refused(Some(failure)))?;
            }
            if let Some(state) = branch.get_mut("state").filter(|state| !state.is_null()) {
                *state = migrate(from, state.take()).map_err(|failure| refused(Some(failure)))?;
            }
        }
        if let Some(schema) = run.get_mut("schema") {
            *schema = self.schema.into();
        }
        Ok(run)
    }
}
