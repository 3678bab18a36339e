//! A run's events as the facades tell them.

use std::collections::HashMap;

use futures::{Stream, StreamExt as _, stream};
use notebook_agent::{runs::EventReader, shown_name};
use notebook_core::{
    Result, SourceId, TenantScope,
    model::{Citation, EventBody, Run, Usage},
};
use tracing::warn;

use crate::app::App;

/// What happens in an answer.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// More text.
    Text(String),
    /// A citation of what was said.
    Citation(Cited),
    /// The last one.
    End(Ended),
}

/// A citation with its source's name.
#[derive(Debug, Clone)]
pub(crate) struct Cited {
    pub(crate) citation: Citation,
    pub(crate) name: String,
}

/// How an answer ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) how: How,
    pub(crate) usage: Usage,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum How {
    /// It is whole.
    Whole,
    /// It met its limit of length.
    Cut,
    /// Somebody stopped it, or nobody watched it any more.
    Stopped,
    /// It failed.
    Failed { code: String, message: String },
}

struct Follower {
    app: App,
    scope: TenantScope,
    run: Run,
    reader: EventReader,
    names: HashMap<SourceId, String>,
    /// What was told.
    text: String,
    citations: usize,
    cut: bool,
}

/// The pieces of a run, from its beginning to its end.
///
/// What was told cannot be taken back in these protocols: an answer that is begun anew after something was told ends in an error.
pub(crate) async fn pieces(
    app: &App,
    scope: &TenantScope,
    run: Run,
) -> Result<impl Stream<Item = Piece> + Send + 'static> {
    let reader = app.runs.reader(scope, run.id, 0).await?;
    let follower = Follower {
        app: app.clone(),
        scope: scope.clone(),
        run,
        reader,
        names: HashMap::new(),
        text: String::new(),
        citations: 0,
        cut: false,
    };
    Ok(stream::unfold(Some(follower), |follower| async move {
        let mut follower = follower?;
        let pieces = follower.next().await;
        let ended = matches!(pieces.last(), Some(Piece::End(_)) | None);
        Some((stream::iter(pieces), (!ended).then_some(follower)))
    })
    .flatten())
}

fn failed(code: &str, message: &str) -> Piece {
    let how = How::Failed { code: code.to_owned(), message: message.to_owned() };
    Piece::End(Ended { how, usage: Usage::default() })
}

impl Follower {
    /// The next ones; none at a log that has no end.
    async fn next(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while pieces.is_empty() {
            let events = match self.reader.next().await {
                Ok(Some(events)) => events,
                Ok(None) => {
                    return vec![failed("interrupted", "The answer has no end. Ask again.")];
                }
                Err(error) => {
                    warn!(run = %self.run.id, %error, "reading events failed");
                    return vec![failed(
                        "unavailable",
                        "The answer cannot be read now. Ask again.",
                    )];
                }
            };
            for event in events {
                self.take(&event.body, &mut pieces).await;
                if matches!(pieces.last(), Some(Piece::End(_))) {
                    break;
                }
            }
        }
        pieces
    }

    async fn take(&mut self, event: &EventBody, pieces: &mut Vec<Piece>) {
        match event {
            EventBody::Delta { text } => self.say(text.clone(), pieces),
            EventBody::Citation(citation) => self.cite(citation.clone(), pieces).await,
            EventBody::Warning { code, .. } if code == "answer_cut" => self.cut = true,
            EventBody::Restarted if !self.text.is_empty() => pieces.push(begun_anew()),
            EventBody::Resync { text, citations } => match text.strip_prefix(&self.text) {
                Some(rest) => {
                    self.say(rest.to_owned(), pieces);
                    for citation in citations.iter().skip(self.citations) {
                        self.cite(citation.clone(), pieces).await;
                    }
                }
                None => pieces.push(begun_anew()),
            },
            EventBody::Completed { usage, .. } => {
                let how = if self.cut { How::Cut } else { How::Whole };
                pieces.push(Piece::End(Ended { how, usage: *usage }));
            }
            EventBody::Stopped | EventBody::Abandoned => {
                pieces.push(Piece::End(Ended { how: How::Stopped, usage: Usage::default() }));
            }
            EventBody::Failed { code, message, .. } => pieces.push(failed(code, message)),
            _ => {}
        }
    }

    fn say(&mut self, text: String, pieces: &mut Vec<Piece>) {
        if !text.is_empty() {
            self.text.push_str(&text);
            pieces.push(Piece::Text(text));
        }
    }

    async fn cite(&mut self, citation: Citation, pieces: &mut Vec<Piece>) {
        self.citations += 1;
        let id = citation.source;
        if !self.names.contains_key(&id) {
            let source = self.app.store.source(&self.scope, id).await;
            // A source that was deleted meanwhile has no name any more.
            let name = source
                .map_or_else(|_| "source".to_owned(), |source| shown_name(&source).to_owned());
            self.names.insert(id, name);
        }
        let name = self.names.get(&id).cloned().unwrap_or_default();
        pieces.push(Piece::Citation(Cited { citation, name }));
    }
}

fn begun_anew() -> Piece {
    failed(
        "begun_anew",
        "The server that wrote this answer was lost, and another begins it anew. Ask again.",
    )
}

/// An answer read to its end.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    pub(crate) text: String,
    pub(crate) citations: Vec<Cited>,
    pub(crate) ended: Option<Ended>,
}

/// Reads to the end.
pub(crate) async fn whole(pieces: impl Stream<Item = Piece> + Send) -> Whole {
    let mut whole = Whole::default();
    let mut pieces = std::pin::pin!(pieces);
    while let Some(piece) = pieces.next().await {
        whole.add(piece);
    }
    whole
}

impl Whole {
    pub(crate) fn add(&mut self, piece: Piece) {
        match piece {
            Piece::Text(text) => self.text.push_str(&text),
            Piece::Citation(cited) => self.citations.push(cited),
            Piece::End(ended) => self.ended = Some(ended),
        }
    }
}
