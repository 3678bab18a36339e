use notebook_core::ErrorKind;

use super::*;

fn body(effects: &[Effect]) -> Vec<u8> {
    let body = |effect: &Effect| match effect {
        Effect::Checkpoint { body, .. } => Some(body.clone()),
        _ => None,
    };
    effects.iter().find_map(body).unwrap()
}

fn versioned(name: &str, schema: u32, argument: &'static str) -> GraphBuilder<Value> {
    let ask = move |state: &Value, _: &mut Context<'_>| {
        Ok(ToolCall::new("echo", json!([argument, state])))
    };
    let inner = Graph::<Value>::builder("inner", 1)
        .tool("call", ask, |_, _, _| Ok(()))
        .edge("call", END)
        .build()
        .unwrap();
    let split = |state: &Value, _: &mut Context<'_>| Ok(vec![state.clone(), state.clone()]);
    Graph::builder(name, schema).split("split", split, inner, |_, _, _| Ok(())).edge("split", END)
}

/// A run of which one branch has come back, and another waits.
fn half_way() -> Vec<u8> {
    let graph = versioned("g", 2, "a").build().unwrap();
    let begun = graph.begin(new_run(json!({"old": 1}), Budget::default()), at(0)).unwrap();
    let mut stepped = graph.step(begun, Input::Start, at(0));
    let mut made = Vec::new();
    while stepped.run.is_ready() {
        stepped = graph.step(stepped.run, Input::Continue, at(0));
        made.extend(calls(&stepped.effects));
    }
    let answer = Ok(Reply::Tool(json!(1).into()));
    let stepped =
        graph.step(stepped.run, Input::Answer { key: made[0].key.clone(), answer }, at(0));
    body(&stepped.effects)
}

/// D2: a state of a newer shape, of another graph, at a node that is gone, or damaged, is refused with what to do.
#[test]
fn d2_what_cannot_be_gone_on_with_is_refused() {
    let stored = half_way();
    let same = versioned("g", 2, "a").build().unwrap();
    assert!(same.decode(&stored).is_ok());
    // It knows how to bring older states up to date, and not what a newer one means.
    let older = versioned("g", 1, "a").migrate(|_, state| Ok(state)).build().unwrap();
    let newer = versioned("g", 3, "a").build().unwrap();
    let other = versioned("h", 2, "a").build().unwrap();
    let moved = Graph::<Value>::builder("g", 2)
        .compute("elsewhere", |_, _| Ok(()))
        .edge("elsewhere", END)
        .build()
        .unwrap();
    let kind = |graph: &Graph<Value>, body: &[u8]| {
        let error = graph.decode(body).unwrap_err();
        assert!(error.context("fix").is_some(), "{error}");
        error.kind()
    };
    assert_eq!(kind(&older, &stored), ErrorKind::Unsupported);
    assert_eq!(kind(&newer, &stored), ErrorKind::Unsupported);
    assert_eq!(kind(&other, &stored), ErrorKind::Conflict);
    assert_eq!(kind(&moved, &stored), ErrorKind::Conflict);
    assert_eq!(kind(&same, &stored[..stored.len() / 2]), ErrorKind::Corrupt);
    let mut format: Value = serde_json::from_slice(&stored).unwrap();
    format["format"] = json!(99);
    assert_eq!(kind(&same, format.to_string().as_bytes()), ErrorKind::Unsupported);
}

/// D2: an older state is brought up to date, in every branch, those that have ended among them.
#[test]
fn d2_older_states_are_migrated_in_every_branch() {
    let migrate = |from, mut state: Value| {
        assert_eq!(from, 2);
        state["new"] = state["old"].take();
        Ok(state)
    };
    let graph = versioned("g", 3, "a").migrate(migrate).build().unwrap();
    let run = graph.decode(&half_way()).unwrap();
    let text = String::from_utf8(run.encode().unwrap()).unwrap();
    assert_eq!(text.matches("\"new\":1").count(), 3, "{text}");
    assert!(text.contains("\"schema\":3"));
    let fails = |_, _| Err(Failure::new("no", "no way"));
    let graph = versioned("g", 3, "a").migrate(fails).build().unwrap();
    assert_eq!(graph.decode(&half_way()).unwrap_err().kind(), ErrorKind::Unsupported);
}

/// D2: a call that is to be made again is the same call, or the run ends: a key stands for one content.
#[test]
fn d2_a_call_is_made_again_only_as_it_was() {
    let stored = half_way();
    let same = versioned("g", 2, "a").build().unwrap();
    let again = same.step(same.decode(&stored).unwrap(), Input::Resume, at(50));
    assert_eq!(calls(&again.effects).len(), 1);
    let twice = same.step(again.run, Input::Resume, at(60));
    assert_eq!(
        calls(&twice.effects),
        calls(&again.effects)
            .into_iter()
            .map(|mut request| {
                request.timeout = request.timeout.min(calls(&twice.effects)[0].timeout);
                request
            })
            .collect::<Vec<_>>()
    );
    let changed = versioned("g", 2, "b").build().unwrap();
    let stepped = changed.step(changed.decode(&stored).unwrap(), Input::Resume, at(50));
    let Some(End::Failed { failure, node }) = stepped.run.end() else { panic!("{stepped:?}") };
    assert_eq!((failure.code.as_str(), node.as_deref()), ("not_repeatable", Some("split/call")));
    assert_eq!(calls(&stepped.effects), []);
}

/// A state whose map has keys that are no texts cannot be stored: the run says so.
#[test]
fn d2_a_state_that_does_not_serialise_ends_the_run() {
    type Odd = std::collections::BTreeMap<Vec<u8>, u8>;
    let graph = Graph::<Odd>::builder("odd", 1)
        .compute("fill", |state, _| {
            state.insert(vec![1], 1);
            Ok(())
        })
        .edge("fill", END)
        .build()
        .unwrap();
    let begun = graph.begin(new_run(Odd::new(), Budget::default()), at(0)).unwrap();
    let stepped = graph.step(begun, Input::Start, at(0));
    assert!(matches!(stepped.run.end(), Some(End::Failed { .. })), "{:?}", stepped.run.end());
    assert_eq!(events(&stepped.effects).len(), 1);
}
