//! Scenarios of what webhooks are told, in the transaction of what happened.

use super::*;

/// Every scenario of this file.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Parts<'a>>> {
    crate::scenarios![
        Parts<'a>;
        q40_a_source_that_ends_is_told_once_to_each_that_wants_to_know,
        q40_a_refused_change_tells_nothing,
        q40_a_stage_tells_in_the_transaction_of_its_end,
        q40_a_run_that_ends_is_told_however_it_is_closed,
        a_disabled_webhook_is_told_nothing,
    ]
}

pub async fn q40_a_source_that_ends_is_told_once_to_each_that_wants_to_know(parts: &Parts<'_>) {
    let scope = tenant();
    let both = create(parts, &scope, &[EventType::SourceReady, EventType::SourceFailed]).await;
    let failed = create(parts, &scope, &[EventType::SourceFailed]).await;
    let runs = create(parts, &scope, &[EventType::RunCompleted]).await;
    let source = source(parts, &scope).await;
    // A source fails, is tried again, is ready, and changes once more without news.
    for (revision, stage) in
        [Stage::Parse, Stage::Failed, Stage::Queued, Stage::Ready, Stage::Ready]
            .into_iter()
            .enumerate()
    {
        let changed = in_stage(&source, stage, u32::try_from(revision).unwrap());
        parts.shared.store.update_source(&scope, changed).await.unwrap();
    }
    let told = deliveries(parts, &scope, &both).await;
    let events: Vec<_> = told.iter().map(|delivery| delivery.event).collect();
    assert_eq!(events, [EventType::SourceReady, EventType::SourceFailed], "newest first");
    assert_eq!(deliveries(parts, &scope, &failed).await.len(), 1);
    assert_eq!(deliveries(parts, &scope, &runs).await, []);
    let ready: Value = serde_json::from_str(&told[0].body).unwrap();
    assert_eq!(
        (&ready["type"], &ready["data"]["source"]),
        (&json!("source.ready"), &json!(source.id))
    );
    assert_eq!(ready["data"]["failure"], Value::Null);
    let broken: Value = serde_json::from_str(&told[1].body).unwrap();
    let why = json!({ "code": "bad_page", "message": "Page 3 is \"broken\"." });
    assert_eq!(
        (&broken["data"]["failure"], &broken["data"]["notebook"]),
        (&why, &json!(source.notebook))
    );
    for delivery in told {
        assert_eq!((delivery.state, delivery.tried), (DeliveryState::Pending, 0));
        let job = parts.shared.queue.job(&scope, delivery.job).await.unwrap();
        assert_eq!((job.kind.as_str(), job.state), (KIND, JobState::Available));
        assert_eq!(job.unique_key, Some(format!("webhook:{}", delivery.id)));
        assert_eq!(job.payload, json!({ "webhook": both.id, "delivery": delivery.id }));
    }
}

pub async fn q40_a_refused_change_tells_nothing(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let source = source(parts, &scope).await;
    let stale = in_stage(&source, Stage::Ready, 7);
    refused(parts.shared.store.update_source(&scope, stale).await, ErrorKind::Conflict);
    let bad = NewJob { max_attempts: 0, ..NewJob::new("x", json!({})) };
    let ready = in_stage(&source, Stage::Ready, 0);
    let refusal = parts.shared.outbox.update_source(&scope, ready, vec![bad]).await;
    refused(refusal, ErrorKind::InvalidInput);
    let gone = in_stage(&samples::source(source.notebook), Stage::Ready, 0);
    refused(parts.shared.store.update_source(&scope, gone).await, ErrorKind::NotFound);
    assert_eq!(deliveries(parts, &scope, &hook).await, []);
}

pub async fn q40_a_stage_tells_in_the_transaction_of_its_end(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let source = source(parts, &scope).await;
    let new = NewJob::new("webhook-suite-stage", json!({}));
    parts.shared.queue.insert(&scope, vec![new]).await.unwrap();
    let claimed = claim(parts, "webhook-suite-stage", None).await;
    let made = SourceChange { source: in_stage(&source, Stage::Ready, 0), text: None };
    let finish = end(&claimed, Vec::new());
    // Taken away and told: nothing; whoever has it now: once.
    let stale = Finish { fence: crate::queue::Fence(99), ..finish.clone() };
    assert!(!parts.shared.outbox.finish_source(&scope, stale, made.clone()).await.unwrap());
    assert_eq!(deliveries(parts, &scope, &hook).await, []);
    // A second time, as after a lost answer: it has counted, and nobody is told again.
    for _ in 0..2 {
        let stored = parts.shared.outbox.finish_source(&scope, finish.clone(), made.clone());
        assert!(stored.await.unwrap());
    }
    let told = deliveries(parts, &scope, &hook).await;
    assert_eq!(told.len(), 1);
    let job = parts.shared.queue.job(&scope, told[0].job).await.unwrap();
    assert_eq!(job.state, JobState::Available);
}

