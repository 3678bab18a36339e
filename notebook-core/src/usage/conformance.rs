//! The suite that every adapter of the port is held to, together with the store and the run log it shares.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a suite speaks by panicking, and a scenario's name is its documentation"
)]

use std::time::Duration;

use super::{Day, DayUsage, UsageStore};
use crate::{
    TenantScope, Timestamp,
    conformance::Scenario,
    model::{EventBody, Message, Run, RunEvent, RunOutcome, RunState, StageTiming, Usage, Used},
    run_log::RunLog,
    store::{Store, conformance::samples},
};

/// A usage store with the store and the run log that share its storage.
#[derive(Clone, Copy)]
pub struct Counted<'a> {
    /// Holds the notebooks and conversations.
    pub store: &'a dyn Store,
    /// Holds the runs.
    pub log: &'a dyn RunLog,
    /// Counts them.
    pub usage: &'a dyn UsageStore,
}

impl std::fmt::Debug for Counted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counted").finish_non_exhaustive()
    }
}

/// Every scenario of the suite.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Counted<'a>>> {
    crate::scenarios![
        Counted<'a>;
        f4_nothing_ended_is_nothing_used,
        f4_answers_are_counted_by_day_model_and_notebook,
        f4_counting_again_changes_nothing,
        f4_answers_from_elsewhere_used_nothing_here,
        f4_a_closed_day_stays_as_it_is,
        f4_what_was_used_without_an_answer_is_counted,
        f4_more_answers_than_are_read_at_once_are_counted,
        f4_tenants_are_counted_apart,
    ]
}

/// Runs every scenario, one after the other.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn run_all(store: &dyn Store, log: &dyn RunLog, usage: &dyn UsageStore) {
    let counted = Counted { store, log, usage };
    crate::conformance::run_all(scenarios(), &counted).await;
}

const DAY: Day = Day::from_number(20_000);

/// A moment of a day.
fn at(day: Day, millis: u64) -> Timestamp {
    day.start().after(Duration::from_millis(millis))
}

impl Counted<'_> {
    async fn conversation(&self, scope: &TenantScope) -> crate::model::Conversation {
        let notebook = self.store.create_notebook(scope, samples::notebook()).await.unwrap();
        let new = samples::conversation(notebook.id);
        self.store.create_conversation(scope, new).await.unwrap()
    }

    /// An answer that ended: `model` made `tokens` of them; without a model there is no text.
    async fn ended(
        &self,
        scope: &TenantScope,
        conversation: &crate::model::Conversation,
        ended_at: Timestamp,
        model: Option<&str>,
    ) -> Run {
        let mut new = samples::new_run(conversation);
        new.run.created_at = ended_at.before(Duration::from_secs(2));
        self.log.open(scope, new.clone()).await.unwrap();
        let run = new.run;
        let answer = model.map(|model| Message {
            model: Some(model.to_owned()),
            usage: Some(Usage {
                prompt_tokens: 100,
                completion_tokens: 7,
                exact: false,
                cost_micros: (model == "a/x").then_some(250),
            }),
            timings: vec![StageTiming {
                stage: "first_token".into(),
                micros: 250_000,
                finished: true,
            }],
            ..samples::answer(&run)
        });
        let (state, body) = match model {
            Some(_) => (RunState::Stopped, EventBody::Stopped),
            None => (RunState::Abandoned, EventBody::Abandoned),
        };
        let events = vec![RunEvent { seq: 1, at: ended_at, body }];
        self.log
            .close(scope, run.id, RunOutcome { state, events, answer, used: None })
            .await
            .unwrap()
    }

    async fn of(&self, scope: &TenantScope, day: Day) -> Vec<DayUsage> {
        self.usage.usage(scope, day, day).await.unwrap()
    }
}

pub async fn f4_nothing_ended_is_nothing_used(all: &Counted<'_>) {
    let scope = samples::tenant();
    assert_eq!(all.usage.first_open_day(&scope).await.unwrap(), None);
    let conversation = all.conversation(&scope).await;
    all.log.open(&scope, samples::new_run(&conversation)).await.unwrap();
    assert_eq!(all.usage.first_open_day(&scope).await.unwrap(), None);
    assert_eq!(all.usage.count_day(&scope, DAY, false).await.unwrap(), Some(0));
    assert_eq!(all.of(&scope, DAY).await, []);
}

