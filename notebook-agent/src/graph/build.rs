//! Graphs: made of nodes and edges, and checked before they run.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use notebook_core::{Error, Result};
use serde_json::Value;

use super::{
    Answer, Approval, Branch, Call, Context, Failure, ModelCall, ModelReply, Reply, State,
    ToolCall, ToolReply, Verdict,
};

/// Where an edge leads to the end of its graph.
pub const END: &str = "end";

const BUILD: &str = "build graph";

type Compute<S> = Box<dyn Fn(&mut S, &mut Context<'_>) -> Result<(), Failure> + Send + Sync>;
type Ask<S> = Box<dyn Fn(&S, &mut Context<'_>) -> Result<Call, Failure> + Send + Sync>;
type Take<S> = Box<dyn Fn(&mut S, Answer, &mut Context<'_>) -> Result<(), Failure> + Send + Sync>;
type Split<S> = Box<dyn Fn(&S, &mut Context<'_>) -> Result<Vec<S>, Failure> + Send + Sync>;
type Reduce<S> =
    Box<dyn Fn(&mut S, Vec<Branch<S>>, &mut Context<'_>) -> Result<(), Failure> + Send + Sync>;
type Choose<S> = Box<dyn Fn(&S) -> &'static str + Send + Sync>;
type Migrate = Box<dyn Fn(u32, Value) -> Result<Value, Failure> + Send + Sync>;

/// A graph of nodes over a state `S`, which was found whole when it was made.
pub struct Graph<S> {
    pub(super) name: Arc<str>,
    pub(super) schema: u32,
    pub(super) start: Arc<str>,
    /// By their paths: those of a nested graph begin with the node that it stands for, and `/`.
    pub(super) nodes: HashMap<Arc<str>, Node<S>>,
    pub(super) migrate: Option<Migrate>,
}

pub(super) struct Node<S> {
    pub(super) action: Action<S>,
    pub(super) exit: Exit<S>,
}

pub(super) enum Action<S> {
    Compute(Compute<S>),
    Call { ask: Ask<S>, take: Take<S> },
    Split { split: Split<S>, reduce: Reduce<S>, start: Arc<str> },
    Inner { start: Arc<str> },
}

pub(super) enum Exit<S> {
    To(Target),
    Choose { choose: Choose<S>, targets: BTreeMap<&'static str, Target> },
}

impl<S> Exit<S> {
    fn targets(&self) -> Vec<&Target> {
        match self {
            Self::To(target) => vec![target],
            Self::Choose { targets, .. } => targets.values().collect(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Node(Arc<str>),
    End,
}

impl Target {
    fn named(name: &str) -> Self {
        if name == END { Self::End } else { Self::Node(name.into()) }
    }

    fn within(&self, outer: &str) -> Self {
        match self {
            Self::Node(name) => Self::Node(within(outer, name)),
            Self::End => Self::End,
        }
    }
}

fn within(outer: &str, name: &str) -> Arc<str> {
    format!("{outer}/{name}").into()
}

impl<S> fmt::Debug for Graph<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: BTreeSet<_> = self.nodes.keys().collect();
        f.debug_struct("Graph").field("name", &self.name).field("nodes", &nodes).finish()
    }
}

impl<S: State> Graph<S> {
    /// A graph to be made. The name and the version of the state's shape stand in every checkpoint: raise the version when `S` changes
    /// so that what was stored does not read any more, and give [`migrate`](GraphBuilder::migrate).
    pub fn builder(name: &str, schema: u32) -> GraphBuilder<S> {
        GraphBuilder {
            name: name.into(),
            schema,
            start: None,
            actions: Vec::new(),
            exits: Vec::new(),
            inner: Vec::new(),
            migrate: None,
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of its state's shape.
    #[must_use]
    pub const fn schema(&self) -> u32 {
        self.schema
    }

    /// The paths of its nodes, in order.
    #[must_use]
    pub fn nodes(&self) -> Vec<&str> {
        let paths: BTreeSet<&str> = self.nodes.keys().map(|path| &**path).collect();
        paths.into_iter().collect()
    }
}

/// A graph in the making. Each node has one way out: an [`edge`](Self::edge), or a [`choose`](Self::choose) among some.
#[must_use = "a graph is made by `build`"]
pub struct GraphBuilder<S> {
    name: Arc<str>,
    schema: u32,
    start: Option<Arc<str>>,
    actions: Vec<(Arc<str>, Action<S>)>,
    exits: Vec<(Arc<str>, Exit<S>)>,
    inner: Vec<(Arc<str>, Graph<S>)>,
    migrate: Option<Migrate>,
}

impl<S> fmt::Debug for GraphBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

fn other(expected: &str) -> Failure {
    Failure::new("protocol", format!("the driver answered with something else than {expected}"))
}

impl<S: State> GraphBuilder<S> {
    fn node(mut self, name: &str, action: Action<S>) -> Self {
        let name: Arc<str> = name.into();
        // The first one is where it begins, unless something else is said.
        self.start.get_or_insert_with(|| Arc::clone(&name));
        self.actions.push((name, action));
        self
    }

    /// A node that changes the state. Functions are quick and take nothing from outside but what they are given: they may be done
    /// again after a crash, and one that does not come back fails the run.
    pub fn compute(
        self,
        name: &str,
        work: impl Fn(&mut S, &mut Context<'_>) -> Result<(), Failure> + Send + Sync + 'static,
    ) -> Self {
        self.node(name, Action::Compute(Box::new(work)))
    }

    /// A node that asks a model, and takes what it answers.
    pub fn model(
        self,
        name: &str,
        ask: impl Fn(&S, &mut Context<'_>) -> Result<ModelCall, Failure> + Send + Sync + 'static,
        take: impl Fn(&mut S, Result<ModelReply, Failure>, &mut Context<'_>) -> Result<(), Failure>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let own = |reply| match reply {
            Reply::Model(reply) => Ok(reply),
            _ => Err(other("a model's reply")),
        };
        self.call_of(name, ask, Call::Model, own, take)
    }

    /// A node that calls a tool, and takes what it answers.
    pub fn tool(
        self,
        name: &str,
        ask: impl Fn(&S, &mut Context<'_>) -> Result<ToolCall, Failure> + Send + Sync + 'static,
        take: impl Fn(&mut S, Result<ToolReply, Failure>, &mut Context<'_>) -> Result<(), Failure>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let own = |reply| match reply {
            Reply::Tool(reply) => Ok(reply),
            _ => Err(other("a tool's reply")),
        };
        self.call_of(name, ask, Call::Tool, own, take)
    }

    /// A node that asks a person, and takes the answer.
    pub fn approval(
        self,
        name: &str,
        ask: impl Fn(&S, &mut Context<'_>) -> Result<Approval, Failure> + Send + Sync + 'static,
        take: impl Fn(&mut S, Result<Verdict, Failure>, &mut Context<'_>) -> Result<(), Failure>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let own = |reply| match reply {
            Reply::Approval(verdict) => Ok(verdict),
            _ => Err(other("a verdict")),
        };
        self.call_of(name, ask, Call::Approval, own, take)
    }

    /// A node that asks for one kind of call, and takes what answers that: `own` tells it from what answers others.
    fn call_of<Q, A>(
        self,
        name: &str,
        ask: impl Fn(&S, &mut Context<'_>) -> Result<Q, Failure> + Send + Sync + 'static,
        call: fn(Q) -> Call,
        own: fn(Reply) -> Result<A, Failure>,
        take: impl Fn(&mut S, Result<A, Failure>, &mut Context<'_>) -> Result<(), Failure>
        + Send
        + Sync
        + 'static,
    ) -> Self
    where
        Q: 'static,
        A: 'static,
    {
        self.call(
            name,
            move |state, context| ask(state, context).map(call),
            move |state, answer, context| {
                let answer = match answer {
                    Ok(reply) => Ok(own(reply)?),
                    Err(failure) => Err(failure),
                };
                take(state, answer, context)
            },
        )
    }

    /// A node that asks for whichever of these the state says.
    pub fn call(
        self,
        name: &str,
        ask: impl Fn(&S, &mut Context<'_>) -> Result<Call, Failure> + Send + Sync + 'static,
        take: impl Fn(&mut S, Answer, &mut Context<'_>) -> Result<(), Failure> + Send + Sync + 'static,
    ) -> Self {
        self.node(name, Action::Call { ask: Box::new(ask), take: Box::new(take) })
    }

    /// A node that runs a graph on a state of its own for each of those that `split` makes, all at once, and puts together what
    /// became of them, in their order. A branch whose node fails ends there, and the others go on.
    pub fn split(
        mut self,
        name: &str,
        split: impl Fn(&S, &mut Context<'_>) -> Result<Vec<S>, Failure> + Send + Sync + 'static,
        body: Graph<S>,
        reduce: impl Fn(&mut S, Vec<Branch<S>>, &mut Context<'_>) -> Result<(), Failure>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let start = within(name, &body.start);
        self.inner.push((name.into(), body));
        let (split, reduce) = (Box::new(split), Box::new(reduce));
        self.node(name, Action::Split { split, reduce, start })
    }

    /// A node that is a graph: it goes on with the same state, and within the same budget.
    pub fn nested(mut self, name: &str, graph: Graph<S>) -> Self {
        let start = within(name, &graph.start);
        self.inner.push((name.into(), graph));
        self.node(name, Action::Inner { start })
    }

    /// After `from` comes `to`, or [`END`].
    pub fn edge(mut self, from: &str, to: &str) -> Self {
        self.exits.push((from.into(), Exit::To(Target::named(to))));
        self
    }

    /// After `from` comes the one of `targets` that the state says; [`END`] may be among them.
    pub fn choose(
        mut self,
        from: &str,
        choose: impl Fn(&S) -> &'static str + Send + Sync + 'static,
        targets: &[&'static str],
    ) -> Self {
        let targets = targets.iter().map(|name| (*name, Target::named(name))).collect();
        self.exits.push((from.into(), Exit::Choose { choose: Box::new(choose), targets }));
        self
    }

    /// Where it begins; with its first node, unless this is said.
    pub fn start(mut self, name: &str) -> Self {
        self.start = Some(name.into());
        self
    }

    /// Makes a state that was stored under an older version of its shape into one of this. Without it such a state is refused.
    pub fn migrate(
        mut self,
        migrate: impl Fn(u32, Value) -> Result<Value, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.migrate = Some(Box::new(migrate));
        self
    }

    /// The graph.
    ///
    /// # Errors
    /// `InvalidInput` that names the node and the fix: a name that is none or used twice, a node without a way out or with two, an
    /// edge to or from a node that there is not, a node that is never reached, or from which the end cannot be.
    pub fn build(self) -> Result<Graph<S>> {
        let name = self.name;
        check_name("the graph", &name)?;
        let mut exits = HashMap::new();
        for (from, exit) in self.exits {
            if !self.actions.iter().any(|(name, _)| *name == from) {
                return Err(wrong(&from, "an edge leaves it, and there is no such node: add it"));
            }
            if exits.insert(Arc::clone(&from), exit).is_some() {
                return Err(wrong(&from, "two edges leave it: use `choose`"));
            }
        }
        let mut nodes = HashMap::new();
        for (name, action) in self.actions {
            check_name(&name, &name)?;
            let exit = exits.remove(&name);
            let exit = exit.ok_or_else(|| wrong(&name, "no edge leaves it: add one, to END"))?;
            if nodes.insert(Arc::clone(&name), Node { action, exit }).is_some() {
                return Err(wrong(&name, "two nodes have this name: rename one"));
            }
        }
        let start = self.start.ok_or_else(|| wrong(&name, "it has no nodes: add one"))?;
        check_ways(&start, &nodes)?;
        for (outer, graph) in self.inner {
            for (path, node) in graph.nodes {
                nodes.insert(within(&outer, &path), node.within(&outer));
            }
        }
        Ok(Graph { name, schema: self.schema, start, nodes, migrate: self.migrate })
    }
}

impl<S> Node<S> {
    /// The same as part of an outer graph.
    fn within(self, outer: &str) -> Self {
        let action = match self.action {
            Action::Split { split, reduce, start } => {
                Action::Split { split, reduce, start: within(outer, &start) }
            }
            Action::Inner { start } => Action::Inner { start: within(outer, &start) },
            action => action,
        };
        let exit = match self.exit {
            Exit::To(target) => Exit::To(target.within(outer)),
            Exit::Choose { choose, targets } => {
                let named = |(name, target): (_, Target)| (name, target.within(outer));
                Exit::Choose { choose, targets: targets.into_iter().map(named).collect() }
            }
        };
        Self { action, exit }
    }
}

fn wrong(node: &str, fix: &str) -> Error {
    Error::invalid(BUILD, node, fix)
}

fn check_name(what: &str, name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    if name != END && (1..=64).contains(&name.len()) && name.chars().all(plain) {
        return Ok(());
    }
    Err(wrong(what, "name it with 1 to 64 letters, digits, -, _, . and spaces, and not `end`"))
}

/// Every node is reached from the start, and from every node the end can be.
fn check_ways<S>(start: &Arc<str>, nodes: &HashMap<Arc<str>, Node<S>>) -> Result<()> {
    if !nodes.contains_key(start) {
        return Err(wrong(start, "it is to be the start, and there is no such node: add it"));
    }
    let mut names: Vec<_> = nodes.keys().collect();
    names.sort();
    let mut before: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut ends = Vec::new();
    for name in &names {
        let Some(node) = nodes.get(*name) else { continue };
        let targets = node.exit.targets();
        if targets.is_empty() {
            return Err(wrong(name, "it chooses among nothing: give targets"));
        }
        for target in targets {
            match target {
                Target::End => ends.push(&***name),
                Target::Node(to) if nodes.contains_key(to) => {
                    before.entry(to).or_default().push(name);
                }
                Target::Node(to) => {
                    return Err(wrong(name, &format!("its edge leads to `{to}`: add that node"))
                        .with("target", to.to_string()));
                }
            }
        }
    }
    let mut after: HashMap<&str, Vec<&str>> = HashMap::new();
    for (to, all) in &before {
        for from in all {
            after.entry(from).or_default().push(to);
        }
    }
    let reached = spread(vec![start], &after);
    let ending = spread(ends, &before);
    for name in names {
        if !reached.contains(&**name) {
            return Err(wrong(
                name,
                "no way leads to it from the start: add an edge, or remove it",
            ));
        }
        if !ending.contains(&**name) {
            return Err(wrong(name, "no way leads from it to the end: add an edge to END"));
        }
    }
    Ok(())
}

/// All that is reached from some by the ways.
fn spread<'n>(mut from: Vec<&'n str>, ways: &HashMap<&'n str, Vec<&'n str>>) -> BTreeSet<&'n str> {
    let mut found = BTreeSet::new();
    while let Some(name) = from.pop() {
        if found.insert(name) {
            from.extend(ways.get(name).into_iter().flatten());
        }
    }
    found
}