pub async fn q40_a_run_that_ends_is_told_however_it_is_closed(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let notebook = parts.shared.store.create_notebook(&scope, samples::notebook()).await.unwrap();
    let conversation = samples::conversation(notebook.id);
    let conversation = parts.shared.store.create_conversation(&scope, conversation).await.unwrap();
    let failed =
        EventBody::Failed { code: "c".into(), message: "m".into(), retryable: true, detail: None };
    let mut ids = Vec::new();
    for (state, body) in [
        (RunState::Completed, samples::completed(1).body),
        (RunState::Stopped, EventBody::Stopped),
        (RunState::Abandoned, EventBody::Abandoned),
        (RunState::Failed, failed),
    ] {
        let new = samples::new_run(&conversation);
        parts.shared.log.open(&scope, new.clone()).await.unwrap();
        let events = vec![RunEvent { seq: 1, at: at(ids.len() as i64 * 10), body }];
        let outcome = RunOutcome { state, events, answer: None, used: None };
        parts.shared.log.close(&scope, new.run.id, outcome.clone()).await.unwrap();
        let again = parts.shared.log.close(&scope, new.run.id, outcome).await;
        refused(again, ErrorKind::Conflict);
        ids.push(new.run.id);
    }
    // The same with the end of a job, as answers are stored.
    let run = samples::new_run(&conversation);
    let new = NewJob::new("webhook-suite-answer", json!({}));
    parts.shared.outbox.open_run(&scope, run.clone(), vec![new]).await.unwrap();
    let claimed = claim(parts, "webhook-suite-answer", None).await;
    let events = vec![RunEvent { at: at(50), ..samples::completed(1) }];
    let answer = Some(samples::answer(&run.run));
    let outcome = RunOutcome { state: RunState::Completed, events, answer, used: None };
    let closed =
        parts.shared.outbox.close_run(&scope, end(&claimed, Vec::new()), run.run.id, outcome);
    assert!(closed.await.unwrap());
    ids.push(run.run.id);
    let mut told = deliveries(parts, &scope, &hook).await;
    told.reverse();
    let bodies: Vec<Value> =
        told.iter().map(|delivery| serde_json::from_str(&delivery.body).unwrap()).collect();
    let names: Vec<_> = bodies.iter().map(|body| body["type"].as_str().unwrap()).collect();
    let all = ["run.completed", "run.stopped", "run.abandoned", "run.failed", "run.completed"];
    assert_eq!(names, all);
    for (body, id) in bodies.iter().zip(&ids) {
        assert_eq!(
            (&body["data"]["run"], &body["data"]["conversation"]),
            (&json!(id), &json!(conversation.id))
        );
    }
    let error = json!({ "code": "c", "message": "m", "retryable": true });
    assert_eq!((&bodies[3]["data"]["error"], &bodies[0]["data"]["error"]), (&error, &Value::Null));
    assert_eq!(bodies[3]["data"]["answer"], Value::Null, "nothing was written");
    assert_eq!(bodies[4]["data"]["answer"], json!(run.run.answer));
}

pub async fn a_disabled_webhook_is_told_nothing(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let sent = ping(parts, &scope, &hook, 1).await;
    let done = try_once(parts, &scope, &sent, 200, &at_once(1)).await;
    let off = WebhookChange { enabled: Some(false), ..WebhookChange::default() };
    parts.webhooks.change_webhook(&scope, hook.id, off, at(9)).await.unwrap();
    let source = source(parts, &scope).await;
    parts.shared.store.update_source(&scope, in_stage(&source, Stage::Ready, 0)).await.unwrap();
    assert_eq!(deliveries(parts, &scope, &hook).await, std::slice::from_ref(&done));
    let event = Event::ping(hook.id, at(10));
    refused(parts.webhooks.send(&scope, hook.id, event).await, ErrorKind::Conflict);
    let replay = parts.webhooks.replay(&scope, hook.id, done.id, at(10)).await;
    refused(replay, ErrorKind::Conflict);
}