pub async fn f4_answers_are_counted_by_day_model_and_notebook(all: &Counted<'_>) {
    let scope = samples::tenant();
    let (one, other) = (all.conversation(&scope).await, all.conversation(&scope).await);
    // The first and the last moment of the day, and those beside it.
    all.ended(&scope, &one, at(DAY, 0), Some("a/x")).await;
    all.ended(&scope, &one, at(DAY, 86_399_999), Some("a/x")).await;
    all.ended(&scope, &one, at(DAY, 500), Some("b/y")).await;
    all.ended(&scope, &other, at(DAY, 600), Some("a/x")).await;
    all.ended(&scope, &other, at(DAY, 700), None).await;
    all.ended(&scope, &one, at(DAY.next(), 0), Some("a/x")).await;
    all.ended(&scope, &one, at(Day::from_number(19_999), 86_399_999), Some("c/z")).await;
    assert_eq!(
        all.usage.first_open_day(&scope).await.unwrap(),
        Some(Day::from_number(19_999)),
        "that of the first answer"
    );
    assert_eq!(all.usage.count_day(&scope, DAY, false).await.unwrap(), Some(5));
    assert_eq!(all.usage.count_day(&scope, DAY.next(), false).await.unwrap(), Some(1));
    let rows = all.of(&scope, DAY).await;
    let mut expected = vec![
        (None, other.notebook, 1),
        (Some("a/x"), one.notebook, 2),
        (Some("a/x"), other.notebook, 1),
        (Some("b/y"), one.notebook, 1),
    ];
    expected.sort();
    let said: Vec<_> =
        rows.iter().map(|row| (row.model.as_deref(), row.notebook, row.counts.answers)).collect();
    assert_eq!(said, expected);
    let two = rows.iter().find(|row| row.counts.answers == 2).unwrap();
    assert_eq!((two.day, two.counts.stopped, two.counts.estimated), (DAY, 2, 2));
    assert_eq!((two.counts.prompt_tokens, two.counts.completion_tokens), (200, 14));
    assert_eq!((two.counts.cost_micros, two.counts.priced), (500, 2));
    let free = rows.iter().find(|row| row.model.as_deref() == Some("b/y")).unwrap();
    assert_eq!((free.counts.cost_micros, free.counts.priced), (0, 0), "nothing is guessed");
    let close =
        |got: Option<Duration>, want: f64| (got.unwrap().as_secs_f64() / want - 1.0).abs() < 0.05;
    assert!(close(two.counts.first_token.percentile(0.5), 0.25));
    assert!(close(two.counts.total.percentile(0.5), 2.0));
    assert_eq!(two.counts.total.count(), 2);
    let none = rows.iter().find(|row| row.model.is_none()).unwrap();
    assert_eq!((none.counts.abandoned, none.counts.prompt_tokens), (1, 0));
    assert_eq!((none.counts.first_token.count(), none.counts.total.count()), (0, 1));
    let both = all.usage.usage(&scope, DAY, DAY.next()).await.unwrap();
    assert_eq!(both.len(), 5);
    assert_eq!(both[..4], rows);
    assert_eq!(both[4].day, DAY.next());
}

pub async fn f4_counting_again_changes_nothing(all: &Counted<'_>) {
    let scope = samples::tenant();
    let conversation = all.conversation(&scope).await;
    all.ended(&scope, &conversation, at(DAY, 0), Some("a/x")).await;
    let count = || all.usage.count_day(&scope, DAY, false);
    assert_eq!(count().await.unwrap(), Some(1));
    let first = all.of(&scope, DAY).await;
    let counted = futures::future::join_all((0..4).map(|_| count())).await;
    assert!(counted.into_iter().all(|counted| counted.unwrap() == Some(1)));
    assert_eq!(all.of(&scope, DAY).await, first);
    // An open day is counted anew: what came is in it, what was deleted is not.
    let second = all.conversation(&scope).await;
    all.ended(&scope, &second, at(DAY, 1), Some("b/y")).await;
    assert_eq!(count().await.unwrap(), Some(2));
    all.store.delete_conversation(&scope, conversation.id).await.unwrap();
    assert_eq!(count().await.unwrap(), Some(1));
    assert_eq!(all.of(&scope, DAY).await[0].model.as_deref(), Some("b/y"));
}

/// A research that was stopped has no answer, and has cost what it has cost.
pub async fn f4_what_was_used_without_an_answer_is_counted(all: &Counted<'_>) {
    let scope = samples::tenant();
    let conversation = all.conversation(&scope).await;
    let new = samples::new_run(&conversation);
    let run = all.log.open(&scope, new).await.unwrap().run().id;
    let model = "a/x".to_owned();
    let usage = Usage { prompt_tokens: 900, cost_micros: Some(40), ..Usage::default() };
    let outcome = RunOutcome {
        state: RunState::Stopped,
        events: vec![RunEvent { seq: 1, at: at(DAY, 9), body: EventBody::Stopped }],
        answer: None,
        used: Some(Used { model, usage }),
    };
    all.log.close(&scope, run, outcome).await.unwrap();
    all.ended(&scope, &conversation, at(DAY, 10), Some("a/x")).await;
    all.ended(&scope, &conversation, at(DAY, 11), None).await;
    assert_eq!(all.usage.count_day(&scope, DAY, false).await.unwrap(), Some(3));
    let rows = all.of(&scope, DAY).await;
    let of = |model: Option<&str>| rows.iter().find(|row| row.model.as_deref() == model).unwrap();
    let (none, both) = (&of(None).counts, &of(Some("a/x")).counts);
    assert_eq!((none.answers, none.prompt_tokens, none.cost_micros), (1, 0, 0));
    assert_eq!((both.answers, both.prompt_tokens, both.completion_tokens), (2, 1_000, 7));
    assert_eq!((both.cost_micros, both.priced, both.estimated), (290, 2, 2));
}

