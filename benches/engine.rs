//! What the agent engine adds to the calls of a run: a step alone, through the driver with checkpoints in memory, with durable
//! ones in an SQLite file, and 1,000 agents at once.
//!
//! `cargo bench --bench engine [runs]`. The agent is a loop of a model and a tool that answer at once; its state is the talk so
//! far, some kilobytes at the end. Beside it the lower bound: the same checkpoints written without an engine.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use notebook_agent::graph::{
    Budget, CallInfo, Driver, DriverConfig, END, Effect, Failure, Graph, Input, ModelCall,
    ModelReply, Models, NewRun, Reply, Steps, ToolCall, ToolReply, Tools, Watch,
};
use notebook_core::{
    Clock, RunId, TenantScope,
    chat::{ChatMessage, ChatRole, FinishReason},
    checkpoint::{Checkpoint, Checkpoints, memory::MemoryCheckpoints, sql::SqlCheckpoints},
    clock::SystemClock,
    model::Usage,
    queue::{Fence, sql::QueueTime},
    sqlite::SqliteConfig,
    store::sql::SqlStore,
};
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
type Talk = Vec<ChatMessage>;

/// Nodes entered by a run.
const NODES: u32 = 20;
const AGENTS: usize = 1_000;

fn reply() -> ModelReply {
    ModelReply {
        text: "Let us look that up among the sources.".repeat(3),
        tool_calls: vec![],
        usage: Usage { prompt_tokens: 100, completion_tokens: 30, exact: true, cost_micros: None },
        finish: FinishReason::Stop,
    }
}

/// Answers at once.
struct Instantly;

#[async_trait]
impl Models for Instantly {
    async fn call(&self, _: &CallInfo, _: ModelCall) -> Result<ModelReply, Failure> {
        Ok(reply())
    }
}

#[async_trait]
impl Tools for Instantly {
    fn names(&self) -> BTreeSet<String> {
        BTreeSet::from(["search".to_owned()])
    }

    async fn call(&self, _: &CallInfo, _: ToolCall) -> Result<ToolReply, Failure> {
        Ok(json!({ "found": "A passage of some words." }).into())
    }
}

fn agent() -> Outcome<Arc<Graph<Talk>>> {
    let say = |talk: &mut Talk, role, content| talk.push(ChatMessage::new(role, content));
    let graph = Graph::<Talk>::builder("bench", 1)
        .model(
            "think",
            |talk, _| Ok(ModelCall::new(talk.clone())),
            move |talk, reply, _| {
                say(talk, ChatRole::Assistant, reply?.text);
                Ok(())
            },
        )
        .tool(
            "search",
            |talk, _| Ok(ToolCall::new("search", json!({ "turn": talk.len() }))),
            move |talk, reply, _| {
                say(talk, ChatRole::User, reply?.output.to_string());
                Ok(())
            },
        )
        .choose(
            "think",
            |talk| if talk.len() < NODES as usize { "search" } else { END },
            &["search", END],
        )
        .edge("search", "think")
        .build()?;
    Ok(Arc::new(graph))
}

fn new_run() -> NewRun<Talk> {
    let question = ChatMessage::new(ChatRole::User, "How long is it?");
    let budget =
        Budget { tokens: u64::MAX, wall_time: Duration::from_secs(86_400), ..Budget::default() };
    let tools = Instantly.names();
    NewRun { budget, tools, ..NewRun::new(RunId::new(), vec![question]) }
}

/// A run by hand; how many steps it took, and its checkpoints.
fn by_hand(graph: &Graph<Talk>) -> Outcome<Vec<Checkpoint>> {
    let mut stored = Vec::new();
    let mut next = Some(Input::Start);
    let mut run = graph.begin(new_run(), SystemClock.now())?;
    while let Some(input) = next.take() {
        let stepped = graph.step(run, input, SystemClock.now());
        run = stepped.run;
        for effect in stepped.effects {
            match effect {
                Effect::Checkpoint { version, schema, body } => {
                    let run = run.id();
                    stored.push(Checkpoint { run, fence: Fence(0), version, schema, body });
                }
                Effect::Call(request) => {
                    let answer = match request.call.name() {
                        "model" => Reply::Model(reply()),
                        _ => Reply::Tool(json!({ "found": "A passage of some words." }).into()),
                    };
                    next = Some(Input::Answer { key: request.key, answer: Ok(answer) });
                }
                _ => {}
            }
        }
        if next.is_none() && run.is_ready() {
            next = Some(Input::Continue);
        }
    }
    Ok(stored)
}

