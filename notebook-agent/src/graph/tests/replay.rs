use notebook_core::queue::Fence;

use super::*;

/// Counts to three by a tool; `shift` is what a later version of the program may do otherwise.
fn counting(shift: u64) -> Arc<Graph<u64>> {
    let graph = Graph::<u64>::builder("count", 1)
        .tool(
            "ask",
            |count, _| Ok(ToolCall::new("echo", json!(count))),
            move |count, reply, context| {
                *count = reply?.output.as_u64().unwrap_or(0) + 1;
                let told = if *count == 2 { *count + shift } else { *count };
                let random = context.random() % 10;
                context.note(json!([told, random]))
            },
        )
        .choose("ask", |count| if *count < 3 { "ask" } else { END }, &["ask", END])
        .build()
        .unwrap();
    Arc::new(graph)
}

async fn recorded(graph: &Arc<Graph<u64>>, most: usize) -> Recording {
    let recorder = Arc::new(Recorder::new(most));
    let watch = Watch { recorder: Some(recorder.clone()), ..Watch::default() };
    let new = new_run(0, Budget::default());
    let scope = notebook_auth::single_user();
    echo().start(&scope, graph, new, Fence(0), &watch).await.unwrap();
    recorder.recording()
}

/// D7: a recording replays to the same events, without anything but itself.
#[tokio::test(start_paused = true)]
async fn d7_a_recording_replays_to_the_same_events() {
    let recording = recorded(&counting(0), 1 << 20).await;
    let replayed = counting(0).replay(&recording).unwrap();
    let told: Vec<_> = recording.entries.iter().flat_map(|e| e.output.events.clone()).collect();
    assert_eq!(replayed.events, told);
    assert_eq!(replayed.run.end(), Some(&End::Done));
    assert_eq!(replayed.run.state(), Some(&3));
}

/// D7: a program that does something else says from which step on, and what.
#[tokio::test(start_paused = true)]
async fn d7_a_replay_says_where_it_first_differs() {
    let recording = recorded(&counting(0), 1 << 20).await;
    let Err(ReplayError::Differs(difference)) = counting(5).replay(&recording) else {
        panic!("it differs")
    };
    // The first answer is step 2, the second, with its note, step 3.
    let step = recording.entries.iter().position(|entry| {
        entry
            .output
            .events
            .iter()
            .any(|event| matches!(&event.body, EventBody::Note { value, .. } if value[0] == 2))
    });
    assert_eq!(difference.step, step.unwrap() as u64 + 1);
    assert_eq!(difference.recorded["body"]["value"][0], 2);
    assert_eq!(difference.replayed["body"]["value"][0], 7);
}

/// D7: an answer that was changed, a recording that was cut, and one of another graph are not replayed as if they were whole.
#[tokio::test(start_paused = true)]
async fn d7_what_was_changed_or_cut_does_not_replay() {
    let graph = counting(0);
    let mut changed = recorded(&graph, 1 << 20).await;
    for entry in &mut changed.entries {
        if let Input::Answer { answer: Ok(Reply::Tool(reply)), .. } = &mut entry.input {
            reply.output = json!(1);
        }
    }
    assert!(matches!(graph.replay(&changed), Err(ReplayError::Differs(_))));
    let cut = recorded(&graph, 2_000).await;
    assert!(cut.cut && !cut.entries.is_empty());
    let error = graph.replay(&cut).unwrap_err();
    assert!(error.to_string().contains("too_large"), "{error}");
    let other = Graph::<u64>::builder("other", 1).compute("a", |_, _| Ok(())).edge("a", END);
    let whole = recorded(&graph, 1 << 20).await;
    assert!(matches!(other.build().unwrap().replay(&whole), Err(ReplayError::Unreadable(_))));
}
