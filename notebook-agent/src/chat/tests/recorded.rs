//! Answers that are recorded, and done again (D7).

use std::time::Duration;

use notebook_core::{RunId, recording::Recordings as _};

use super::*;
use crate::graph::{Recording, ReplayError};

async fn recorded(fixture: &Fixture, run: RunId) -> Vec<Vec<u8>> {
    // The end is told when all is stored, the recording too.
    let parts = fixture.store.recording(&fixture.scope, run).await.unwrap();
    parts.into_iter().map(|part| part.body).collect()
}

async fn recording_fixture<M: ChatModel>(model: M, config: ChatConfig) -> Fixture {
    let fixture = fixture(model, config).await;
    let chat = fixture.chat.clone().with_recordings(fixture.store.clone());
    Fixture { chat, ..fixture }
}

#[tokio::test]
async fn d7_a_recorded_answer_is_done_again() {
    let model = Scripted::new(vec![Step::Say("78 kilometres [1]."), Step::End]);
    let fixture = recording_fixture(model, ChatConfig::default()).await;
    fixture.add("river.txt", RIVER).await;
    let run = fixture.start("How long is the Wensum?").await;
    assert!(matches!(fixture.events(&run).await.last(), Some(EventBody::Completed { .. })));
    let parts = recorded(&fixture, run.id).await;
    assert_eq!(parts.len(), 1);
    let (first, second) = (replay(&parts[0]).unwrap(), replay(&parts[0]).unwrap());
    assert_eq!(first, second);
    assert!(first.steps > 3 && first.events.len() > 5, "{first:?}");
    let told = serde_json::to_string(&first.events).unwrap();
    assert!(told.contains("\"generate\"") && told.contains("\"ended\""), "{told}");
    // What the model said is in it; with other words it is another run.
    let text = String::from_utf8(parts[0].clone()).unwrap();
    assert!(text.contains("78 kilometres"));
    let other = text.replace("The Wensum is 78 kilometres long.", "The Wensum is short.");
    assert_ne!(other, text);
    let differs = replay(other.as_bytes()).unwrap_err();
    assert!(matches!(differs, ReplayError::Differs(_)), "{differs}");
}

#[tokio::test]
async fn d7_failed_and_stopped_answers_are_recorded_as_well() {
    let broken = Scripted::new(vec![Step::Say("The "), Step::Fail(ErrorKind::Unavailable)]);
    let hanging = Scripted::new(vec![Step::Say("The "), Step::Hang]);
    for (model, stops) in [(broken, false), (hanging, true)] {
        let fixture = recording_fixture(model, ChatConfig::default()).await;
        fixture.add("river.txt", RIVER).await;
        let run = fixture.start("How long is the Wensum?").await;
        if stops {
            fixture.wait_for_text(&run, "The").await;
            fixture.chat.stop(&fixture.scope, run.id).await.unwrap();
        }
        let events = fixture.events(&run).await;
        assert!(matches!(
            (events.last(), stops),
            (Some(EventBody::Stopped), true) | (Some(EventBody::Failed { .. }), false)
        ));
        let parts = recorded(&fixture, run.id).await;
        let again = replay(&parts[0]).unwrap();
        let told = serde_json::to_string(&again.events.last().unwrap().body).unwrap();
        assert!(told.contains(if stops { "stopped" } else { "failed" }), "{told}");
    }
}

#[tokio::test]
async fn d7_nothing_is_recorded_unless_it_is_wanted() {
    let fixture = fixture(ExtractiveModel::default(), ChatConfig::default()).await;
    fixture.add("river.txt", RIVER).await;
    let run = fixture.start("How long is the Wensum?").await;
    fixture.events(&run).await;
    assert!(recorded(&fixture, run.id).await.is_empty());
}

#[test]
fn d7_what_is_no_recording_is_refused_with_a_reason() {
    let cut = Recording {
        cut: true,
        begin: serde_json::json!({ "graph": "chat" }),
        ..Recording::default()
    };
    let foreign =
        Recording { begin: serde_json::json!({ "graph": "studio" }), ..Recording::default() };
    for (body, reason) in [
        (b"\xff{".to_vec(), "corrupt"),
        (b"{}".to_vec(), "corrupt"),
        (serde_json::to_vec(&cut).unwrap(), "too_large"),
        (serde_json::to_vec(&foreign).unwrap(), "unsupported"),
    ] {
        let Err(ReplayError::Unreadable(error)) = replay(&body) else { panic!("{reason}") };
        assert_eq!(error.kind().code(), reason);
    }
}

/// The recording is in its place before anybody hears of the end.
#[tokio::test]
async fn d7_the_recording_is_there_when_the_end_is_told() {
    let fixture = recording_fixture(ExtractiveModel::default(), ChatConfig::default()).await;
    fixture.add("river.txt", RIVER).await;
    for _ in 0..20 {
        let run = fixture.start("How long is the Wensum?").await;
        tokio::time::timeout(Duration::from_secs(20), fixture.events(&run)).await.unwrap();
        assert_eq!(recorded(&fixture, run.id).await.len(), 1);
    }
}
