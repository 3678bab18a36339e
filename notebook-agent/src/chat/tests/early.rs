//! Answers that end early, and what they used (C4).

use notebook_core::{
    chat::priced::{Price, Priced},
    model::Usage,
    run_log::RunLog as _,
    usage::{Day, UsageStore as _},
};

use super::*;

const PRICE: Price = Price { prompt: 1.0, completion: 2.0 };

/// Says three tokens' worth of text, then hangs or breaks; `told` where the provider tells of the prompt first, as Anthropic's does.
fn model(end: Step, told: Option<Usage>) -> Scripted {
    let told = told.map(Step::Tell);
    Scripted::new(told.into_iter().chain([Step::Say("It is 78"), end]).collect())
}

enum How {
    Stopped,
    Broken,
    Late,
}

async fn ended_early<M: ChatModel>(model: M, how: &How) -> (Fixture, Run) {
    let config = match how {
        How::Late => {
            ChatConfig { run_deadline: Duration::from_millis(500), ..ChatConfig::default() }
        }
        _ => ChatConfig::default(),
    };
    let fixture = fixture(model, config).await;
    fixture.add("river.txt", RIVER).await;
    let run = fixture.start("How long is the Wensum?").await;
    if matches!(how, How::Stopped) {
        fixture.wait_for_text(&run, "It is 78").await;
        fixture.chat.stop(&fixture.scope, run.id).await.unwrap();
    }
    let last = fixture.events(&run).await.pop().unwrap();
    let expected = match how {
        How::Stopped => matches!(last, EventBody::Stopped),
        How::Broken | How::Late => matches!(last, EventBody::Failed { .. }),
    };
    assert!(expected, "{last:?}");
    (fixture, run)
}

/// C4: stopped, broken off, out of time: the prompt and the text so far are counted, as an estimate, with the answer and by day; with a
/// cost where the model has a price.
#[tokio::test]
async fn c4_what_an_answer_used_that_ended_early_is_counted() {
    for how in [How::Stopped, How::Broken, How::Late] {
        for (priced, told) in [(false, false), (true, false), (false, true), (true, true)] {
            let end = if matches!(how, How::Broken) {
                Step::Fail(ErrorKind::Unavailable)
            } else {
                Step::Hang
            };
            let usage = Usage {
                prompt_tokens: 4_321,
                completion_tokens: 1,
                exact: true,
                cost_micros: None,
            };
            let model = model(end, told.then_some(usage));
            let (fixture, run) = if priced {
                ended_early(Priced::new(Arc::new(model), PRICE), &how).await
            } else {
                ended_early(model, &how).await
            };
            let answer = fixture.answer(&run).await;
            assert!(answer.partial);
            let used = answer.usage.unwrap();
            // "It is 78", as estimated.
            assert_eq!((used.completion_tokens, used.exact), (3, false), "{used:?}");
            match told {
                true => assert_eq!(used.prompt_tokens, 4_321),
                // The instructions and two passages.
                false => assert!((100..2_000).contains(&used.prompt_tokens), "{used:?}"),
            }
            let cost = priced.then(|| used.prompt_tokens + 2 * used.completion_tokens);
            assert_eq!(used.cost_micros, cost, "{used:?}");

            let run = fixture.store.run(&fixture.scope, run.id).await.unwrap();
            let day = Day::of(run.ended_at.unwrap());
            fixture.store.count_day(&fixture.scope, day, false).await.unwrap();
            let rows = fixture.store.usage(&fixture.scope, day, day).await.unwrap();
            let [row] = rows.as_slice() else { panic!("{rows:?}") };
            let counts = &row.counts;
            assert_eq!((counts.answers, counts.completed, counts.estimated), (1, 0, 1));
            assert_eq!(counts.prompt_tokens, used.prompt_tokens);
            assert_eq!(counts.completion_tokens, used.completion_tokens);
            assert_eq!((counts.cost_micros, counts.priced), (cost.unwrap_or(0), u64::from(priced)));
        }
    }
}

/// C4: a provider that tells of the prompt before it says a word has read it: that is counted, though there is no answer.
#[tokio::test]
async fn c4_a_prompt_that_was_told_of_is_counted_without_an_answer() {
    let told = Usage { prompt_tokens: 4_321, exact: true, ..Usage::default() };
    let fail = Step::Fail(ErrorKind::Unavailable);
    for (steps, begun) in [(vec![Step::Tell(told), fail.clone()], true), (vec![fail], false)] {
        let fixture = fixture(Scripted::new(steps), ChatConfig::default()).await;
        fixture.add("river.txt", RIVER).await;
        let run = fixture.start("How long is the Wensum?").await;
        let last = fixture.events(&run).await.pop().unwrap();
        assert!(matches!(last, EventBody::Failed { .. }), "{last:?}");
        let run = fixture.store.run(&fixture.scope, run.id).await.unwrap();
        assert_eq!(fixture.store.answer(&fixture.scope, run.id).await.unwrap(), None);
        let day = Day::of(run.ended_at.unwrap());
        fixture.store.count_day(&fixture.scope, day, false).await.unwrap();
        let rows = fixture.store.usage(&fixture.scope, day, day).await.unwrap();
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!(row.model.is_some(), begun, "{row:?}");
        assert_eq!(row.counts.prompt_tokens, if begun { 4_321 } else { 0 });
    }
}
