use std::path::PathBuf;

use notebook_agent::chat::{Again, replay};
use notebook_core::RunId;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Outcome, client::Client, out};
use crate::config::Config;

/// `notebook replay`.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(super) struct Replay {
    /// The id of a run that was recorded (`chat.record_runs`).
    #[arg(group = "what")]
    run: Option<RunId>,
    /// A recording in a file, as `GET /api/runs/{id}/recording` gives it, instead. No server is needed for it.
    #[arg(long, group = "what")]
    file: Option<PathBuf>,
    /// Write every event, one JSON object a line: of each part those of the engine, then those that the page was shown.
    #[arg(long)]
    events: bool,
}

/// As the REST interface gives it.
#[derive(Deserialize)]
struct Recording {
    run: RunId,
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    part: u32,
    recording: Box<RawValue>,
}

impl Replay {
    pub(super) async fn run(self, config: Config) -> Outcome {
        let recording = match (&self.file, self.run) {
            (Some(file), _) => {
                let text = std::fs::read(file)
                    .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
                serde_json::from_slice(&text)
                    .map_err(|error| format!("{} is no recording: {error}", file.display()))?
            }
            (None, Some(run)) => fetch(&config, run).await?,
            (None, None) => return Err("give the id of a run, or --file".into()),
        };
        self.replay(&recording)
    }

    fn replay(&self, recording: &Recording) -> Outcome {
        if recording.parts.is_empty() {
            let run = recording.run;
            return Err(format!(
                "nothing was recorded of the run {run}: set chat.record_runs before the question is asked"
            )
            .into());
        }
        for Part { part, recording } in &recording.parts {
            let again = replay(recording.get().as_bytes())
                .map_err(|error| format!("part {part}: {error}"))?;
            let page = again.page.as_ref().map(|page| page.events.as_slice()).unwrap_or_default();
            if self.events {
                for event in &again.events {
                    out::line(serde_json::to_string(event)?);
                }
                for event in page {
                    out::line(serde_json::to_string(event)?);
                }
            }
            out::note(format!(
                "part {part}: {} steps, {} events, the same as recorded ({})",
                again.steps,
                again.events.len(),
                again.trace.get(..16).unwrap_or(&again.trace)
            ));
            out::note(format!("part {part}: {}", of_the_page(&again)));
        }
        Ok(())
    }
}

/// What there is to say of the events of the page, and what the recording lacks.
fn of_the_page(again: &Again) -> String {
    let mut said = match &again.page {
        Some(page) => format!("{} events of the page, the same as recorded", page.events.len()),
        None => "what the page was shown is not in it".to_owned(),
    };
    if again.page.as_ref().is_some_and(|page| page.cut) {
        said.push_str("; the rest was too much to keep");
    }
    if !again.whole {
        said.push_str("; it ends where its worker was lost");
    }
    said
}

async fn fetch(
    config: &Config,
    run: RunId,
) -> Result<Recording, Box<dyn std::error::Error + Send + Sync>> {
    let client = Client::connect(config).await?;
    let found = client.get(&format!("/api/runs/{run}/recording")).await;
    client.close().await;
    found
}
