//! From memory to a cited answer in ten lines.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::sync::Arc;

use notebook_agent::library::{Backends, Library};
use notebook_core::{keyword::MemoryKeywordIndex, store::memory::MemoryStore};
use notebook_rag::extractive::ExtractiveModel;

#[tokio::main]
async fn main() -> Result<(), notebook_core::Error> {
    let backends = Backends::new(Arc::new(MemoryStore::new()), Arc::new(MemoryKeywordIndex::new()));
    let library = Library::open(backends, Arc::new(ExtractiveModel::default()))?;
    let rivers = library.notebook(&notebook_auth::single_user(), "Rivers").await?;
    rivers.add_text("wensum.txt", "The Wensum is 78 kilometres long. It joins the Yare.").await?;
    let answer = rivers.ask("How long is the Wensum?").await?;
    println!("{}", answer.text);
    for citation in &answer.citations {
        println!("[{}] bytes {:?}: {:?}", citation.number, citation.span, citation.quote);
    }
    Ok(())
}
