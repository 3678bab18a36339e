use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use notebook_core::{
    ErrorKind, TenantScope,
    checkpoint::{Checkpoints as _, memory::MemoryCheckpoints},
    clock::{ManualClock, SystemClock},
    queue::Fence,
};
use parking_lot::Mutex;

use super::*;

fn scope() -> TenantScope {
    notebook_auth::single_user()
}

/// Keeps what is told.
fn listening() -> (Watch, Arc<Mutex<Vec<Event>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&heard);
    let tell: Listener = Arc::new(move |event| into.lock().push(event.clone()));
    (Watch { events: Some(tell), ..Watch::default() }, heard)
}

async fn ended(graph: Graph<Value>, budget: Budget) -> Ended<Value> {
    let (watch, heard) = listening();
    let new = new_run(json!(0), budget);
    let outcome = echo().start(&scope(), &Arc::new(graph), new, Fence(0), &watch).await.unwrap();
    let ended = outcome.ended().unwrap();
    let told = heard.lock();
    let Some(EventBody::Ended { end, spent }) = told.last().map(|event| &event.body) else {
        panic!("{told:?}")
    };
    assert_eq!((end, spent), (&ended.end, &ended.spent));
    ended
}

/// D1: a call that stalls is cut off at its deadline, and one that panics fails alone.
#[tokio::test(start_paused = true)]
async fn d1_calls_that_stall_or_panic_are_failures_of_their_own() {
    quiet_panics();
    let call_time = Duration::from_secs(10);
    let budget = Budget { call_time, failures: 3, ..Budget::default() };
    for (name, code, time) in [("stall", "timeout", 30), ("panic", "panicked", 0)] {
        let graph = asking(move |_| Call::Tool(ToolCall::new(name, json!(1))));
        let since = Instant::now();
        let ended = ended(graph, budget.clone()).await;
        assert_eq!(ended.end, End::Budget { budget: BudgetName::Failures });
        assert_eq!(ended.state, Some(json!({ "failed": code })));
        assert_eq!(since.elapsed().as_secs(), time);
    }
}

/// D1: however a run stalls, it ends at its time.
#[tokio::test(start_paused = true)]
async fn d1_a_run_ends_at_its_time() {
    let graph = asking(|_| Call::Tool(ToolCall::new("stall", json!(1))));
    let wall_time = Duration::from_millis(12_345);
    let since = Instant::now();
    let ended = ended(graph, Budget { wall_time, ..Budget::default() }).await;
    assert_eq!(ended.end, End::Budget { budget: BudgetName::WallTime });
    assert!(since.elapsed() < wall_time + Duration::from_millis(50), "{:?}", since.elapsed());
}

/// D1: a node's function that does not come back is given up, and the run fails by its name. In real time.
#[tokio::test]
async fn d1_a_function_that_hangs_is_given_up() {
    let (release, held) = std::sync::mpsc::sync_channel::<()>(0);
    let held = Mutex::new(held);
    let graph = Graph::<Value>::builder("hang", 1)
        .compute("before", |state, _| {
            *state = json!("before");
            Ok(())
        })
        .compute("hangs", move |state, _| {
            *state = json!("torn");
            let _ = held.lock().recv();
            Ok(())
        })
        .edge("before", "hangs")
        .edge("hangs", END)
        .build()
        .unwrap();
    let config = DriverConfig { step_time: Duration::from_millis(300), ..DriverConfig::default() };
    let driver = Driver::new(Arc::new(Echo), Arc::new(Echo)).with_config(config);
    let new = new_run(json!(0), Budget::default());
    let (scope, graph, watch) = (scope(), Arc::new(graph), Watch::default());
    let run = driver.start(&scope, &graph, new, Fence(0), &watch);
    let ended = tokio::time::timeout(Duration::from_secs(60), run).await.unwrap();
    let ended = ended.unwrap().ended().unwrap();
    let End::Failed { node, failure } = ended.end else { panic!("{:?}", ended.end) };
    assert_eq!((node.as_deref(), failure.code.as_str()), (Some("hangs"), "hung"));
    assert_eq!(ended.state, Some(json!("before")), "as it was before that step");
    drop(release);
}

