//! Runs killed after every effect, and resumed: the same events and the same end.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use notebook_core::{
    TenantScope,
    checkpoint::{Checkpoint, Checkpoints, memory::MemoryCheckpoints},
    queue::Fence,
};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::*;

/// A process that is killed after so many effects: from then on nothing it does has any effect.
struct Process {
    left: AtomicUsize,
    dead: CancellationToken,
}

impl Process {
    fn new(effects: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(effects), dead: CancellationToken::new() })
    }

    /// Before an effect: whether it happens at all.
    fn lives(&self) -> bool {
        !self.dead.is_cancelled()
    }

    /// After an effect.
    fn done(&self) {
        let count = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) == Ok(1) {
            self.dead.cancel();
        }
    }

    async fn survive(&self) {
        if !self.lives() {
            std::future::pending::<()>().await;
        }
    }
}

/// What outlives processes.
struct World {
    checkpoints: MemoryCheckpoints,
    clock: Arc<TokioClock>,
    /// By number.
    events: Mutex<BTreeMap<u64, Event>>,
    /// The content and the number of calls, by key.
    calls: Mutex<BTreeMap<Arc<str>, (String, usize)>>,
}

struct Hand(Arc<World>, Arc<Process>);

impl Hand {
    async fn call(&self, info: &CallInfo, content: String) {
        self.1.survive().await;
        {
            let mut calls = self.0.calls.lock();
            let entry = calls.entry(Arc::clone(&info.key)).or_insert((content.clone(), 0));
            assert_eq!(entry.0, content, "a key stands for one content");
            entry.1 += 1;
        }
        self.1.done();
        self.1.survive().await;
    }
}

#[async_trait]
impl Models for Hand {
    async fn call(&self, info: &CallInfo, call: ModelCall) -> Result<ModelReply, Failure> {
        Hand::call(self, info, format!("{call:?}")).await;
        Ok(said(&format!("{} again", call.messages.len()), (3, 2), Some(1)))
    }
}

#[async_trait]
impl Tools for Hand {
    fn names(&self) -> BTreeSet<String> {
        ["work".to_owned()].into()
    }

    async fn call(&self, info: &CallInfo, call: ToolCall) -> Result<ToolReply, Failure> {
        let wait = call.arguments.as_u64().unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        Hand::call(self, info, format!("{call:?}")).await;
        if wait == 30 { Err(Failure::new("no", "the third fails")) } else { Ok(json!(wait).into()) }
    }
}

#[async_trait]
impl Approvals for Hand {
    async fn ask(&self, info: &CallInfo, approval: &Approval) -> Result<Option<Verdict>, Failure> {
        Hand::call(self, info, format!("{approval:?}")).await;
        Ok(Some(Verdict::Refused { reason: "no".to_owned() }))
    }
}

#[async_trait]
impl Checkpoints for Hand {
    async fn save(
        &self,
        scope: &TenantScope,
        checkpoint: &Checkpoint,
    ) -> notebook_core::Result<()> {
        self.1.survive().await;
        self.0.checkpoints.save(scope, checkpoint).await?;
        self.1.done();
        self.1.survive().await;
        Ok(())
    }

    async fn take(
        &self,
        scope: &TenantScope,
        run: RunId,
        fence: Fence,
    ) -> notebook_core::Result<Option<Checkpoint>> {
        self.0.checkpoints.take(scope, run, fence).await
    }

    async fn read(
        &self,
        scope: &TenantScope,
        run: RunId,
    ) -> notebook_core::Result<Option<Checkpoint>> {
        self.0.checkpoints.read(scope, run).await
    }

    async fn remove(&self, scope: &TenantScope, run: RunId) -> notebook_core::Result<bool> {
        self.0.checkpoints.remove(scope, run).await
    }

    async fn prune(
        &self,
        scope: &TenantScope,
        before: Timestamp,
        limit: usize,
    ) -> notebook_core::Result<usize> {
        self.0.checkpoints.prune(scope, before, limit).await
    }
}

type Log = Vec<String>;

fn work(name: &'static str) -> Graph<Log> {
    let wait = |log: &Log, _: &mut Context<'_>| {
        let wait: u64 = log.first().and_then(|first| first.parse().ok()).unwrap_or(5);
        Ok(ToolCall::new("work", json!(wait)))
    };
    Graph::<Log>::builder(name, 1)
        .tool("work", wait, |log, reply, _| {
            log.push(reply?.output.to_string());
            Ok(())
        })
        .edge("work", END)
        .build()
        .unwrap()
}

