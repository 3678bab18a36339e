use std::collections::HashMap;

use notebook_agent::export::{Cited, Transcript, markdown, pdf, shown};
use notebook_core::{
    ConversationId, Error, ErrorKind, MessageId, Result, SourceId, TenantScope,
    model::{Conversation, Message, PageRequest, Source},
    queue::runner::Work,
};
use notebook_rag::ingest::blob_error;
use object_store::{ObjectStoreExt, path::Path as BlobPath};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Exported, Exports, Format, export_key, files::file_name};

/// The most bytes of text in a conversation.
const MOST_TEXT: usize = 64 << 20;
const PAGE: usize = 200;

impl Exports {
    /// Writes a conversation as a file. The result names it.
    pub(super) async fn conversation(
        &self,
        work: &Work,
        id: ConversationId,
        format: Format,
        through: Option<MessageId>,
    ) -> Result<Value> {
        let scope = &work.scope;
        let conversation = self.parts.store.conversation(scope, id).await?;
        let messages = self.messages(scope, id).await?;
        let sources = self.names(scope, &conversation).await?;
        // The job's moment: done again, the file is the same.
        let asked = work.job.created_at;
        let written = tokio::task::spawn_blocking(move || {
            let branch = shown(messages, through);
            let transcript = Transcript::of(&conversation, &branch, &sources, asked);
            let (bytes, replaced) = write(&transcript, format)?;
            Ok::<_, Error>((transcript.title().to_owned(), bytes, replaced))
        });
        let (title, bytes, replaced) = written.await.map_err(|error| {
            Error::new(ErrorKind::Internal, "export conversation").caused_by(error)
        })??;
        let (extension, media_type) = match format {
            Format::Markdown => ("md", "text/markdown; charset=utf-8"),
            Format::Pdf => ("pdf", "application/pdf"),
        };
        let file = Exported {
            name: file_name(&title, extension),
            media_type: media_type.to_owned(),
            bytes: bytes.len() as u64,
            sha256: notebook_core::hex(Sha256::digest(&bytes)),
            expires_at: self.clock.now().after(self.keep),
        };
        let key = BlobPath::from(export_key(scope, work.job.id));
        self.parts.blobs.put(&key, bytes.into()).await.map_err(blob_error)?;
        Ok(json!({ "file": file, "replaced_characters": replaced }))
    }

    async fn messages(&self, scope: &TenantScope, id: ConversationId) -> Result<Vec<Message>> {
        let (mut messages, mut size) = (Vec::new(), 0);
        let mut page = PageRequest::first(PAGE);
        loop {
            let got = self.parts.store.messages(scope, id, page).await?;
            for message in &got.items {
                let quotes: usize = message.citations.iter().map(|cited| cited.quote.len()).sum();
                size += message.text.len() + quotes;
            }
            if size > MOST_TEXT {
                return Err(Error::new(ErrorKind::TooLarge, "export conversation")
                    .with("field", "conversation")
                    .with("limit", "64 MB of text")
                    .with("fix", "export the notebook as an archive instead"));
            }
            messages.extend(got.items);
            let Some(next) = got.next else { return Ok(messages) };
            page = PageRequest { after: Some(next), limit: PAGE };
        }
    }

    async fn names(
        &self,
        scope: &TenantScope,
        conversation: &Conversation,
    ) -> Result<HashMap<SourceId, Cited>> {
        let sources = self.parts.store.sources(scope, conversation.notebook).await?;
        let cited = |source: Source| (source.id, Cited { name: source.name, kind: source.kind });
        Ok(sources.into_iter().map(cited).collect())
    }
}

/// The file, and how many characters it could not show.
fn write(transcript: &Transcript, format: Format) -> Result<(Vec<u8>, u64)> {
    match format {
        Format::Markdown => Ok((markdown(transcript).into_bytes(), 0)),
        Format::Pdf => pdf(transcript).map(|pdf| (pdf.bytes, pdf.replaced)),
    }
}
