//! Scenarios of opening, starting and finding runs.

use super::Pair;
use crate::{
    ConversationId, ErrorKind, MessageId, NotebookId, RunId,
    conformance::Scenario,
    model::{Message, NewRun, Opened, PageRequest, Run, RunOutcome, RunState},
    store::conformance::{refused, same_not_found, samples::*},
};

/// Every scenario of this file.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Pair<'a>>> {
    crate::scenarios![
        Pair<'a>;
        opening_stores_the_run_with_its_question,
        opening_moves_the_conversations_time_forward_only,
        the_same_request_opens_one_run,
        the_same_request_at_once_opens_one_run,
        a_key_used_for_another_request_is_refused,
        a_key_counts_in_its_conversation_only,
        without_a_key_every_open_is_a_new_run,
        a_question_is_answered_again,
        a_question_that_does_not_exist_is_refused,
        a_run_id_is_used_once,
        a_refused_open_stores_nothing,
        runs_that_disagree_with_themselves_are_refused,
        another_tenants_conversation_opens_no_run,
        another_tenants_run_is_absent,
        starting_moves_a_queued_run_to_running,
        runs_are_listed_newest_first,
        unfinished_runs_are_found,
        messages_are_listed_newest_first_in_pages,
    ]
}

pub async fn opening_stores_the_run_with_its_question(pair: &Pair<'_>) {
    let scope = tenant();
    let conversation = pair.conversation(&scope).await;
    let new = new_run(&conversation);
    let opened = pair.log.open(&scope, new.clone()).await.unwrap();
    assert_eq!(opened, Opened::Created(new.run.clone()));
    assert_eq!(pair.log.run(&scope, new.run.id).await.unwrap(), new.run);
    let question = pair.store.message(&scope, new.run.question).await.unwrap();
    assert_eq!(Some(question), new.question);
    assert_eq!(pair.log.events(&scope, new.run.id, 0, 10).await.unwrap(), []);
    refused(pair.store.message(&scope, new.run.answer).await, ErrorKind::NotFound);
}

pub async fn opening_moves_the_conversations_time_forward_only(pair: &Pair<'_>) {
    let scope = tenant();
    let conversation = pair.conversation(&scope).await;
    for (opened_at, expected) in [(50, at(50)), (20, at(50)), (80, at(80))] {
        let mut new = new_run(&conversation);
        new.run.created_at = at(opened_at);
        pair.log.open(&scope, new).await.unwrap();
        let now = pair.store.conversation(&scope, conversation.id).await.unwrap();
        assert_eq!(now.updated_at, expected);
        assert_eq!(now.created_at, conversation.created_at);
        let notebook = pair.store.notebook(&scope, conversation.notebook).await.unwrap();
        assert_eq!(notebook.updated_at, expected);
    }
}

pub async fn the_same_request_opens_one_run(pair: &Pair<'_>) {
    let scope = tenant();
    let conversation = pair.conversation(&scope).await;
    let keyed = |hash: &str| NewRun {
        idempotency_key: Some("key".into()),
        request_hash: hash.into(),
        ..new_run(&conversation)
    };
    let first = pair.log.open(&scope, keyed("a")).await.unwrap().run().clone();
    assert_eq!(pair.log.open(&scope, keyed("a")).await.unwrap(), Opened::Existing(first.clone()));
    pair.log.start(&scope, first.id).await.unwrap();
    let running = Run { state: RunState::Running, ..first };
    assert_eq!(pair.log.open(&scope, keyed("a")).await.unwrap(), Opened::Existing(running));
    let page = pair.store.messages(&scope, conversation.id, PageRequest::first(10)).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(pair.log.runs(&scope, conversation.id, 10).await.unwrap().len(), 1);
}

pub async fn the_same_request_at_once_opens_one_run(pair: &Pair<'_>) {
    let scope = tenant();
    let conversation = pair.conversation(&scope).await;
    let calls = (0..8).map(|_| {
        let key = Some("at once".to_owned());
        pair.log.open(&scope, NewRun { idempotency_key: key, ..new_run(&conversation) })
    });
    let opened = futures::future::try_join_all(calls).await.unwrap();
    let created = opened.iter().filter(|one| matches!(one, Opened::Created(_))).count();
    assert_eq!(created, 1, "{opened:?}");
    assert!(opened.iter().all(|one| one.run() == opened[0].run()), "{opened:?}");
}

pub async fn a_key_used_for_another_request_is_refused(pair: &Pair<'_>) {
    let scope = tenant();
    let conversation = pair.conversation(&scope).await;
    let keyed = |hash: &str| NewRun {
        idempotency_key: Some("key".into()),
        request_hash: hash.into(),
        ..new_run(&conversation)
    };
    pair.log.open(&scope, keyed("a")).await.unwrap();
    let error = refused(pair.log.open(&scope, keyed("b")).await, ErrorKind::Conflict);
    assert_eq!(error.context("field"), Some("idempotency_key"));
    assert_eq!(pair.log.runs(&scope, conversation.id, 10).await.unwrap().len(), 1);
}

