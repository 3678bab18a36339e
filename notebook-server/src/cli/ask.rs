use futures::StreamExt;
use notebook_core::{
    ConversationId,
    document::SourceKind,
    model::{Citation, Conversation, EventBody, Notebook, Page, Run, RunEvent, Source},
};
use serde_json::{Value, json};

use super::{Outcome, client::Client, ingest::find, out};
use crate::config::Config;

/// `notebook ask`.
#[derive(clap::Args)]
pub(super) struct Ask {
    /// The question.
    question: String,
    /// The notebook's name; the newest one when absent.
    #[arg(long)]
    notebook: Option<String>,
}

impl Ask {
    pub(super) async fn run(self, config: Config) -> Outcome {
        let client = Client::connect(&config).await?;
        let result = tokio::select! {
            result = self.ask(&client) => result,
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        };
        client.close().await;
        result
    }

    async fn ask(&self, client: &Client) -> Outcome {
        let notebook = named_or_newest(client, self.notebook.as_deref()).await?;
        let conversation: Conversation = client
            .post(
                &format!("/api/notebooks/{}/conversations", notebook.id),
                &json!({ "id": ConversationId::new() }),
            )
            .await?;
        let run: Run = client
            .post(
                &format!("/api/conversations/{}/runs", conversation.id),
                &json!({ "question": self.question }),
            )
            .await?;
        let mut events = Box::pin(client.events(&format!("/api/runs/{}/events", run.id)).await?);
        let mut citations = Vec::new();
        let mut text = String::new();
        while let Some(event) = events.next().await {
            let (_, data) = event?;
            let event: RunEvent = serde_json::from_value(data)?;
            match event.body {
                EventBody::Delta { text: more } => {
                    text.push_str(&more);
                    out::piece(&more);
                }
                EventBody::Citation(citation) => {
                    // A mark right where the text ends; one for earlier text stands in the list only.
                    if citation.at == text.len() {
                        out::piece(&format!(" [{}]", citation.number));
                    }
                    citations.push(citation);
                }
                EventBody::Warning { message, .. } => out::note(format!("({message})")),
                EventBody::Failed { message, detail, .. } => {
                    out::line("");
                    if let Some(detail) = detail {
                        out::note(format!("({detail})"));
                    }
                    return Err(message.into());
                }
                EventBody::Restarted => {
                    text.clear();
                    citations.clear();
                    out::line("");
                    out::note("(the answer is begun anew)");
                }
                EventBody::Stopped | EventBody::Abandoned => {
                    out::line("");
                    out::note("(ended early)");
                }
                EventBody::Completed { .. } => out::line(""),
                _ => {}
            }
        }
        show(client, &citations).await
    }
}

/// The notebook of this name, or else the newest.
pub(super) async fn named_or_newest(
    client: &Client,
    name: Option<&str>,
) -> Result<Notebook, Box<dyn std::error::Error + Send + Sync>> {
    match name {
        Some(name) => find(client, name)
            .await?
            .ok_or_else(|| format!("there is no notebook \"{name}\"; notebook ingest FILES --notebook \"{name}\" makes one").into()),
        None => {
            let page: Page<Notebook> = client.get("/api/notebooks?limit=1").await?;
            page.items
                .into_iter()
                .next()
                .ok_or_else(|| "there is no notebook yet; notebook ingest FILES --notebook NAME makes one".into())
        }
    }
}

/// The citations below the answer: number, source, page or time, the exact words.
async fn show(client: &Client, citations: &[Citation]) -> Outcome {
    if !citations.is_empty() {
        out::line("");
    }
    for citation in citations {
        let source: Value = client.get(&format!("/api/sources/{}", citation.source)).await?;
        let source: Source = serde_json::from_value(source)?;
        out::line(line(citation, &source.name, source.kind));
    }
    Ok(())
}

/// A citation for people: its number, where it stands, and the words.
fn line(citation: &Citation, name: &str, kind: SourceKind) -> String {
    let place = citation.page.map(|page| format!(", {}", kind.part(page))).unwrap_or_default();
    let quote = citation.quote.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("[{}] {name}{place}: \"{quote}\"", citation.number)
}

#[cfg(test)]
mod tests {
    use notebook_core::{SourceId, document::Span};

    use super::*;

    /// B4, A2: parts of recordings are times.
    #[test]
    fn b4_citations_say_where_they_stand() {
        let citation = |page| Citation {
            number: 2,
            at: 7,
            at_utf16: 7,
            source: SourceId::from_u128(1),
            span: Span::new(0, 9),
            page,
            quote: "bees\n  dance".to_owned(),
        };
        for (kind, page, wanted) in [
            (SourceKind::Pdf, Some(3), "[2] a, page 3: \"bees dance\""),
            (SourceKind::Mp3, Some(1), "[2] a, 0:00: \"bees dance\""),
            (SourceKind::M4a, Some(3_724), "[2] a, 1:02:03: \"bees dance\""),
            (SourceKind::Text, None, "[2] a: \"bees dance\""),
        ] {
            assert_eq!(line(&citation(page), "a", kind), wanted);
        }
    }
}