/// D1: a tool that blocks its thread does not hold up the run. In real time, with two threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_a_tool_that_blocks_its_thread_is_cut_off() {
    let (release, held) = std::sync::mpsc::sync_channel::<()>(0);
    let held = Arc::new(Mutex::new(held));
    let tools = Functions::new().with("block", move |_| {
        let held = Arc::clone(&held);
        async move {
            let _ = held.lock().recv();
            Ok(json!(1))
        }
    });
    let graph = asking(|_| Call::Tool(ToolCall::new("block", json!(1))));
    let budget = Budget { call_time: Duration::from_millis(200), failures: 1, ..Budget::default() };
    let tools = Arc::new(tools);
    let new = NewRun { tools: tools.names(), ..new_run(json!(0), budget) };
    let driver = Driver::new(Arc::new(Echo), tools);
    let (scope, graph) = (scope(), Arc::new(graph));
    let watch = Watch::default();
    let run = driver.start(&scope, &graph, new, Fence(0), &watch);
    let ended = tokio::time::timeout(Duration::from_secs(60), run).await.unwrap();
    let ended = ended.unwrap().ended().unwrap();
    assert_eq!(ended.state, Some(json!({"failed": "timeout"})));
    drop(release);
}

/// D1: a request to stop ends the run during a call, and between steps of one that never calls.
#[tokio::test(start_paused = true)]
async fn d1_stop_is_honoured_during_and_between_effects() {
    let stalls = asking(|_| Call::Tool(ToolCall::new("stall", json!(1))));
    let computes = Graph::<Value>::builder("busy", 1)
        .compute("turn", |_, _| Ok(()))
        .choose("turn", |_| "turn", &["turn", END])
        .build()
        .unwrap();
    let (stalls, computes) = (Arc::new(stalls), Arc::new(computes));
    for (graph, stop_at, steps) in [
        (&stalls, 3_000, Steps::Threads),
        (&stalls, 3_000, Steps::Task),
        (&computes, 0, Steps::Threads),
        (&computes, 0, Steps::Task),
    ] {
        let (mut watch, heard) = listening();
        let (stop, told) = (watch.stop.clone(), watch.events.take().unwrap());
        let tell: Listener = Arc::new(move |event| {
            told(event);
            if event.seq == 20 {
                stop.cancel();
            }
        });
        watch.events = Some(tell);
        let stop = watch.stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(3)).await;
            stop.cancel();
        });
        let since = Instant::now();
        let new = new_run(json!("kept"), Budget { steps: 1_000_000, ..Budget::default() });
        let run = stepping(echo(), steps).start(&scope(), graph, new, Fence(0), &watch).await;
        let ended = run.unwrap().ended().unwrap();
        assert_eq!((ended.end, ended.state), (End::Stopped, Some(json!("kept"))));
        assert_eq!(since.elapsed().as_millis(), stop_at);
        assert!(heard.lock().len() < 25);
    }
}

/// D1: a run that computes without a pause, in the task that drives it, leaves the thread to others: somebody there can stop it.
#[tokio::test]
async fn d1_steps_in_the_task_leave_the_thread_to_others() {
    let graph = Graph::<Value>::builder("busy", 1)
        .compute("turn", |_, _| Ok(()))
        .choose("turn", |_| "turn", &["turn", END])
        .build()
        .unwrap();
    let watch = Watch::default();
    let stop = watch.stop.clone();
    tokio::spawn(async move { stop.cancel() });
    let new = new_run(json!(0), Budget { steps: 1_000_000, ..Budget::default() });
    let driver = stepping(echo(), Steps::Task);
    let run = driver.start(&scope(), &Arc::new(graph), new, Fence(0), &watch).await;
    assert_eq!(run.unwrap().ended().unwrap().end, End::Stopped);
}

