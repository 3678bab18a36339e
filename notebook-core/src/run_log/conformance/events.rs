//! Scenarios of appending and reading events.

use super::Pair;
use crate::{
    ErrorKind, MessageId, RunId, SourceId,
    conformance::Scenario,
    document::Span,
    model::{
        Citation, EventBody, GENERATION, RetrievalMode, RunEvent, RunOutcome, RunState,
        StageTiming, next_generation,
    },
    store::conformance::{refused, samples::*},
};

/// Every scenario of this file.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Pair<'a>>> {
    crate::scenarios![
        Pair<'a>;
        events_of_every_kind_read_back_as_written,
        events_are_read_from_a_cursor,
        a_gap_in_the_numbers_is_refused,
        a_repeated_append_is_refused,
        appends_at_once_leave_no_gap,
        an_append_is_stored_wholly_or_not_at_all,
        a_terminal_event_is_not_appended,
        an_empty_append_changes_nothing,
        s47_another_workers_numbers_begin_past_all_of_the_first,
    ]
}

pub async fn events_of_every_kind_read_back_as_written(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    let timings = vec![StageTiming { stage: "fuse".into(), micros: u64::MAX, finished: false }];
    let citation = Citation {
        number: 1,
        at: 3,
        at_utf16: 2,
        source: SourceId::new(),
        span: Span { start: 1, end: 4 },
        page: None,
        quote: "蜜".into(),
    };
    let bodies = [
        EventBody::Started { answer: MessageId::new(), model: "extractive".into() },
        EventBody::Restarted,
        EventBody::Resync { text: "蜜".into(), citations: vec![citation.clone()] },
        EventBody::Retrieved { mode: RetrievalMode::Hybrid, passages: 8, partial: true, timings },
        EventBody::Context {
            prompt_tokens: 7_000,
            budget_tokens: 8_000,
            messages_left_out: 1,
            passages_left_out: 2,
        },
        EventBody::Delta { text: "line\r\n\u{2028}\"quoted\" 🐝".into() },
        EventBody::Citation(citation),
        EventBody::Warning { code: "near_budget".into(), message: "Nearly full.".into() },
    ];
    let events: Vec<_> =
        (1..).zip(bodies).map(|(seq, body)| RunEvent { seq, at: at(-1), body }).collect();
    pair.log.append(&scope, run.id, &events).await.unwrap();
    assert_eq!(pair.log.events(&scope, run.id, 0, 100).await.unwrap(), events);
}

pub async fn events_are_read_from_a_cursor(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    pair.log.append(&scope, run.id, &deltas(1, 4)).await.unwrap();
    pair.log.append(&scope, run.id, &deltas(5, 16)).await.unwrap();
    let all = deltas(1, 20);
    for (after, limit) in
        [(0, 20), (0, usize::MAX), (0, 3), (4, 5), (19, 9), (20, 9), (99, 9), (5, 0)]
    {
        let got = pair.log.events(&scope, run.id, after, limit).await.unwrap();
        let expected: Vec<_> = all.iter().filter(|e| e.seq > after).take(limit).cloned().collect();
        assert_eq!(got, expected, "after {after}, limit {limit}");
    }
    assert_eq!(pair.log.events(&scope, run.id, u64::MAX, 5).await.unwrap(), []);
    refused(pair.log.events(&scope, RunId::new(), 0, 5).await, ErrorKind::NotFound);
}

pub async fn a_gap_in_the_numbers_is_refused(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    for first in [0, 2, GENERATION, GENERATION + 2, u64::MAX] {
        let events = [RunEvent { seq: first, ..deltas(1, 1).remove(0) }];
        refused(pair.log.append(&scope, run.id, &events).await, ErrorKind::Conflict);
    }
    pair.log.append(&scope, run.id, &deltas(1, 3)).await.unwrap();
    refused(pair.log.append(&scope, run.id, &deltas(5, 1)).await, ErrorKind::Conflict);
    let mut holed = deltas(4, 4);
    holed.remove(1);
    refused(pair.log.append(&scope, run.id, &holed).await, ErrorKind::Conflict);
    let mut swapped = deltas(4, 2);
    swapped.swap(0, 1);
    refused(pair.log.append(&scope, run.id, &swapped).await, ErrorKind::Conflict);
    assert_eq!(pair.log.events(&scope, run.id, 0, 100).await.unwrap(), deltas(1, 3));
}

