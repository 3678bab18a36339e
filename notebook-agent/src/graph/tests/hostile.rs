//! Random graphs whose nodes, tools and models do the worst they can: none outlives its budget.
//!
//! 10,000 runs; `NOTEBOOK_AGENT_RUNS` for another number, `NOTEBOOK_SEED` for the first seed.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what the seed was, and how runs ended"
)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use notebook_core::queue::Fence;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::*;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const TOOLS: [&str; 7] = ["ok", "fail", "stall", "slow", "huge", "panic", "unknown"];

/// Numbers that look random (Steele and Vigna's splitmix64).
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Hostile {
    dice: Dice,
    junk: String,
}

/// What any function of a node may do.
fn act(state: &mut Hostile, context: &mut Context<'_>, mut dice: Dice) -> Result<(), Failure> {
    state.dice.0 ^= dice.next() ^ context.random();
    match state.dice.below(24) {
        0 => Err(Failure::new("hostile", "it fails")),
        1 => panic!("hostile node"),
        2 => {
            state.junk.push_str(&"junk ".repeat(usize::try_from(state.dice.below(2_000)).unwrap()));
            Ok(())
        }
        3 => (0..state.dice.below(2_000)).try_for_each(|i| context.note(json!(i))),
        4 => context.note(json!("n".repeat(usize::try_from(state.dice.below(100_000)).unwrap()))),
        _ => Ok(()),
    }
}

fn graph(dice: &mut Dice, depth: u32) -> Graph<Hostile> {
    let count = usize::try_from(1 + dice.below(NAMES.len() as u64)).unwrap();
    let mut builder = Graph::<Hostile>::builder("hostile", 1);
    for i in 0..count {
        let name = NAMES[i];
        let own = Dice(dice.next());
        builder = match dice.below(if depth < 2 { 7 } else { 5 }) {
            0 | 1 => builder.compute(name, move |state, context| act(state, context, own)),
            2 => builder.model(
                name,
                move |state, _| {
                    let mut own = Dice(own.0 ^ state.dice.0);
                    let size = usize::try_from(own.pick(&[10, 1_000, 40_000])).unwrap();
                    let max_tokens = own.pick(&[None, Some(0), Some(5), Some(u32::MAX)]);
                    Ok(ModelCall { max_tokens, ..prompt(&"p".repeat(size)) })
                },
                move |state, reply, context| {
                    state.junk = reply.map_or_else(|failure| failure.message, |reply| reply.text);
                    act(state, context, own)
                },
            ),
            3 | 4 => builder.tool(
                name,
                move |state, _| {
                    let tool = Dice(own.0 ^ state.dice.0).pick(&TOOLS);
                    Ok(ToolCall::new(tool, json!(state.dice.0)))
                },
                move |state, reply, context| {
                    state.junk = reply.map_or_else(|e| e.message, |reply| reply.output.to_string());
                    act(state, context, own)
                },
            ),
            5 => builder.split(
                name,
                move |state, _| {
                    let mut own = Dice(own.0 ^ state.dice.0);
                    let branches = own.pick(&[0, 1, 2, 3, 8, 40]);
                    let part = |_| Hostile { dice: Dice(own.next()), junk: String::new() };
                    Ok((0..branches).map(part).collect())
                },
                graph(dice, depth + 1),
                move |state, branches, context| {
                    state.dice.0 ^= branches.len() as u64;
                    act(state, context, own)
                },
            ),
            _ => builder.nested(name, graph(dice, depth + 1)),
        };
        let next = if i + 1 < count { NAMES[i + 1] } else { END };
        let back = NAMES[usize::try_from(dice.below(i as u64 + 1)).unwrap()];
        builder = match dice.below(4) {
            0 => builder.edge(name, next),
            // Never to the end, wherever it could.
            1 => builder.choose(name, move |_| back, &[back, next]),
            2 => builder.choose(name, |_| "nowhere", &[back, next]),
            _ => builder.choose(
                name,
                move |state| Dice(state.dice.0).pick(&[back, next, next]),
                &[back, next],
            ),
        };
    }
    builder.build().unwrap()
}

fn budget(dice: &mut Dice) -> Budget {
    Budget {
        steps: 1 + u32::try_from(dice.below(60)).unwrap(),
        tool_calls: u32::try_from(dice.below(12)).unwrap(),
        tokens: dice.below(40_000),
        answer_tokens: 1 + u32::try_from(dice.below(1_000)).unwrap(),
        cost_micros: dice.below(100),
        wall_time: Duration::from_millis(1 + dice.below(60_000)),
        call_time: Duration::from_millis(1 + dice.below(20_000)),
        approval_time: Duration::from_secs(1),
        failures: 1 + u32::try_from(dice.below(6)).unwrap(),
        branches: 1 + u32::try_from(dice.below(12)).unwrap(),
        state_bytes: 3_000 + usize::try_from(dice.below(60_000)).unwrap(),
        call_bytes: 500 + usize::try_from(dice.below(50_000)).unwrap(),
        note_bytes: 1 + usize::try_from(dice.below(60_000)).unwrap(),
    }
}

