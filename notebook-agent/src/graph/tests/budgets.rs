use super::*;

/// Drives by hand: each call is answered by `answer`, and takes `millis`.
fn run_by_hand(
    graph: &Graph<Value>,
    new: NewRun<Value>,
    millis: i64,
    answer: impl Fn(&Request) -> Answer,
) -> (Run<Value>, Vec<Request>) {
    let mut now = 0;
    let mut stepped = graph.step(graph.begin(new, at(0)).unwrap(), Input::Start, at(0));
    let (mut waiting, mut made) = (calls(&stepped.effects), Vec::new());
    while stepped.run.end().is_none() {
        let input = if stepped.run.is_ready() {
            Input::Continue
        } else {
            now += millis;
            let request = waiting.remove(0);
            let answer = answer(&request);
            made.push(request.clone());
            Input::Answer { key: request.key, answer }
        };
        stepped = graph.step(stepped.run, input, at(now));
        waiting.extend(calls(&stepped.effects));
    }
    (stepped.run, made)
}

fn tool(request: &Request) -> Answer {
    let Call::Tool(call) = &request.call else { panic!("{request:?}") };
    Ok(Reply::Tool(call.arguments.clone().into()))
}

fn over(budget: BudgetName) -> Option<End> {
    Some(End::Budget { budget })
}

fn echo_forever() -> Graph<Value> {
    asking(|_| Call::Tool(ToolCall::new("echo", json!("again"))))
}

/// D1: each budget ends a run that would never end, under its own name.
#[test]
fn d1_endless_loops_end_by_the_budget_that_is_used_up() {
    let graph = echo_forever();
    let budget = Budget { steps: 7, ..Budget::default() };
    let (run, made) = run_by_hand(&graph, new_run(json!(0), budget), 0, tool);
    assert_eq!((run.end().cloned(), made.len()), (over(BudgetName::Steps), 7));
    let budget = Budget { tool_calls: 5, ..Budget::default() };
    let (run, made) = run_by_hand(&graph, new_run(json!(0), budget), 0, tool);
    assert_eq!((run.end().cloned(), made.len()), (over(BudgetName::ToolCalls), 5));
    let budget = Budget { wall_time: Duration::from_millis(950), ..Budget::default() };
    let (run, made) = run_by_hand(&graph, new_run(json!(0), budget), 100, tool);
    assert_eq!((run.end().cloned(), made.len()), (over(BudgetName::WallTime), 10));
    assert_eq!(made.last().unwrap().timeout, Duration::from_millis(50), "no longer than is left");
    let budget = Budget { failures: 3, ..Budget::default() };
    let failing = |_: &Request| Err(Failure::new("no", "not today"));
    let (run, made) = run_by_hand(&graph, new_run(json!(0), budget), 0, failing);
    assert_eq!((run.end().cloned(), made.len()), (over(BudgetName::Failures), 3));
    let budget = Budget { cost_micros: 100, ..Budget::default() };
    let costly = |_: &Request| Ok(Reply::Tool(ToolReply { output: json!(1), cost_micros: 30 }));
    let (run, made) = run_by_hand(&graph, new_run(json!(0), budget), 0, costly);
    assert_eq!((run.end().cloned(), made.len()), (over(BudgetName::Cost), 4));
}

/// D1: a success in between begins the count of failures anew.
#[test]
fn d1_failures_count_only_one_after_the_other() {
    let graph = echo_forever();
    let budget = Budget { failures: 3, tool_calls: 40, ..Budget::default() };
    let count = std::cell::Cell::new(0);
    let (run, _) = run_by_hand(&graph, new_run(json!(0), budget), 0, |request| {
        count.set(count.get() + 1);
        if count.get() % 3 == 0 { tool(request) } else { Err(Failure::new("no", "")) }
    });
    assert_eq!(run.end().cloned(), over(BudgetName::ToolCalls));
}