pub async fn a_repeated_append_is_refused(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    pair.log.append(&scope, run.id, &deltas(1, 3)).await.unwrap();
    refused(pair.log.append(&scope, run.id, &deltas(1, 3)).await, ErrorKind::Conflict);
    refused(pair.log.append(&scope, run.id, &deltas(3, 2)).await, ErrorKind::Conflict);
    assert_eq!(pair.log.events(&scope, run.id, 0, 100).await.unwrap(), deltas(1, 3));
}

pub async fn appends_at_once_leave_no_gap(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    let one = deltas(1, 1);
    let calls = (0..8).map(|_| pair.log.append(&scope, run.id, &one));
    let results = futures::future::join_all(calls).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert_eq!(pair.log.events(&scope, run.id, 0, 100).await.unwrap(), one);
}

pub async fn an_append_is_stored_wholly_or_not_at_all(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    let mut events = deltas(1, 10);
    events[9].seq = 12;
    refused(pair.log.append(&scope, run.id, &events).await, ErrorKind::Conflict);
    assert_eq!(pair.log.events(&scope, run.id, 0, 100).await.unwrap(), []);
}

pub async fn a_terminal_event_is_not_appended(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    let failed = EventBody::Failed {
        code: "x".into(),
        message: "x".into(),
        retryable: true,
        detail: Some("x: y".into()),
    };
    for body in [completed(1).body, EventBody::Stopped, failed, EventBody::Abandoned] {
        let events = [deltas(1, 1).remove(0), RunEvent { seq: 2, at: at(0), body }];
        refused(pair.log.append(&scope, run.id, &events).await, ErrorKind::InvalidInput);
    }
    assert_eq!(pair.log.events(&scope, run.id, 0, 100).await.unwrap(), []);
}

pub async fn an_empty_append_changes_nothing(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    pair.log.append(&scope, run.id, &[]).await.unwrap();
    assert_eq!(pair.log.run(&scope, run.id).await.unwrap(), run);
    assert_eq!(pair.log.events(&scope, run.id, 0, 100).await.unwrap(), []);
    refused(pair.log.append(&scope, RunId::new(), &[]).await, ErrorKind::NotFound);
}

pub async fn s47_another_workers_numbers_begin_past_all_of_the_first(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    pair.log.append(&scope, run.id, &deltas(1, 3)).await.unwrap();
    let second = next_generation(3);
    assert_eq!((second, next_generation(0)), (GENERATION + 1, GENERATION + 1));
    assert_eq!(next_generation(GENERATION), GENERATION + 1);
    assert_eq!(next_generation(GENERATION + 1), 2 * GENERATION + 1);
    pair.log.append(&scope, run.id, &deltas(second, 2)).await.unwrap();
    // The first one wakes up: it writes nothing any more, nor ends the run.
    refused(pair.log.append(&scope, run.id, &deltas(4, 1)).await, ErrorKind::Conflict);
    let outcome = |seq| RunOutcome {
        state: RunState::Completed,
        events: vec![completed(seq)],
        answer: None,
        used: None,
    };
    refused(pair.log.close(&scope, run.id, outcome(4)).await, ErrorKind::Conflict);
    // What it had shown its readers and not stored is passed over by whoever goes on from there.
    let rest = pair.log.events(&scope, run.id, 57, 100).await.unwrap();
    assert_eq!(rest, deltas(second, 2));
    let third = next_generation(second + 1);
    pair.log.close(&scope, run.id, outcome(third)).await.unwrap();
    let all = pair.log.events(&scope, run.id, 0, 100).await.unwrap();
    let numbers: Vec<u64> = all.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, [1, 2, 3, second, second + 1, third]);
}
