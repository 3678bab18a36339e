//! Scenarios of ending runs and of what goes with them.

use super::Pair;
use crate::{
    ErrorKind, MessageId, RunId, TenantScope,
    conformance::Scenario,
    model::{EventBody, Message, Run, RunEvent, RunOutcome, RunState, Usage, Used},
    store::conformance::{refused, samples::*},
};

/// Every scenario of this file.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Pair<'a>>> {
    crate::scenarios![
        Pair<'a>;
        closing_stores_events_state_and_answer,
        every_terminal_state_closes_a_run,
        s41_a_second_close_is_refused,
        closes_at_once_end_the_run_once,
        nothing_follows_the_end,
        a_close_that_disagrees_with_itself_is_refused,
        a_close_with_a_gap_changes_nothing,
        a_close_with_a_bad_answer_changes_nothing,
        closing_moves_the_conversations_time_forward,
        a7_a_run_that_ended_elsewhere_is_stored_at_once,
        s45_pruning_leaves_the_end_and_the_answer,
        s42_a_stop_is_asked_for_in_any_process,
        deleting_a_conversation_takes_its_runs,
        deleting_a_notebook_takes_its_runs,
    ]
}

fn outcome(run: &Run, first: u64) -> RunOutcome {
    let mut events = deltas(first, 2);
    events.push(completed(first + 2));
    RunOutcome { state: RunState::Completed, events, answer: Some(answer(run)), used: None }
}

/// Checks that the run is as it was opened: no events, no answer.
async fn untouched(pair: &Pair<'_>, scope: &TenantScope, run: &Run) {
    assert_eq!(pair.log.run(scope, run.id).await.unwrap(), *run);
    assert_eq!(pair.log.events(scope, run.id, 0, 100).await.unwrap(), []);
    refused(pair.store.message(scope, run.answer).await, ErrorKind::NotFound);
}

pub async fn closing_stores_events_state_and_answer(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    pair.log.start(&scope, run.id).await.unwrap();
    pair.log.append(&scope, run.id, &deltas(1, 3)).await.unwrap();
    let closed = pair.log.close(&scope, run.id, outcome(&run, 4)).await.unwrap();
    let expected =
        Run { state: RunState::Completed, ended_at: Some(completed(6).at), ..run.clone() };
    assert_eq!(closed, expected);
    assert_eq!(pair.log.run(&scope, run.id).await.unwrap(), expected);
    assert_eq!(pair.store.message(&scope, run.answer).await.unwrap(), answer(&run));
    assert_eq!(pair.log.answer(&scope, run.id).await.unwrap(), Some(answer(&run)));
    refused(pair.log.answer(&tenant(), run.id).await, ErrorKind::NotFound);
    let mut events = deltas(1, 5);
    events.push(completed(6));
    assert_eq!(pair.log.events(&scope, run.id, 0, 100).await.unwrap(), events);
    assert_eq!(pair.log.unfinished(&scope).await.unwrap(), []);
}

pub async fn every_terminal_state_closes_a_run(pair: &Pair<'_>) {
    let scope = tenant();
    let failed =
        EventBody::Failed { code: "x".into(), message: "y".into(), retryable: false, detail: None };
    for (state, body) in [
        (RunState::Completed, completed(1).body),
        (RunState::Stopped, EventBody::Stopped),
        (RunState::Failed, failed),
        (RunState::Abandoned, EventBody::Abandoned),
    ] {
        let run = pair.opened(&scope).await.run;
        let events = vec![RunEvent { seq: 1, at: at(7), body }];
        let end = RunOutcome { state, events: events.clone(), answer: None, used: None };
        let closed = pair.log.close(&scope, run.id, end).await.unwrap();
        assert_eq!((closed.state, closed.ended_at), (state, Some(at(7))));
        assert_eq!(pair.log.events(&scope, run.id, 0, 9).await.unwrap(), events);
        refused(pair.store.message(&scope, run.answer).await, ErrorKind::NotFound);
    }
}

pub async fn s41_a_second_close_is_refused(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    let first = pair.log.close(&scope, run.id, outcome(&run, 1)).await.unwrap();
    let stop = RunOutcome {
        state: RunState::Stopped,
        events: vec![RunEvent { seq: 4, at: at(9_999), body: EventBody::Stopped }],
        answer: None,
        used: None,
    };
    for again in [outcome(&run, 1), outcome(&run, 4), stop] {
        refused(pair.log.close(&scope, run.id, again).await, ErrorKind::Conflict);
    }
    assert_eq!(pair.log.run(&scope, run.id).await.unwrap(), first);
    assert_eq!(pair.log.events(&scope, run.id, 0, 100).await.unwrap().len(), 3);
    refused(pair.log.close(&scope, RunId::new(), outcome(&run, 1)).await, ErrorKind::NotFound);
}