/// Everything that there is: functions, a loop of model and tool, a nested graph, branches of which one fails, a person.
fn graph() -> Arc<Graph<Log>> {
    let ask = |log: &Log, _: &mut Context<'_>| {
        let message = prompt("Go on").messages.remove(0);
        Ok(ModelCall::new(vec![message; 1 + log.len()]))
    };
    let approval = Approval { action: ToolCall::new("work", json!(1)), reason: "r".into() };
    let graph = Graph::<Log>::builder("all", 1)
        .compute("begin", |log, context| {
            log.push("begin".to_owned());
            let random = context.random();
            context.note(json!(random))
        })
        .model("think", ask, |log, reply, _| {
            log.push(reply?.text);
            Ok(())
        })
        .nested("work", work("inner"))
        .split(
            "split",
            |_, _| Ok(["10", "20", "30"].map(|wait| vec![wait.to_owned()]).into()),
            work("part"),
            |log, branches, _| {
                log.extend(branches.into_iter().flat_map(|branch| branch.state));
                Ok(())
            },
        )
        .approval(
            "ask",
            move |_, _| Ok(approval.clone()),
            |log, verdict, _| {
                log.push(format!("{:?}", verdict?));
                Ok(())
            },
        )
        .edge("begin", "think")
        .choose("think", |log| if log.len() < 6 { "work" } else { "split" }, &["work", "split"])
        .edge("work", "think")
        .edge("split", "ask")
        .edge("ask", END)
        .build()
        .unwrap();
    Arc::new(graph)
}

/// What is the same however often the run was killed: not the time.
fn timeless(events: &BTreeMap<u64, Event>) -> Vec<Event> {
    let timeless = |event: &Event| {
        let mut event = Event { at: at(0), ..event.clone() };
        if let EventBody::Ended { spent, .. } = &mut event.body {
            spent.time = Duration::ZERO;
            spent.waited = Duration::ZERO;
        }
        event
    };
    events.values().map(timeless).collect()
}

struct Done {
    events: Vec<Event>,
    state: Log,
    calls: BTreeMap<Arc<str>, (String, usize)>,
    processes: u64,
}

/// Runs it by processes that are killed after so many effects each; the last number counts for all that follow.
async fn run(id: RunId, lives: &[usize]) -> Done {
    let clock = TokioClock::new();
    let world = Arc::new(World {
        checkpoints: MemoryCheckpoints::new(clock.clone()),
        clock,
        events: Mutex::default(),
        calls: Mutex::default(),
    });
    let (graph, scope) = (graph(), notebook_auth::single_user());
    for fence in 0..500_u64 {
        let life = lives.get(usize::try_from(fence).unwrap()).or(lives.last()).copied().unwrap();
        let process = Process::new(life);
        let hand = || Arc::new(Hand(Arc::clone(&world), Arc::clone(&process)));
        let driver = Driver::new(hand(), hand())
            .with_approvals(hand())
            .with_checkpoints(hand())
            .with_clock(world.clock.clone());
        let (into, teller) = (Arc::clone(&world), Arc::clone(&process));
        let tell: Listener = Arc::new(move |event| {
            if !teller.lives() {
                return;
            }
            let before = into.events.lock().insert(event.seq, event.clone());
            assert!(before.is_none_or(|before| before == *event), "a number stands for one event");
            teller.done();
        });
        let watch = Watch { events: Some(tell), ..Watch::default() };
        let begun = world.checkpoints.read(&scope, id).await.unwrap().is_some();
        let driving = async {
            if begun {
                driver.resume(&scope, &graph, id, Fence(fence), &watch).await
            } else {
                let tools = ["work".to_owned()].into();
                let new = NewRun { tools, ..NewRun::new(id, Log::new()) };
                driver.start(&scope, &graph, new, Fence(fence), &watch).await
            }
        };
        let ended = tokio::select! {
            biased;
            () = process.dead.cancelled() => continue,
            outcome = driving => outcome.unwrap().ended().unwrap(),
        };
        // Killed between its last events.
        if !process.lives() {
            continue;
        }
        assert_eq!(ended.end, End::Done);
        let events = timeless(&world.events.lock());
        let calls = world.calls.lock().clone();
        return Done { events, state: ended.state.unwrap(), calls, processes: fence + 1 };
    }
    panic!("it makes no progress")
}

/// D1, D2: killed after each of its effects, once and again and again, it comes to the same events and the same end; what was done and
/// not recorded is done again with the same key, and nothing else is.
#[tokio::test(start_paused = true)]
async fn d2_killed_after_every_effect_it_comes_to_the_same_end() {
    let id = RunId::new();
    let whole = run(id, &[usize::MAX]).await;
    assert!(whole.calls.values().all(|(_, times)| *times == 1));
    let effects = whole.events.len() + whole.calls.len() + 20;
    let mut repeated = 0;
    let once: Vec<_> = (1..=effects).map(|k| vec![k, usize::MAX]).collect();
    // Each life is long enough for the step that it begins with.
    let often: Vec<_> = (12..40).map(|k| vec![k]).collect();
    for lives in once.iter().chain(&often) {
        let done = run(id, lives).await;
        assert_eq!(done.events, whole.events, "{lives:?}");
        assert_eq!(done.state, whole.state, "{lives:?}");
        let keys = |done: &Done| done.calls.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&done), keys(&whole), "{lives:?}");
        let again = done.calls.values().filter(|(_, times)| *times > 1).count();
        if lives.len() == 2 {
            assert!(again <= 3, "no more than was under way: {lives:?}");
        }
        repeated += again;
        assert!(done.processes <= 2 || lives.len() == 1);
    }
    assert!(repeated > 0, "some calls were done twice, or this showed nothing");
}
