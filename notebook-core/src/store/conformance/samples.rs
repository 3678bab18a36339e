//! Things to store: whole, valid, and different in every field from a default.

pub use crate::conformance::tenant;
use crate::{
    ConversationId, MessageId, NotebookId, RunId, SourceId, Timestamp,
    document::{
        Area, Block, BlockKind, Document, Flag, Page, PictureMap, PlacedWord, SourceKind, Span,
    },
    model::{
        AnswerWarning, Chunk, ChunkKey, Citation, Conversation, EventBody, Message, ModelSettings,
        NewRun, Notebook, NotebookSettings, Progress, Role, Run, RunEvent, RunState, Source,
        SourceFailure, Stage, StageTiming, Usage, WebOrigin,
    },
};

/// A moment, `millis` after an arbitrary one.
#[must_use]
pub const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

/// A notebook with a new id.
#[must_use]
pub fn notebook() -> Notebook {
    let model = ModelSettings {
        provider: Some("local".into()),
        temperature: Some(0.1),
        max_tokens: Some(u32::MAX),
        system_prompt: Some("Quote \"exactly\".\n".into()),
        ..ModelSettings::default()
    };
    Notebook {
        id: NotebookId::new(),
        name: "Bienen 🐝 und 'Blüten'".into(),
        named_by_user: true,
        archived: false,
        settings: NotebookSettings {
            model,
            allow_general_knowledge: true,
            mcp_servers: vec!["notes".to_owned()],
            tools: Some(vec!["calculate".into()]),
        },
        created_at: at(1),
        updated_at: at(2),
    }
}

/// A source of `notebook` with a new id.
#[must_use]
pub fn source(notebook: NotebookId) -> Source {
    Source {
        id: SourceId::new(),
        notebook,
        name: "Bees — a history.pdf".into(),
        kind: SourceKind::Pdf,
        bytes: 1 << 40,
        sha256: "0123456789abcdef".repeat(4),
        blob: Some("k".repeat(32)),
        stage: Stage::Queued,
        progress: Progress { done: 3, total: 7 },
        keywords_ready: true,
        vectors_ready: false,
        failure: Some(SourceFailure {
            code: "bad_page".into(),
            message: "Page 3 is broken.".into(),
            stage: Stage::Parse,
        }),
        title: Some("Bees".into()),
        pages: Some(352),
        text_bytes: 1_000_000,
        chunks: 1_234,
        notes: vec!["Embedded files were ignored.".into(), String::new()],
        origin: Some(WebOrigin {
            url: "https://example.org/bees".into(),
            final_url: Some("https://www.example.org/bees.pdf".into()),
            content_type: Some("application/pdf".into()),
            fetched_at: Some(at(5)),
        }),
        created_at: at(3),
        updated_at: at(4),
        revision: 7,
    }
}

/// A document of about `bytes` bytes in characters of one to four bytes, with a block a line
/// and two pages.
#[must_use]
pub fn document(bytes: usize) -> Document {
    let mut text = String::with_capacity(bytes + 64);
    let mut blocks = Vec::new();
    while text.len() < bytes {
        let start = text.len();
        text.push_str("Die Biene 🐝 fliegt über Blüten — 蜜蜂.");
        let kind = match blocks.len() % 4 {
            0 => BlockKind::Heading { level: 2 },
            1 => BlockKind::Paragraph,
            2 => BlockKind::TableRow,
            _ => BlockKind::Code,
        };
        blocks.push(Block { kind, span: Span { start, end: text.len() } });
        text.push_str("\n\n");
    }
    let middle = blocks.get(blocks.len() / 2).map_or(0, |block| block.span.start);
    let pages = vec![
        Page { number: 1, span: Span { start: 0, end: middle } },
        Page { number: 2, span: Span { start: middle, end: text.len() } },
    ];
    let area = |left| Area { left, top: 9, width: 7, height: 6 };
    let words = blocks.iter().zip(0_u32..).take(PictureMap::MOST_WORDS);
    let words = words
        .map(|(block, index)| PlacedWord { span: block.span, area: area(index) })
        .collect::<Vec<_>>();
    Document {
        text,
        title: Some("Bees".into()),
        pages,
        blocks,
        flags: vec![Flag::EmbeddedFile],
        picture: Some(PictureMap { width: 20_000, height: 15, quarters: 3, words }),
    }
}

