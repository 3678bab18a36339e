//! Reads an answer's events as they happen, and stops the run. Two readers see the same events.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::sync::Arc;

use notebook_agent::library::{Backends, Library};
use notebook_core::{Result, keyword::MemoryKeywordIndex, store::memory::MemoryStore};
use notebook_rag::extractive::ExtractiveModel;

#[tokio::main]
async fn main() -> Result<()> {
    let backends = Backends::new(Arc::new(MemoryStore::new()), Arc::new(MemoryKeywordIndex::new()));
    let library = Library::open(backends, Arc::new(ExtractiveModel::default()))?;
    let notebook = library.notebook(&notebook_auth::single_user(), "Bees").await?;
    notebook
        .add_text("bees.txt", "Bees dance to tell where food is. The dance was decoded in 1946.")
        .await?;

    let run = notebook.start("When was the dance decoded?").await?;
    let (runs, scope) = (notebook.chat().runs(), notebook.scope());
    let mut first = runs.reader(scope, run.id, 0).await?;
    while let Some(events) = first.next().await? {
        for event in events {
            println!("{} {}", event.seq, event.body.name());
        }
    }
    // Afterwards the log tells the same, from any point on; stopping what has ended changes nothing.
    let mut second = runs.reader(scope, run.id, 2).await?;
    let rest = second.next().await?.unwrap_or_default();
    println!("{} events after number 2", rest.len());
    println!("state after stop: {:?}", notebook.chat().stop(scope, run.id).await?.state);
    Ok(())
}
