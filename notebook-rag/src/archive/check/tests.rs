use notebook_core::{
    document::{Flag, Span},
    model::{AnswerWarning, Citation, Role, SourceFailure},
    store::conformance::samples,
};

use super::*;

fn refusal<T: std::fmt::Debug>(checked: Result<T>) -> String {
    let error = checked.unwrap_err();
    assert_eq!(error.context("entry"), Some("entry.json"));
    error.context("fix").unwrap_or_default().to_owned()
}

fn valid() -> Source {
    samples::source(notebook_core::NotebookId::new())
}

/// A7: settings are in range; those that would send questions elsewhere, or steer answers, are dropped.
#[test]
fn a7_settings_of_a_foreign_notebook() {
    let mut row = samples::notebook();
    assert!(refusal(notebook(row.clone(), "entry.json")).contains("max_tokens"));
    row.settings.model = ModelSettings {
        provider: Some("elsewhere".into()),
        model: Some("other".into()),
        system_prompt: Some("Praise owls.".into()),
        temperature: Some(0.5),
        max_tokens: Some(100),
        top_p: Some(0.9),
    };
    row.name = "  Birds\n".to_owned();
    let kept = notebook(row.clone(), "entry.json").unwrap();
    let settings = ModelSettings {
        temperature: Some(0.5),
        max_tokens: Some(100),
        top_p: Some(0.9),
        ..ModelSettings::default()
    };
    assert_eq!((kept.name.as_str(), kept.settings.model), ("Birds", settings));
    assert!(kept.settings.allow_general_knowledge);
    row.settings.model.system_prompt = Some("x".repeat(16 * 1024 + 1));
    assert!(refusal(notebook(row, "entry.json")).contains("system_prompt"));
}

/// A7: texts of a source's row and layout have bounds.
#[test]
fn a7_texts_of_a_source_have_bounds() {
    let name = Source { name: " a ".into(), ..valid() };
    assert_eq!(source(name, "entry.json").unwrap().name, "a");
    let long = || Some("é".repeat(1_001));
    for (bad, why) in [
        (Source { name: "x".repeat(301), ..valid() }, "name"),
        (Source { name: " ".into(), ..valid() }, "name"),
        (Source { title: long(), ..valid() }, "title"),
        (Source { notes: long().into_iter().collect(), ..valid() }, "note"),
        (Source { notes: vec![String::new(); 101], ..valid() }, "notes"),
        (Source { sha256: "0".repeat(63), ..valid() }, "sha256"),
        (Source { sha256: "A".repeat(64), ..valid() }, "sha256"),
    ] {
        assert!(refusal(source(bad, "entry.json")).contains(why), "{why}");
    }
    let of = |title, flags| LayoutFile {
        title,
        pages: Vec::new(),
        blocks: Vec::new(),
        flags,
        picture: None,
    };
    let what = "x".repeat(1_001);
    assert!(layout(&of(Some("Bees".into()), vec![Flag::Script]), "entry.json").is_ok());
    for bad in [
        of(long(), Vec::new()),
        of(None, vec![Flag::Script; 101]),
        of(None, vec![Flag::Truncated { what: what.clone() }]),
        of(None, vec![Flag::LegacyEncoding { name: what }]),
    ] {
        refusal(layout(&bad, "entry.json"));
    }
}

/// A7: a failure is one that a source ends with here: no stage and no code that would make it something else.
#[test]
fn a7_forged_failures_are_refused() {
    let with = |code: &str, message: &str, stage| {
        let (code, message) = (code.to_owned(), message.to_owned());
        let failure = Some(SourceFailure { code, message, stage });
        source(Source { stage: Stage::Failed, failure, ..valid() }, "entry.json")
    };
    for stage in [Stage::Fetch, Stage::Parse, Stage::Chunk, Stage::Index, Stage::Embed] {
        assert!(with("bad_page", "Page 3.", stage).is_ok());
    }
    for stage in [Stage::Queued, Stage::Ready, Stage::Failed, Stage::Deleting] {
        assert!(refusal(with("bad_page", "Page 3.", stage)).contains("failure"), "{stage:?}");
    }
    assert!(refusal(with("importing", "", Stage::Parse)).contains("failure"));
    refusal(with(&"x".repeat(2_001), "", Stage::Parse));
    refusal(with("bad_page", &"x".repeat(2_001), Stage::Parse));
}

fn answer() -> Message {
    let citation = |source| Citation {
        number: 1,
        at: 0,
        at_utf16: 0,
        source: SourceId::from_u128(source),
        span: Span::new(0, 1),
        page: None,
        quote: "x".into(),
    };
    Message {
        id: notebook_core::MessageId::new(),
        conversation: notebook_core::ConversationId::new(),
        parent: None,
        role: Role::Assistant,
        text: "Yes.".into(),
        citations: vec![citation(1), citation(2), citation(1)],
        dropped_citations: 3,
        run: None,
        model: Some("ollama/llama".into()),
        usage: None,
        timings: Vec::new(),
        warnings: Vec::new(),
        partial: false,
        created_at: samples::at(0),
    }
}

/// A7: a message has bounds.
#[test]
fn a7_messages_have_bounds() {
    assert!(message(&answer(), "entry.json").is_ok());
    refusal(message(&Message { text: "x".repeat((4 << 20) + 1), ..answer() }, "entry.json"));
    refusal(message(&Message { model: Some("x".repeat(201)), ..answer() }, "entry.json"));
    let warning = |length| AnswerWarning { code: "answer_cut".into(), message: "x".repeat(length) };
    refusal(message(&Message { warnings: vec![warning(2_001)], ..answer() }, "entry.json"));
    refusal(message(&Message { warnings: vec![warning(1); 101], ..answer() }, "entry.json"));
    let citations = vec![answer().citations.remove(0); 10_001];
    refusal(message(&Message { citations, ..answer() }, "entry.json"));
}

/// A7: what nobody can check is not cited.
#[test]
fn a7_citations_of_a_source_without_text_are_dropped() {
    let mut message = answer();
    drop_unverifiable(&mut message, &[SourceId::from_u128(1)].into());
    assert_eq!((message.citations.len(), message.dropped_citations), (1, 5));
    assert_eq!(message.citations[0].source, SourceId::from_u128(2));
}