/// What models and tools do is a matter of the call's key.
#[derive(Default)]
struct World {
    open: Arc<AtomicUsize>,
    most_open: AtomicUsize,
    tool_calls: AtomicUsize,
    lied: AtomicBool,
}

struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl World {
    fn enter(&self) -> Open {
        let open = 1 + self.open.fetch_add(1, Ordering::SeqCst);
        self.most_open.fetch_max(open, Ordering::SeqCst);
        Open(Arc::clone(&self.open))
    }
}

fn dice_of(info: &CallInfo) -> Dice {
    Dice(u64::from_str_radix(&info.key[..16], 16).unwrap())
}

#[async_trait]
impl Models for World {
    async fn call(&self, info: &CallInfo, call: ModelCall) -> Result<ModelReply, Failure> {
        let (_open, mut dice) = (self.enter(), dice_of(info));
        let max = u64::from(call.max_tokens.unwrap());
        match dice.below(10) {
            0 => std::future::pending().await,
            1 => panic!("hostile model"),
            2 => Err(Failure::new("hostile", "the model fails".repeat(10_000))),
            3 => {
                self.lied.store(true, Ordering::SeqCst);
                Ok(said("lies", (u64::MAX, u64::MAX), Some(u64::MAX)))
            }
            4 => {
                // Tells nothing, and says more than it was asked for.
                self.lied.store(true, Ordering::SeqCst);
                Ok(said(&"m".repeat(usize::try_from(dice.below(60_000)).unwrap()), (0, 0), None))
            }
            5 => {
                tokio::time::sleep(Duration::from_millis(dice.below(30_000))).await;
                Ok(said("slow", (1, max), Some(dice.below(40))))
            }
            _ => Ok(said("fine", (1, dice.below(max + 1)), Some(dice.below(40)))),
        }
    }
}

#[async_trait]
impl Tools for World {
    fn names(&self) -> BTreeSet<String> {
        TOOLS[..6].iter().map(|name| (*name).to_owned()).collect()
    }

    async fn call(&self, info: &CallInfo, call: ToolCall) -> Result<ToolReply, Failure> {
        let (_open, mut dice) = (self.enter(), dice_of(info));
        self.tool_calls.fetch_add(1, Ordering::SeqCst);
        match call.name.as_str() {
            "ok" => Ok(call.arguments.into()),
            "fail" => Err(Failure::new("hostile", "the tool fails".repeat(10_000))),
            "stall" => std::future::pending().await,
            "slow" => {
                tokio::time::sleep(Duration::from_millis(dice.below(30_000))).await;
                Ok(ToolReply { output: json!(1), cost_micros: dice.next() })
            }
            "huge" => Ok(json!("h".repeat(usize::try_from(dice.below(200_000)).unwrap())).into()),
            _ => panic!("hostile tool"),
        }
    }
}

struct Case {
    graph: Arc<Graph<Hostile>>,
    new: NewRun<Hostile>,
}

fn case(seed: u64) -> Case {
    let mut dice = Dice(seed);
    let graph = Arc::new(graph(&mut dice, 0));
    let state = Hostile { dice: Dice(dice.next()), junk: String::new() };
    let mut tools = World::default().names();
    tools.retain(|_| dice.below(8) > 0);
    let id = RunId::from_u128(u128::from(dice.next()) << 64 | u128::from(dice.next()));
    let new = NewRun { id, state, budget: budget(&mut dice), tools, seed: dice.next() };
    Case { graph, new }
}