/// D1: in the task or in threads, a run tells and ends the same, also when a function panics.
#[tokio::test(start_paused = true)]
async fn d1_where_steps_are_done_changes_nothing() {
    quiet_panics();
    let panics = || {
        Graph::<Value>::builder("panics", 1)
            .compute("node", |_, _| panic!("hostile node"))
            .edge("node", END)
            .build()
            .unwrap()
    };
    let asks = |name: &'static str| {
        move || {
            asking(move |state| {
                let next = if state == "more" { "enough" } else { "more" };
                Call::Tool(ToolCall::new(name, json!(next)))
            })
        }
    };
    let graphs: [&dyn Fn() -> Graph<Value>; 4] =
        [&panics, &asks("echo"), &asks("panic"), &asks("stall")];
    for graph in graphs {
        let mut told = Vec::new();
        for steps in [Steps::Threads, Steps::Task] {
            let (watch, heard) = listening();
            let budget = Budget { failures: 2, ..Budget::default() };
            let new = NewRun { id: RunId::from_u128(7), seed: 1, ..new_run(json!(0), budget) };
            let driver = stepping(Driver::new(Arc::new(Echo), Arc::new(Echo)), steps);
            let driver = driver.with_clock(Arc::new(ManualClock::at(at(0))));
            let run = driver.start(&scope(), &Arc::new(graph()), new, Fence(0), &watch).await;
            let ended = run.unwrap().ended().unwrap();
            told.push((ended.end, ended.spent, ended.state, heard.lock().clone()));
        }
        assert_eq!(told[0], told[1]);
    }
}

/// D1: nothing is under way when a run has ended.
#[tokio::test(start_paused = true)]
async fn d1_calls_end_with_their_run() {
    struct Guarded(Arc<AtomicUsize>);
    impl Drop for Guarded {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let open = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&open);
    let tools = Functions::new().with("stall", move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let guard = Guarded(Arc::clone(&count));
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    });
    let leaf = asking(|_| Call::Tool(ToolCall::new("stall", json!(1))));
    let split = |_: &Value, _: &mut Context<'_>| Ok(vec![json!(0); 5]);
    let graph = Graph::<Value>::builder("wide", 1)
        .split("split", split, leaf, |_, _, _| Ok(()))
        .edge("split", END)
        .build()
        .unwrap();
    let tools = Arc::new(tools);
    let budget = Budget { wall_time: Duration::from_secs(2), ..Budget::default() };
    let new = NewRun { tools: tools.names(), ..new_run(json!(0), budget) };
    let watch = Watch::default();
    let driver = Driver::new(Arc::new(Echo), tools).with_clock(TokioClock::new());
    let graph = Arc::new(graph);
    let scope = scope();
    let run = driver.start(&scope, &graph, new, Fence(0), &watch);
    let seen = Arc::clone(&open);
    let looking = async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        seen.load(Ordering::SeqCst)
    };
    let (run, seen) = tokio::join!(run, looking);
    assert_eq!(run.unwrap().ended().unwrap().end, End::Budget { budget: BudgetName::WallTime });
    assert_eq!(seen, 5);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(open.load(Ordering::SeqCst), 0);
}

/// A desk where questions lie until somebody answers.
#[derive(Default)]
struct Desk(Mutex<Option<Verdict>>, Mutex<Vec<(Arc<str>, Approval)>>);

#[async_trait]
impl Approvals for Desk {
    async fn ask(&self, info: &CallInfo, approval: &Approval) -> Result<Option<Verdict>, Failure> {
        self.1.lock().push((Arc::clone(&info.key), approval.clone()));
        Ok(self.0.lock().clone())
    }
}