/// D1: tokens are reserved before a call, and what is told afterwards counts.
#[test]
fn d1_tokens_are_reserved_before_and_counted_after() {
    let graph = asking(|_| Call::Model(prompt("Hello there")));
    let budget = Budget { tokens: 100, answer_tokens: 60, ..Budget::default() };
    let max = |request: &Request| match &request.call {
        Call::Model(call) => call.max_tokens.unwrap(),
        _ => 0,
    };
    // The prompt is 8 tokens by the estimate.
    let answer =
        |request: &Request| Ok(Reply::Model(said("x", (8, u64::from(max(request))), None)));
    let (run, made) = run_by_hand(&graph, new_run(json!(0), budget.clone()), 0, answer);
    assert_eq!(made.iter().map(max).collect::<Vec<_>>(), [60, 24]);
    assert_eq!((run.end().cloned(), run.spent().tokens), (over(BudgetName::Tokens), 100));
    // One that tells nothing is estimated, and one that lies ends the run.
    let silent = |_: &Request| Ok(Reply::Model(said("abcabc", (0, 0), None)));
    let (run, made) = run_by_hand(&graph, new_run(json!(0), budget.clone()), 0, silent);
    assert_eq!((made.len(), run.spent().tokens), (10, 100));
    let lying = |_: &Request| Ok(Reply::Model(said("x", (u64::MAX, u64::MAX), None)));
    let (run, made) = run_by_hand(&graph, new_run(json!(0), budget), 0, lying);
    assert_eq!((run.end().cloned(), made.len()), (over(BudgetName::Tokens), 1));
}

/// D1: branches share the budget, and are bounded in number, those within branches among them.
#[test]
fn d1_branches_are_bounded_and_share_the_budget() {
    let leaf = || {
        let ask = |_: &Value, _: &mut Context<'_>| Ok(ToolCall::new("echo", json!(1)));
        Graph::<Value>::builder("leaf", 1).tool("call", ask, |_, _, _| Ok(())).edge("call", END)
    };
    let wide = |n: usize, body: Graph<Value>| {
        Graph::<Value>::builder("wide", 1)
            .split(
                "split",
                move |_, _| Ok(vec![json!(0); n]),
                body,
                |state, branches, _| {
                    *state = json!(branches.iter().filter(|b| b.failure.is_none()).count());
                    Ok(())
                },
            )
            .edge("split", END)
            .build()
            .unwrap()
    };
    let leaf = || leaf().build().unwrap();
    let budget = Budget { branches: 10, ..Budget::default() };
    let (run, made) = run_by_hand(&wide(9, leaf()), new_run(json!(0), budget.clone()), 0, tool);
    assert_eq!((run.end().cloned(), made.len()), (Some(End::Done), 9));
    assert_eq!(run.state(), Some(&json!(9)));
    let (run, made) = run_by_hand(&wide(10, leaf()), new_run(json!(0), budget.clone()), 0, tool);
    assert_eq!((run.end().cloned(), made.len()), (over(BudgetName::Branches), 0));
    let nested = wide(3, wide(3, leaf()));
    let (run, _) = run_by_hand(&nested, new_run(json!(0), budget.clone()), 0, tool);
    assert_eq!(run.end().cloned(), over(BudgetName::Branches));
    let few = Budget { tool_calls: 4, ..budget.clone() };
    let (run, _) = run_by_hand(&wide(9, leaf()), new_run(json!(0), few), 0, tool);
    assert_eq!((run.end().cloned(), run.spent().tool_calls), (over(BudgetName::ToolCalls), 4));
    let none = wide(0, leaf());
    let (run, _) = run_by_hand(&none, new_run(json!(0), budget), 0, tool);
    assert_eq!((run.end().cloned(), run.state()), (Some(End::Done), Some(&json!(0))));
}

/// D1: a state that outgrows its budget ends the run, which can still be stored.
#[test]
fn d1_a_state_that_grows_without_bound_ends_the_run() {
    let graph = Graph::<String>::builder("grow", 1)
        .compute("grow", |state, _| {
            state.push_str(&"x".repeat(1_000));
            Ok(())
        })
        .choose("grow", |_| "grow", &["grow", END])
        .build()
        .unwrap();
    let budget = Budget { state_bytes: 10_000, ..Budget::default() };
    let begun = graph.begin(new_run(String::new(), budget), at(0)).unwrap();
    let mut stepped = graph.step(begun, Input::Start, at(0));
    let mut seq = 0;
    while stepped.run.end().is_none() {
        for event in events(&stepped.effects) {
            seq += 1;
            assert_eq!(event.seq, seq);
        }
        stepped = graph.step(stepped.run, Input::Continue, at(0));
    }
    assert_eq!(stepped.run.end().cloned(), over(BudgetName::StateBytes));
    let [Effect::Checkpoint { body, .. }, Effect::Emit(ended)] = &stepped.effects[..] else {
        panic!("{:?}", stepped.effects)
    };
    assert!(body.len() < 10_000);
    assert_eq!(ended.seq, seq + 1);
    assert_eq!(graph.decode(body).unwrap().end(), stepped.run.end());
}