pub async fn a_key_counts_in_its_conversation_only(pair: &Pair<'_>) {
    let (scope, other) = (tenant(), tenant());
    for scope in [&scope, &scope, &other] {
        let conversation = pair.conversation(scope).await;
        let key = Some("key".to_owned());
        let new = NewRun { idempotency_key: key, ..new_run(&conversation) };
        let opened = pair.log.open(scope, new).await.unwrap();
        assert!(matches!(opened, Opened::Created(_)));
    }
}

pub async fn without_a_key_every_open_is_a_new_run(pair: &Pair<'_>) {
    let scope = tenant();
    let conversation = pair.conversation(&scope).await;
    for _ in 0..3 {
        let opened = pair.log.open(&scope, new_run(&conversation)).await.unwrap();
        assert!(matches!(opened, Opened::Created(_)));
    }
    assert_eq!(pair.log.runs(&scope, conversation.id, 10).await.unwrap().len(), 3);
}

pub async fn a_question_is_answered_again(pair: &Pair<'_>) {
    let scope = tenant();
    let conversation = pair.conversation(&scope).await;
    let first = new_run(&conversation);
    pair.log.open(&scope, first.clone()).await.unwrap();
    let mut again = NewRun { question: None, ..new_run(&conversation) };
    again.run.question = first.run.question;
    let opened = pair.log.open(&scope, again.clone()).await.unwrap();
    assert_eq!(opened, Opened::Created(again.run));
    // A question that is stored is not stored again.
    let mut taken = new_run(&conversation);
    taken.run.question = first.run.question;
    taken.question = first.question;
    refused(pair.log.open(&scope, taken).await, ErrorKind::AlreadyExists);
}

pub async fn a_question_that_does_not_exist_is_refused(pair: &Pair<'_>) {
    let (scope, other) = (tenant(), tenant());
    let theirs = pair.opened(&other).await;
    let elsewhere = pair.opened(&scope).await;
    let conversation = pair.conversation(&scope).await;
    let again = |question| {
        let mut new = NewRun { question: None, ..new_run(&conversation) };
        new.run.question = question;
        pair.log.open(&scope, new)
    };
    same_not_found(again(theirs.run.question).await, again(MessageId::new()).await);
    refused(again(elsewhere.run.question).await, ErrorKind::NotFound);
    // The same for the message that a question follows.
    let follow = |parent| {
        let mut new = new_run(&conversation);
        new.question = new.question.map(|q| Message { parent: Some(parent), ..q });
        pair.log.open(&scope, new)
    };
    same_not_found(follow(theirs.run.question).await, follow(MessageId::new()).await);
    refused(follow(elsewhere.run.question).await, ErrorKind::NotFound);
}

pub async fn a_run_id_is_used_once(pair: &Pair<'_>) {
    let scope = tenant();
    let first = pair.opened(&scope).await;
    let conversation = pair.conversation(&scope).await;
    let mut second = new_run(&conversation);
    second.run.id = first.run.id;
    refused(pair.log.open(&scope, second).await, ErrorKind::AlreadyExists);
    assert_eq!(pair.log.run(&scope, first.run.id).await.unwrap(), first.run);
}

pub async fn a_refused_open_stores_nothing(pair: &Pair<'_>) {
    let scope = tenant();
    let first = pair.opened(&scope).await;
    let conversation = pair.conversation(&scope).await;
    let mut bad = new_run(&conversation);
    bad.run.id = first.run.id;
    let question = bad.run.question;
    refused(pair.log.open(&scope, bad).await, ErrorKind::AlreadyExists);
    refused(pair.store.message(&scope, question).await, ErrorKind::NotFound);
    let now = pair.store.conversation(&scope, conversation.id).await.unwrap();
    assert_eq!(now, conversation);
}

pub async fn runs_that_disagree_with_themselves_are_refused(pair: &Pair<'_>) {
    let scope = tenant();
    let conversation = pair.conversation(&scope).await;
    let mut running = new_run(&conversation);
    running.run.state = RunState::Running;
    let mut ended = new_run(&conversation);
    ended.run.ended_at = Some(at(5));
    let mut other_question = new_run(&conversation);
    other_question.run.question = MessageId::new();
    for bad in [running, ended, other_question] {
        refused(pair.log.open(&scope, bad).await, ErrorKind::InvalidInput);
    }
    let mut other_notebook = new_run(&conversation);
    other_notebook.run.notebook = NotebookId::new();
    refused(pair.log.open(&scope, other_notebook).await, ErrorKind::NotFound);
    assert_eq!(pair.log.runs(&scope, conversation.id, 10).await.unwrap(), []);
}