/// D1, D5: a run that waits for people is parked, and goes on with what they said; it ends its wait by itself.
#[tokio::test(start_paused = true)]
async fn d5_a_run_that_waits_for_people_is_parked() {
    let approval =
        Approval { action: ToolCall::new("write", json!({"to": "x"})), reason: "r".into() };
    let shown = approval.clone();
    let graph = Graph::<Value>::builder("asks", 1)
        .approval(
            "ask",
            move |_, _| Ok(shown.clone()),
            |state, verdict, _| {
                *state = json!(verdict?);
                Ok(())
            },
        )
        .edge("ask", END)
        .build()
        .unwrap();
    let (desk, graph) = (Arc::new(Desk::default()), Arc::new(graph));
    let driver = echo().with_approvals(desk.clone());
    let new = new_run(json!(0), Budget::default());
    let id = new.id;
    let (watch, scope) = (Watch::default(), scope());
    let day = Duration::from_secs(86_400);
    let parked = driver.start(&scope, &graph, new, Fence(1), &watch).await.unwrap();
    assert!(matches!(parked, Outcome::Parked { expires } if expires == day), "{parked:?}");
    tokio::time::sleep(day / 2).await;
    let parked = driver.resume(&scope, &graph, id, Fence(2), &watch).await.unwrap();
    assert!(matches!(parked, Outcome::Parked { expires } if expires == day / 2), "{parked:?}");
    *desk.0.lock() = Some(Verdict::Approved);
    let done = driver.resume(&scope, &graph, id, Fence(3), &watch).await.unwrap();
    let ended = done.ended().unwrap();
    assert_eq!((ended.end, ended.state), (End::Done, Some(json!({"verdict": "approved"}))));
    let asked = desk.1.lock().clone();
    assert!(asked.iter().all(|other| *other == (asked[0].0.clone(), approval.clone())));
    // And one that nobody answers.
    *desk.0.lock() = None;
    let new = new_run(json!(0), Budget::default());
    let id = new.id;
    driver.start(&scope, &graph, new, Fence(1), &watch).await.unwrap();
    tokio::time::sleep(day).await;
    let done = driver.resume(&scope, &graph, id, Fence(2), &watch).await.unwrap();
    assert_eq!(done.ended().unwrap().state, Some(json!({"verdict": "expired"})));
}

/// D2: a worker whose run another has taken ends without a word, and without another call.
#[tokio::test(start_paused = true)]
async fn d2_a_worker_that_lost_its_run_does_nothing_more() {
    let checkpoints = Arc::new(MemoryCheckpoints::new(Arc::new(SystemClock)));
    let driver = echo().with_checkpoints(checkpoints.clone());
    let graph = Arc::new(asking(|_| Call::Tool(ToolCall::new("echo", json!("again")))));
    let new = new_run(json!(0), Budget::default());
    let (id, scope) = (new.id, scope());
    let (mut watch, heard) = listening();
    let (told, taker, whose) = (watch.events.take().unwrap(), checkpoints.clone(), scope.clone());
    let tell: Listener = Arc::new(move |event| {
        told(event);
        if event.seq == 6 {
            let taken = taker.take(&whose, id, Fence(8)).now_or_never().unwrap().unwrap();
            assert!(taken.is_some());
        }
    });
    watch.events = Some(tell);
    let lost = driver.start(&scope, &graph, new, Fence(7), &watch).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Conflict, "{lost}");
    let heard = heard.lock().clone();
    assert!(heard.len() < 12, "{heard:?}");
    assert!(!heard.iter().any(|event| matches!(event.body, EventBody::Ended { .. })));
    let late = driver.resume(&scope, &graph, id, Fence(7), &Watch::default()).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
}

/// What a caller did wrong is said before anything is done.
#[tokio::test(start_paused = true)]
async fn wrong_beginnings_are_refused() {
    let (driver, scope, watch) = (echo(), scope(), Watch::default());
    let graph = Arc::new(asking(|_| Call::Tool(ToolCall::new("echo", json!("enough")))));
    let new = new_run(json!(0), Budget::default());
    let unknown = NewRun { tools: ["echo".to_owned(), "nuke".to_owned()].into(), ..new.clone() };
    let error = driver.start(&scope, &graph, unknown, Fence(0), &watch).await.unwrap_err();
    assert_eq!((error.context("field"), error.context("unknown")), (Some("tools"), Some("nuke")));
    let wrong = NewRun { budget: Budget { steps: 0, ..Budget::default() }, ..new.clone() };
    let error = driver.start(&scope, &graph, wrong, Fence(0), &watch).await.unwrap_err();
    assert_eq!(error.context("field"), Some("steps"));
    let missing = driver.resume(&scope, &graph, new.id, Fence(0), &watch).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    driver.start(&scope, &graph, new.clone(), Fence(0), &watch).await.unwrap();
    let twice = driver.start(&scope, &graph, new.clone(), Fence(0), &watch).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::AlreadyExists);
    // One that ended ends again.
    let again = driver.resume(&scope, &graph, new.id, Fence(1), &watch).await.unwrap();
    assert_eq!(again.ended().unwrap().end, End::Done);
}