pub async fn closes_at_once_end_the_run_once(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    let calls = (0..8).map(|_| pair.log.close(&scope, run.id, outcome(&run, 1)));
    let results = futures::future::join_all(calls).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert_eq!(pair.log.events(&scope, run.id, 0, 100).await.unwrap().len(), 3);
}

pub async fn nothing_follows_the_end(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    let closed = pair.log.close(&scope, run.id, outcome(&run, 1)).await.unwrap();
    refused(pair.log.append(&scope, run.id, &deltas(4, 1)).await, ErrorKind::Conflict);
    refused(pair.log.start(&scope, run.id).await, ErrorKind::Conflict);
    assert_eq!(pair.log.run(&scope, run.id).await.unwrap(), closed);
    assert_eq!(pair.log.events(&scope, run.id, 3, 100).await.unwrap(), []);
}

pub async fn a_close_that_disagrees_with_itself_is_refused(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    let good = outcome(&run, 1);
    let mut two_ends = good.clone();
    two_ends.events.insert(2, RunEvent { seq: 3, ..completed(3) });
    two_ends.events[3].seq = 4;
    let bad = [
        RunOutcome { state: RunState::Stopped, ..good.clone() },
        RunOutcome { state: RunState::Running, ..good.clone() },
        RunOutcome { events: Vec::new(), ..good.clone() },
        RunOutcome { events: deltas(1, 2), ..good.clone() },
        // The answer has its usage.
        RunOutcome {
            used: Some(Used { model: "a/x".to_owned(), usage: Usage::default() }),
            ..good.clone()
        },
        two_ends,
    ];
    for outcome in bad {
        refused(pair.log.close(&scope, run.id, outcome).await, ErrorKind::InvalidInput);
    }
    untouched(pair, &scope, &run).await;
}

pub async fn a_close_with_a_gap_changes_nothing(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    for first in [0, 2] {
        refused(pair.log.close(&scope, run.id, outcome(&run, first)).await, ErrorKind::Conflict);
    }
    untouched(pair, &scope, &run).await;
}

pub async fn a_close_with_a_bad_answer_changes_nothing(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    let elsewhere = pair.conversation(&scope).await;
    let bad = [
        (Message { id: MessageId::new(), ..answer(&run) }, ErrorKind::InvalidInput),
        (Message { conversation: elsewhere.id, ..answer(&run) }, ErrorKind::InvalidInput),
        (Message { parent: Some(MessageId::new()), ..answer(&run) }, ErrorKind::NotFound),
    ];
    for (answer, kind) in bad {
        let outcome = RunOutcome { answer: Some(answer), ..outcome(&run, 1) };
        refused(pair.log.close(&scope, run.id, outcome).await, kind);
    }
    untouched(pair, &scope, &run).await;
}

pub async fn closing_moves_the_conversations_time_forward(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    let closed = pair.log.close(&scope, run.id, outcome(&run, 1)).await.unwrap();
    let conversation = pair.store.conversation(&scope, run.conversation).await.unwrap();
    assert_eq!(Some(conversation.updated_at), closed.ended_at);
    let notebook = pair.store.notebook(&scope, run.notebook).await.unwrap();
    assert_eq!(Some(notebook.updated_at), closed.ended_at);
}

async fn gone(pair: &Pair<'_>, scope: &TenantScope, run: &Run) {
    refused(pair.log.run(scope, run.id).await, ErrorKind::NotFound);
    refused(pair.log.events(scope, run.id, 0, 10).await, ErrorKind::NotFound);
    refused(pair.log.append(scope, run.id, &deltas(3, 1)).await, ErrorKind::NotFound);
    refused(pair.log.close(scope, run.id, outcome(run, 3)).await, ErrorKind::NotFound);
    refused(pair.store.message(scope, run.question).await, ErrorKind::NotFound);
}

pub async fn deleting_a_conversation_takes_its_runs(pair: &Pair<'_>) {
    let scope = tenant();
    let doomed = pair.opened(&scope).await.run;
    let kept = pair.opened(&scope).await.run;
    pair.log.append(&scope, doomed.id, &deltas(1, 2)).await.unwrap();
    pair.store.delete_conversation(&scope, doomed.conversation).await.unwrap();
    gone(pair, &scope, &doomed).await;
    assert_eq!(pair.log.unfinished(&scope).await.unwrap(), [kept]);
}

pub async fn deleting_a_notebook_takes_its_runs(pair: &Pair<'_>) {
    let scope = tenant();
    let doomed = pair.opened(&scope).await.run;
    let kept = pair.opened(&scope).await.run;
    pair.log.append(&scope, doomed.id, &deltas(1, 2)).await.unwrap();
    pair.store.delete_notebook(&scope, doomed.notebook).await.unwrap();
    gone(pair, &scope, &doomed).await;
    assert_eq!(pair.log.unfinished(&scope).await.unwrap(), [kept]);
}