/// One run; its end's name.
async fn one(seed: u64) -> String {
    let Case { graph, new } = case(seed);
    let (world, budget) = (Arc::new(World::default()), new.budget.clone());
    let driver = Driver::new(world.clone(), world.clone()).with_clock(TokioClock::new());
    let driver =
        stepping(driver, if seed.is_multiple_of(2) { Steps::Threads } else { Steps::Task });
    let heard = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&heard);
    let recorder = Arc::new(Recorder::new(64 << 20));
    let watch = Watch {
        events: Some(Arc::new(move |event| into.lock().push(event.clone()))),
        recorder: Some(recorder.clone()),
        ..Watch::default()
    };
    let scope = notebook_auth::single_user();
    let since = Instant::now();
    let outcome = driver.start(&scope, &graph, new, Fence(0), &watch).await.unwrap();
    let (took, ended) = (since.elapsed(), outcome.ended().unwrap());

    assert!(took <= budget.wall_time + Duration::from_millis(10), "{took:?} of {budget:?}");
    let spent = &ended.spent;
    assert!(spent.steps <= budget.steps && spent.tool_calls <= budget.tool_calls, "{spent:?}");
    assert!(spent.failures <= budget.failures, "{spent:?}");
    assert!(world.tool_calls.load(Ordering::SeqCst) <= spent.tool_calls as usize);
    assert!(world.most_open.load(Ordering::SeqCst) <= budget.branches as usize);
    let lied = world.lied.load(Ordering::SeqCst);
    assert!(lied || spent.tokens <= budget.tokens, "{spent:?} of {budget:?}");

    let heard = heard.lock().clone();
    let seqs: Vec<u64> = heard.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=heard.len() as u64).collect::<Vec<_>>());
    let ends: Vec<_> = heard
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::Ended { end, .. } => Some((event.seq, end.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [(heard.len() as u64, ended.end.clone())], "one end, and nothing after it");

    let recording = recorder.recording();
    assert!(!recording.cut);
    let replayed = graph.replay(&recording).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((&replayed.events, replayed.run.end()), (&heard, Some(&ended.end)));
    let body = replayed.run.encode().unwrap();
    assert!(body.len() <= budget.state_bytes.max(8_000), "{} bytes", body.len());
    assert_eq!(graph.decode(&body).unwrap().end(), Some(&ended.end));
    // What is under way is dropped with the run.
    tokio::task::yield_now().await;
    assert_eq!(world.open.load(Ordering::SeqCst), 0);
    match ended.end {
        End::Budget { budget } => format!("{budget:?}"),
        End::Failed { failure, .. } => failure.code,
        end => format!("{end:?}"),
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// D1, D7, Z23: none outlives its budget, each has one end, and each is replayed to the same events.
#[test]
fn d1_hostile_runs_end_within_their_budgets() {
    quiet_panics();
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    let (first, runs) = (number("NOTEBOOK_SEED", 0), number("NOTEBOOK_AGENT_RUNS", 10_000));
    let mut ends = std::collections::BTreeMap::<String, u64>::new();
    let current = runtime();
    for seed in first..first + runs {
        let run = std::panic::AssertUnwindSafe(|| current.block_on(one(seed)));
        match std::panic::catch_unwind(run) {
            Ok(end) => *ends.entry(end).or_default() += 1,
            Err(panic) => {
                eprintln!("the seed is {seed}: NOTEBOOK_SEED={seed} NOTEBOOK_AGENT_RUNS=1");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{runs} runs: {ends:?}");
    if runs >= 10_000 {
        let all = [
            "Done",
            "Steps",
            "ToolCalls",
            "Tokens",
            "Cost",
            "WallTime",
            "Failures",
            "Branches",
            "StateBytes",
            "hostile",
            "panicked",
            "no_such_edge",
            "too_large",
        ];
        for end in all {
            assert!(ends.contains_key(end), "no run ended by {end}: {ends:?}");
        }
    }
}

/// Z24: the same inputs give the same trace, step for step and byte for byte.
#[tokio::test(start_paused = true)]
async fn z24_the_same_inputs_give_the_same_trace() {
    quiet_panics();
    let mut traces = BTreeSet::new();
    for seed in 1_000_000..1_000_200 {
        let Case { graph, new } = case(seed);
        let world = Arc::new(World::default());
        let recorder = Arc::new(Recorder::new(64 << 20));
        let watch = Watch { recorder: Some(recorder.clone()), ..Watch::default() };
        let driver = Driver::new(world.clone(), world).with_clock(TokioClock::new());
        let scope = notebook_auth::single_user();
        driver.start(&scope, &graph, new, Fence(0), &watch).await.unwrap();
        let recording = recorder.recording();
        // A graph made anew, and the recording as it would be kept.
        let kept = serde_json::to_string(&recording).unwrap();
        let again = case(seed).graph.replay(&serde_json::from_str(&kept).unwrap()).unwrap();
        let first = graph.replay(&recording).unwrap();
        assert_eq!(first.trace, again.trace);
        assert_eq!(first.run.encode().unwrap(), again.run.encode().unwrap());
        traces.insert(first.trace);
    }
    assert!(traces.len() > 100, "{} of 200 traces: runs are told apart by them", traces.len());
}