async fn driven(driver: &Driver, graph: &Arc<Graph<Talk>>, scope: &TenantScope) -> Outcome<u64> {
    let outcome = driver.start(scope, graph, new_run(), Fence(0), &Watch::default()).await?;
    let ended = outcome.ended().ok_or("parked")?;
    Ok(u64::from(ended.spent.steps))
}

fn say(what: &str, steps: u64, took: Duration) {
    let micros = took.as_secs_f64() * 1e6 / steps.max(1) as f64;
    println!("{what}: {micros:.1} µs a step ({steps} steps in {:.2} s)", took.as_secs_f64());
}

/// In a task, as in a server: the runtime's own main thread hands each call to another.
#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let runs: usize = arguments.next().map_or(Ok(500), |text| text.parse())?;
    tokio::spawn(measured(runs)).await?
}

async fn measured(runs: usize) -> Outcome<()> {
    let graph = agent()?;
    #[allow(clippy::disallowed_methods, reason = "a bench acts for a tenant of its own")]
    let scope = TenantScope::authenticated(notebook_core::TenantId::new());

    let since = Instant::now();
    let mut steps = 0;
    for _ in 0..runs {
        steps += by_hand(&graph)?.len() as u64;
    }
    say("a step alone", steps, since.elapsed());

    let driver = Driver::new(Arc::new(Instantly), Arc::new(Instantly));
    let since = Instant::now();
    let mut steps = 0;
    for _ in 0..runs {
        steps += driven(&driver, &graph, &scope).await?;
    }
    say("driven, checkpoints in memory", steps, since.elapsed());

    let in_task = DriverConfig { steps: Steps::Task, ..DriverConfig::default() };
    let since = Instant::now();
    let mut steps = 0;
    for _ in 0..runs {
        steps += driven(&driver.clone().with_config(in_task.clone()), &graph, &scope).await?;
    }
    say("the same, with steps in the task that drives", steps, since.elapsed());

    let since = Instant::now();
    let memory = Arc::new(MemoryCheckpoints::bounded(
        Arc::new(SystemClock),
        Duration::from_secs(3_600),
        1 << 30,
    ));
    let many = driver.clone().with_checkpoints(memory);
    let agents = (0..AGENTS).map(|_| {
        let (many, graph, scope) = (many.clone(), Arc::clone(&graph), scope.clone());
        tokio::spawn(async move { driven(&many, &graph, &scope).await })
    });
    let mut steps = 0;
    for agent in futures::future::join_all(agents).await {
        steps += agent??;
    }
    say("1,000 agents at once", steps, since.elapsed());

    let folder = tempfile::tempdir()?;
    let store = SqlStore::sqlite(SqliteConfig::new(folder.path().join("a.db"))).await?;
    let durable = Arc::new(SqlCheckpoints::new(&store, QueueTime::Database));
    let durably = driver.with_checkpoints(durable.clone());
    let since = Instant::now();
    let mut steps = 0;
    for _ in 0..runs / 10 {
        steps += driven(&durably, &graph, &scope).await?;
    }
    say("driven, durable in SQLite", steps, since.elapsed());
    let since = Instant::now();
    let mut steps = 0;
    for _ in 0..runs / 10 {
        for checkpoint in by_hand(&graph)? {
            durable.save(&scope, &checkpoint).await?;
            steps += 1;
        }
    }
    say("lower bound: the same writes alone", steps, since.elapsed());
    store.close().await?;
    Ok(())
}