pub async fn f4_answers_from_elsewhere_used_nothing_here(all: &Counted<'_>) {
    let scope = samples::tenant();
    let conversation = all.conversation(&scope).await;
    for ended_at in [at(Day::from_number(19_000), 0), at(DAY, 5)] {
        let mut new = samples::new_run(&conversation);
        new.run.created_at = ended_at.before(Duration::from_secs(2));
        let (answer, state) = (Some(samples::answer(&new.run)), RunState::Stopped);
        let events = vec![RunEvent { seq: 1, at: ended_at, body: EventBody::Stopped }];
        let outcome = RunOutcome { state, events, answer, used: None };
        all.log.record(&scope, new, outcome).await.unwrap();
    }
    assert_eq!(all.usage.first_open_day(&scope).await.unwrap(), None);
    assert_eq!(all.usage.count_day(&scope, DAY, false).await.unwrap(), Some(0));
    assert_eq!(all.of(&scope, DAY).await, []);
    all.ended(&scope, &conversation, at(DAY, 0), Some("a/x")).await;
    assert_eq!(all.usage.first_open_day(&scope).await.unwrap(), Some(DAY));
    assert_eq!(all.usage.count_day(&scope, DAY, false).await.unwrap(), Some(1));
    assert_eq!(all.of(&scope, DAY).await[0].counts.answers, 1);
}

pub async fn f4_a_closed_day_stays_as_it_is(all: &Counted<'_>) {
    let scope = samples::tenant();
    let conversation = all.conversation(&scope).await;
    all.ended(&scope, &conversation, at(DAY, 0), Some("a/x")).await;
    assert_eq!(all.usage.count_day(&scope, DAY, true).await.unwrap(), Some(1));
    let closed = all.of(&scope, DAY).await;
    assert_eq!(all.usage.first_open_day(&scope).await.unwrap(), Some(DAY.next()));
    // Neither what is deleted nor what comes late changes it, nor what is older.
    let late = all.conversation(&scope).await;
    all.ended(&scope, &late, at(DAY, 1), Some("b/y")).await;
    all.store.delete_conversation(&scope, conversation.id).await.unwrap();
    all.store.delete_notebook(&scope, conversation.notebook).await.unwrap();
    for (day, close) in [(DAY, false), (DAY, true), (Day::from_number(19_000), true)] {
        assert_eq!(all.usage.count_day(&scope, day, close).await.unwrap(), None);
    }
    assert_eq!(all.of(&scope, DAY).await, closed);
    assert_eq!(all.usage.first_open_day(&scope).await.unwrap(), Some(DAY.next()));
    assert_eq!(all.usage.count_day(&scope, DAY.next(), true).await.unwrap(), Some(0));
    let after = DAY.next().next();
    assert_eq!(all.usage.first_open_day(&scope).await.unwrap(), Some(after));
}

pub async fn f4_more_answers_than_are_read_at_once_are_counted(all: &Counted<'_>) {
    let scope = samples::tenant();
    let conversation = all.conversation(&scope).await;
    // Many at the same moment: pages must not lose or repeat any.
    for number in 0..230_u64 {
        let moment = at(DAY, number / 150);
        all.ended(&scope, &conversation, moment, Some("a/x")).await;
    }
    assert_eq!(all.usage.count_day(&scope, DAY, false).await.unwrap(), Some(230));
    assert_eq!(all.of(&scope, DAY).await[0].counts.answers, 230);
}

pub async fn f4_tenants_are_counted_apart(all: &Counted<'_>) {
    let (scope, stranger) = (samples::tenant(), samples::tenant());
    let conversation = all.conversation(&scope).await;
    all.ended(&scope, &conversation, at(DAY, 0), Some("a/x")).await;
    assert_eq!(all.usage.count_day(&stranger, DAY, true).await.unwrap(), Some(0));
    assert_eq!(all.usage.count_day(&scope, DAY, false).await.unwrap(), Some(1));
    assert_eq!(all.of(&stranger, DAY).await, []);
    assert_eq!(all.usage.first_open_day(&scope).await.unwrap(), Some(DAY));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conformance::unlisted, store::memory::MemoryStore};

    #[test]
    fn every_scenario_is_listed() {
        let names: Vec<_> = scenarios().iter().map(|scenario| scenario.name).collect();
        assert_eq!(unlisted(include_str!("conformance.rs"), &names), Vec::<&str>::new());
    }

    #[tokio::test]
    async fn memory_keeps_every_promise() {
        let store = MemoryStore::new();
        run_all(&store, &store, &store).await;
    }
}
