use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use notebook_core::{
    JobId,
    model::{Conversation, Notebook},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Outcome, ask::named_or_newest, client::Client, out};
use crate::config::Config;

/// `notebook export`.
#[derive(clap::Args)]
pub(super) struct Export {
    /// The notebook's name; the newest one when absent.
    #[arg(long)]
    notebook: Option<String>,
    /// A conversation's title or id; the newest one when absent.
    #[arg(long)]
    conversation: Option<String>,
    /// What to write; the whole notebook when absent, unless a conversation is named.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The file to write; named after what it holds, in this folder, when absent.
    #[arg(long, short)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A conversation as Markdown.
    #[value(alias = "md")]
    Markdown,
    /// A conversation as PDF.
    Pdf,
    /// The whole notebook, to be imported elsewhere.
    Archive,
}

#[derive(Deserialize)]
struct Accepted {
    job: JobId,
}

#[derive(Deserialize)]
struct Conversations {
    items: Vec<Conversation>,
}

impl Export {
    pub(super) async fn run(self, config: Config) -> Outcome {
        let format = match (self.format, &self.conversation) {
            (Some(Format::Archive), Some(_)) => {
                return Err("an archive holds the whole notebook: leave --conversation out".into());
            }
            (Some(format), _) => format,
            (None, Some(_)) => Format::Markdown,
            (None, None) => Format::Archive,
        };
        let client = Client::connect(&config).await?;
        let result = tokio::select! {
            result = self.export(&client, format) => result,
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        };
        client.close().await;
        result
    }

    async fn export(&self, client: &Client, format: Format) -> Outcome {
        let notebook = named_or_newest(client, self.notebook.as_deref()).await?;
        let (path, body) = match format {
            Format::Archive => (format!("/api/notebooks/{}/exports", notebook.id), json!({})),
            Format::Markdown | Format::Pdf => {
                let id = self.conversation(client, &notebook).await?.id;
                let format = if format == Format::Pdf { "pdf" } else { "markdown" };
                (format!("/api/conversations/{id}/exports"), json!({ "format": format }))
            }
        };
        let Accepted { job } = client.post(&path, &body).await?;
        let result = client.job(job).await?;
        let name = result.pointer("/file/name").and_then(Value::as_str).unwrap_or("export");
        let to = self.out.clone().unwrap_or_else(|| PathBuf::from(name));
        save(client, &format!("/api/jobs/{job}/file"), &to, self.out.is_some()).await?;
        let replaced = result.get("replaced_characters").and_then(Value::as_u64).unwrap_or(0);
        if replaced > 0 {
            out::note(format!(
                "({replaced} characters are not in the PDF's font and are shown as \u{FFFD})"
            ));
        }
        out::line(format!("Wrote {}", to.display()));
        Ok(())
    }

    async fn conversation(
        &self,
        client: &Client,
        notebook: &Notebook,
    ) -> Result<Conversation, Box<dyn std::error::Error + Send + Sync>> {
        let path = format!("/api/notebooks/{}/conversations", notebook.id);
        let Conversations { items } = client.get(&path).await?;
        let wanted = |conversation: &Conversation| match &self.conversation {
            Some(name) => conversation.title == *name || conversation.id.to_string() == *name,
            None => true,
        };
        let found = items.into_iter().find(wanted);
        found.ok_or_else(|| match &self.conversation {
            Some(name) => {
                format!("there is no conversation \"{name}\" in \"{}\"", notebook.name).into()
            }
            None => format!("there is no conversation in \"{}\" yet", notebook.name).into(),
        })
    }
}

/// Writes the file whole or not at all. One that is there already stays, unless it was asked for by its name.
async fn save(client: &Client, path: &str, to: &Path, replace: bool) -> Outcome {
    let about = |error: std::io::Error| format!("{}: {error}", to.display());
    let exists = "the file exists already; name another with --out, or this one to replace it";
    if !replace && to.exists() {
        return Err(format!("{}: {exists}", to.display()).into());
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(about)?;
    client.download(path, &mut file).await?;
    file.flush().map_err(about)?;
    let saved = if replace { file.persist(to) } else { file.persist_noclobber(to) };
    saved.map(drop).map_err(|error| about(error.error).into())
}