pub async fn another_tenants_conversation_opens_no_run(pair: &Pair<'_>) {
    let (owner, other) = (tenant(), tenant());
    let theirs = pair.conversation(&owner).await;
    let mut absent = theirs.clone();
    absent.id = ConversationId::new();
    same_not_found(
        pair.log.open(&other, new_run(&theirs)).await,
        pair.log.open(&other, new_run(&absent)).await,
    );
    same_not_found(
        pair.log.runs(&other, theirs.id, 5).await,
        pair.log.runs(&other, absent.id, 5).await,
    );
    assert_eq!(pair.log.runs(&owner, theirs.id, 5).await.unwrap(), []);
}

pub async fn another_tenants_run_is_absent(pair: &Pair<'_>) {
    let (owner, other) = (tenant(), tenant());
    let theirs = pair.opened(&owner).await.run;
    let absent = RunId::new();
    let end = || RunOutcome {
        state: RunState::Completed,
        events: vec![completed(1)],
        answer: Some(answer(&theirs)),
        used: None,
    };
    same_not_found(pair.log.run(&other, theirs.id).await, pair.log.run(&other, absent).await);
    same_not_found(pair.log.start(&other, theirs.id).await, pair.log.start(&other, absent).await);
    same_not_found(
        pair.log.append(&other, theirs.id, &deltas(1, 1)).await,
        pair.log.append(&other, absent, &deltas(1, 1)).await,
    );
    same_not_found(
        pair.log.close(&other, theirs.id, end()).await,
        pair.log.close(&other, absent, end()).await,
    );
    same_not_found(
        pair.log.events(&other, theirs.id, 0, 5).await,
        pair.log.events(&other, absent, 0, 5).await,
    );
    same_not_found(
        pair.store.message(&other, theirs.question).await,
        pair.store.message(&other, MessageId::new()).await,
    );
    assert_eq!(pair.log.unfinished(&other).await.unwrap(), []);
    assert_eq!(pair.log.run(&owner, theirs.id).await.unwrap(), theirs);
    assert_eq!(pair.log.events(&owner, theirs.id, 0, 5).await.unwrap(), []);
}

pub async fn starting_moves_a_queued_run_to_running(pair: &Pair<'_>) {
    let scope = tenant();
    let run = pair.opened(&scope).await.run;
    for _ in 0..2 {
        pair.log.start(&scope, run.id).await.unwrap();
        let now = pair.log.run(&scope, run.id).await.unwrap();
        assert_eq!(now, Run { state: RunState::Running, ..run.clone() });
    }
    refused(pair.log.start(&scope, RunId::new()).await, ErrorKind::NotFound);
}

pub async fn runs_are_listed_newest_first(pair: &Pair<'_>) {
    let scope = tenant();
    pair.opened(&scope).await;
    let conversation = pair.conversation(&scope).await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        let new = new_run(&conversation);
        pair.log.open(&scope, new.clone()).await.unwrap();
        expected.insert(0, new.run);
    }
    for limit in [0, 1, 3, 5, 9, usize::MAX] {
        let got = pair.log.runs(&scope, conversation.id, limit).await.unwrap();
        assert_eq!(got, expected[..limit.min(5)]);
    }
}

pub async fn unfinished_runs_are_found(pair: &Pair<'_>) {
    let scope = tenant();
    let conversation = pair.conversation(&scope).await;
    let mut runs = Vec::new();
    for _ in 0..4 {
        let new = new_run(&conversation);
        pair.log.open(&scope, new.clone()).await.unwrap();
        runs.push(new.run);
    }
    pair.log.start(&scope, runs[1].id).await.unwrap();
    runs[1].state = RunState::Running;
    let end = RunOutcome {
        state: RunState::Completed,
        events: vec![completed(1)],
        answer: None,
        used: None,
    };
    pair.log.close(&scope, runs[2].id, end).await.unwrap();
    runs.remove(2);
    assert_eq!(pair.log.unfinished(&scope).await.unwrap(), runs);
}

pub async fn messages_are_listed_newest_first_in_pages(pair: &Pair<'_>) {
    let scope = tenant();
    pair.opened(&scope).await;
    let conversation = pair.conversation(&scope).await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        let mut new = new_run(&conversation);
        let parent = expected.first().map(|message: &Message| message.id);
        new.question = new.question.map(|question| Message { parent, ..question });
        pair.log.open(&scope, new.clone()).await.unwrap();
        expected.insert(0, new.question.unwrap());
    }
    for limit in [1, 2, 4, 5, 6] {
        let mut seen = Vec::new();
        let mut page = PageRequest::first(limit);
        loop {
            let got = pair.store.messages(&scope, conversation.id, page).await.unwrap();
            assert!(got.items.len() <= limit);
            seen.extend(got.items);
            let Some(next) = got.next else { break };
            page = PageRequest { after: Some(next), limit };
        }
        assert_eq!(seen, expected, "limit {limit}");
    }
}