pub async fn s42_a_stop_is_asked_for_in_any_process(pair: &Pair<'_>) {
    let scope = tenant();
    let (run, other) = (pair.opened(&scope).await.run, pair.opened(&scope).await.run);
    assert_eq!(pair.log.stopping(&scope).await.unwrap(), []);
    for _ in 0..2 {
        let asked = pair.log.request_stop(&scope, run.id).await.unwrap();
        assert_eq!(asked, Run { stop_requested: true, ..run.clone() });
    }
    assert!(pair.log.run(&scope, run.id).await.unwrap().stop_requested);
    assert_eq!(pair.log.stopping(&scope).await.unwrap(), [run.id]);
    // Whose it is not, hears nothing and changes nothing.
    let stranger = tenant();
    assert_eq!(pair.log.stopping(&stranger).await.unwrap(), []);
    refused(pair.log.request_stop(&stranger, other.id).await, ErrorKind::NotFound);
    refused(pair.log.request_stop(&scope, RunId::new()).await, ErrorKind::NotFound);
    let closed = pair.log.close(&scope, run.id, outcome(&run, 1)).await.unwrap();
    assert_eq!(pair.log.stopping(&scope).await.unwrap(), []);
    // What has ended stays as it is.
    let ended = pair.log.close(&scope, other.id, outcome(&other, 1)).await.unwrap();
    assert_eq!(pair.log.request_stop(&scope, other.id).await.unwrap(), ended);
    assert_eq!(pair.log.request_stop(&scope, run.id).await.unwrap(), closed);
}

pub async fn s45_pruning_leaves_the_end_and_the_answer(pair: &Pair<'_>) {
    let scope = tenant();
    let (old, new) = (pair.opened(&scope).await.run, pair.opened(&scope).await.run);
    let open = pair.opened(&scope).await.run;
    pair.log.append(&scope, open.id, &deltas(1, 3)).await.unwrap();
    pair.log.close(&scope, old.id, outcome(&old, 1)).await.unwrap();
    let ended = pair.log.close(&scope, new.id, outcome(&new, 1)).await.unwrap().ended_at.unwrap();
    assert_eq!(pair.log.prune(&scope, ended, 10).await.unwrap(), 0, "before, not at");
    let later = crate::Timestamp::from_millis(ended.as_millis() + 1);
    assert_eq!(pair.log.prune(&tenant(), later, 10).await.unwrap(), 0);
    assert_eq!(pair.log.prune(&scope, later, 1).await.unwrap(), 1);
    assert_eq!(pair.log.prune(&scope, later, 10).await.unwrap(), 1);
    assert_eq!(pair.log.prune(&scope, later, 10).await.unwrap(), 0);
    for run in [&old, &new] {
        assert_eq!(pair.log.events(&scope, run.id, 0, 10).await.unwrap(), [completed(3)]);
        assert_eq!(pair.store.message(&scope, run.answer).await.unwrap(), answer(run));
        assert_eq!(pair.log.run(&scope, run.id).await.unwrap().state, RunState::Completed);
    }
    assert_eq!(pair.log.events(&scope, open.id, 0, 10).await.unwrap().len(), 3);
}

pub async fn a7_a_run_that_ended_elsewhere_is_stored_at_once(pair: &Pair<'_>) {
    let scope = tenant();
    let first = pair.opened(&scope).await.run;
    let conversation = pair.store.conversation(&scope, first.conversation).await.unwrap();
    let new = new_run(&conversation);
    let run = new.run.clone();
    let ended = |run: &Run| RunOutcome {
        state: RunState::Completed,
        events: vec![completed(1)],
        answer: Some(answer(run)),
        used: None,
    };
    // What cannot end is not opened either.
    let lost = Message { parent: Some(MessageId::new()), ..answer(&run) };
    let bad = RunOutcome { answer: Some(lost), ..ended(&run) };
    refused(pair.log.record(&scope, new.clone(), bad).await, ErrorKind::NotFound);
    let bad = RunOutcome { events: deltas(1, 2), ..ended(&run) };
    refused(pair.log.record(&scope, new.clone(), bad).await, ErrorKind::InvalidInput);
    refused(pair.log.run(&scope, run.id).await, ErrorKind::NotFound);
    refused(pair.store.message(&scope, run.question).await, ErrorKind::NotFound);
    for _ in 0..2 {
        pair.log.record(&scope, new.clone(), ended(&run)).await.unwrap();
    }
    let stored = pair.log.run(&scope, run.id).await.unwrap();
    assert_eq!((stored.state, stored.ended_at), (RunState::Completed, Some(completed(1).at)));
    assert_eq!(pair.log.events(&scope, run.id, 0, 10).await.unwrap(), [completed(1)]);
    assert_eq!(pair.log.answer(&scope, run.id).await.unwrap(), Some(answer(&run)));
    assert_eq!(pair.store.message(&scope, run.question).await.ok(), new.question);
    refused(pair.log.record(&tenant(), new, ended(&run)).await, ErrorKind::NotFound);
}