/// D1, D3: a tool that is not of the run's set is never called, whatever the node asks.
#[test]
fn d1_a_tool_outside_of_the_run_s_set_is_a_failed_call() {
    let graph = asking(|_| Call::Tool(ToolCall::new("stall", json!(1))));
    let tools = ["echo".to_owned()].into();
    let new = NewRun { tools, ..new_run(json!(0), Budget { failures: 4, ..Budget::default() }) };
    let (run, made) = run_by_hand(&graph, new, 0, tool);
    assert_eq!((run.end().cloned(), made.len()), (over(BudgetName::Failures), 0));
    assert_eq!(
        (run.state(), run.spent().tool_calls),
        (Some(&json!({"failed": "unknown_tool"})), 0)
    );
}

/// D1: an answer, and a call, of more bytes than allowed are failed calls.
#[test]
fn d1_what_is_too_large_is_a_failed_call() {
    let budget = Budget { call_bytes: 1_000, failures: 2, ..Budget::default() };
    let large = |_: &Request| Ok(Reply::Tool(json!("x".repeat(1_000)).into()));
    let (run, _) = run_by_hand(&echo_forever(), new_run(json!(0), budget.clone()), 0, large);
    assert_eq!(run.state(), Some(&json!({"failed": "too_large"})));
    let graph = asking(|_| Call::Tool(ToolCall::new("echo", json!("x".repeat(1_000)))));
    let (run, made) = run_by_hand(&graph, new_run(json!(0), budget.clone()), 0, tool);
    assert_eq!((run.state(), made.len()), (Some(&json!({"failed": "too_large"})), 0));
    let talkative = |_: &Request| Err(Failure::new("x".repeat(9_000), "y".repeat(9_000)));
    let (run, _) = run_by_hand(&echo_forever(), new_run(json!(0), budget), 0, talkative);
    assert!(run.encode().unwrap().len() < 8_000);
}

/// D1, D5: waiting for people does not count as the run's time, and ends by its own.
#[test]
fn d1_waiting_for_people_has_a_time_of_its_own() {
    let approval = Approval { action: ToolCall::new("echo", json!(1)), reason: String::new() };
    let graph = asking(move |_| Call::Approval(approval.clone()));
    let budget = Budget {
        wall_time: Duration::from_secs(1),
        approval_time: Duration::from_secs(100),
        failures: 1,
        steps: 3,
        ..Budget::default()
    };
    let begun = graph.begin(new_run(json!(0), budget), at(0)).unwrap();
    let stepped = graph.step(begun, Input::Start, at(0));
    assert_eq!(stepped.run.next_tick(), Duration::from_secs(100));
    let stepped = graph.step(stepped.run, Input::Tick, at(99_999));
    assert_eq!(stepped.run.next_tick(), Duration::from_millis(1));
    assert_eq!(stepped.run.end(), None);
    let stepped = graph.step(stepped.run, Input::Tick, at(100_000));
    assert_eq!(stepped.run.state(), Some(&json!({"verdict": "expired"})));
    assert_eq!(stepped.run.spent().time, Duration::ZERO);
    assert_eq!(stepped.run.spent().waited, Duration::from_secs(100));
    assert!(matches!(&stepped.effects[0], Effect::Cancel(_)), "{:?}", stepped.effects);
}

/// D1: a clock that goes back gives no time, and one end is the end.
#[test]
fn d1_time_only_adds_up_and_an_end_is_the_end() {
    let budget = Budget { wall_time: Duration::from_millis(100), ..Budget::default() };
    let graph = echo_forever();
    let begun = graph.begin(new_run(json!(0), budget), at(0)).unwrap();
    let mut stepped = graph.step(begun, Input::Start, at(0));
    for millis in [60, -3_600_000, -3_599_970] {
        stepped = graph.step(stepped.run, Input::Tick, at(millis));
        assert_eq!(stepped.run.end(), None);
    }
    stepped = graph.step(stepped.run, Input::Tick, at(-3_599_960));
    assert_eq!(stepped.run.end().cloned(), over(BudgetName::WallTime));
    let (step, end) = (stepped.run.step(), stepped.run.end().cloned());
    for input in [Input::Stop, Input::Tick, Input::Continue, Input::Start] {
        stepped = graph.step(stepped.run, input, at(1_000_000));
        assert!(stepped.effects.is_empty());
    }
    assert_eq!((stepped.run.step(), stepped.run.end().cloned()), (step, end));
}