/// A chunk of `source`.
#[must_use]
pub fn chunk(source: SourceId, ordinal: u32) -> Chunk {
    Chunk {
        key: ChunkKey { source, ordinal },
        span: Span { start: ordinal as usize * 100, end: ordinal as usize * 100 + 6 },
        page: (ordinal.is_multiple_of(2)).then_some(ordinal + 1),
        headings: vec!["Bees".into(), "Dances — \"round\"".into()],
        tokens: 3,
        text: format!("蜜 {ordinal}"),
    }
}

/// A conversation in `notebook` with a new id.
#[must_use]
pub fn conversation(notebook: NotebookId) -> Conversation {
    Conversation {
        id: ConversationId::new(),
        notebook,
        title: "Why do bees dance?".into(),
        excluded_sources: vec![SourceId::new(), SourceId::new()],
        created_at: at(5),
        updated_at: at(6),
    }
}

/// A run with its question, ready to open.
#[must_use]
pub fn new_run(conversation: &Conversation) -> NewRun {
    let run = Run {
        id: RunId::new(),
        notebook: conversation.notebook,
        conversation: conversation.id,
        question: MessageId::new(),
        answer: MessageId::new(),
        state: RunState::Queued,
        created_at: at(1_000),
        ended_at: None,
        stop_requested: false,
    };
    let question = question(&run, "Why do bees dance?");
    NewRun { run, question: Some(question), idempotency_key: None, request_hash: "h".into() }
}

/// The question of a run.
#[must_use]
pub fn question(run: &Run, text: &str) -> Message {
    Message {
        id: run.question,
        conversation: run.conversation,
        parent: None,
        role: Role::User,
        text: text.into(),
        citations: Vec::new(),
        dropped_citations: 0,
        run: None,
        model: None,
        usage: None,
        timings: Vec::new(),
        warnings: Vec::new(),
        partial: false,
        created_at: run.created_at,
    }
}

/// The answer of a run, with one citation.
#[must_use]
pub fn answer(run: &Run) -> Message {
    let citation = Citation {
        number: 1,
        at: 10,
        at_utf16: 8,
        source: SourceId::from_u128(run.id.as_u128()),
        span: Span { start: 5, end: 9 },
        page: Some(2),
        quote: "bees".into(),
    };
    Message {
        id: run.answer,
        parent: Some(run.question),
        role: Role::Assistant,
        citations: vec![citation],
        dropped_citations: 2,
        run: Some(run.id),
        model: Some("extractive".into()),
        usage: Some(Usage {
            prompt_tokens: 10,
            completion_tokens: 20,
            exact: true,
            cost_micros: Some(7),
        }),
        timings: vec![StageTiming { stage: "keyword_search".into(), micros: 12, finished: true }],
        warnings: vec![AnswerWarning {
            code: "answer_cut".into(), message: "Cut – short.".into()
        }],
        partial: true,
        created_at: at(2_000),
        ..question(run, "To say where the food is. 🐝")
    }
}

/// `count` deltas, numbered from `first`.
#[must_use]
pub fn deltas(first: u64, count: u64) -> Vec<RunEvent> {
    (first..first + count)
        .map(|seq| RunEvent {
            seq,
            at: at(1_000 + i64::try_from(seq).unwrap_or(0)),
            body: EventBody::Delta { text: format!("wört {seq} ") },
        })
        .collect()
}

/// The event `Completed`, numbered `seq`.
#[must_use]
pub fn completed(seq: u64) -> RunEvent {
    let body = EventBody::Completed {
        usage: Usage::default(),
        abstained: false,
        dropped_citations: 1,
        timings: Vec::new(),
    };
    RunEvent { seq, at: at(9_000), body }
}
