//! The commands of the `notebook` binary.

mod ask;
mod audit;
mod client;
mod doctor;
mod eval;
mod export;
mod import;
mod ingest;
mod models;
mod out;
mod replay;
mod serve;
mod user;
mod worker;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    config::{self, Loaded, Profile},
    telemetry,
};

/// An AI notebook: put your sources in, ask, and get answers whose every citation points at the exact words.
#[derive(Parser)]
#[command(name = "notebook", version, about, max_term_width = 100)]
struct Cli {
    /// Configuration file (TOML). Environment variables NOTEBOOK__SECTION__KEY go over it.
    #[arg(long, global = true, env = "NOTEBOOK_CONFIG")]
    config: Option<PathBuf>,
    /// Folder for everything that is stored.
    #[arg(long, global = true)]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the page and the REST interface.
    Serve(serve::Serve),
    /// Do jobs beside servers that share a PostgreSQL database.
    Worker,
    /// Add files to a notebook.
    Ingest(ingest::Ingest),
    /// Ask a question and stream the answer with its citations.
    Ask(ask::Ask),
    /// Write a conversation as Markdown or PDF, or a whole notebook as an archive.
    Export(export::Export),
    /// Put an archive into a new notebook.
    Import(import::Import),
    /// Do a recorded answer again, without models, tools or network, and say whether the same comes out.
    Replay(replay::Replay),
    /// Make, list and change accounts.
    User(user::User),
    /// Check the audit logs.
    Audit(audit::Audit),
    /// Measure retrieval on a test collection (corpus.jsonl, queries.jsonl, qrels/test.tsv).
    Eval(eval::Eval),
    /// Say what works, what does not, and what to do about it.
    Doctor,
    /// Fetch models that run on this machine.
    Models(models::Models),
    /// Parse files for the server that started this; a child process for each.
    #[command(hide = true)]
    Parse,
}

/// The hidden command that stands between an MCP server and this program, and ends the one with the other.
pub(crate) const KEEPER: &str = "keep-mcp-server";

/// What a command ends with: an error is a sentence for a person.
type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Runs the command line and returns the exit status: 0, 1 for an error, 2 for wrong arguments.
#[must_use]
pub fn main() -> ExitCode {
    // The child process must not start a runtime or read the environment: it forks, and its children parse.
    if std::env::args_os().nth(1).is_some_and(|arg| arg == "parse") {
        return notebook_rag::parse::child_main();
    }
    if std::env::args_os().nth(1).is_some_and(|arg| arg == KEEPER) {
        return notebook_agent::mcp::keep(std::env::args_os().skip(2));
    }
    let cli = Cli::parse();
    let result = config::read(cli.config.as_deref()).map_err(Into::into).and_then(|mut loaded| {
        if let Some(folder) = cli.data_dir {
            loaded.config.data_dir = folder;
        }
        // Who asks what is wrong is told it among the rest.
        if !matches!(cli.command, Command::Doctor) {
            loaded.accepted()?;
        }
        run(cli.command, loaded)
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::error(&*error);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, loaded: Loaded) -> Outcome {
    let quiet = !matches!(command, Command::Serve(_) | Command::Worker);
    telemetry::start(if quiet { "error" } else { "info" });
    if !quiet && loaded.config.profile == Profile::Staging {
        for what in &loaded.unsafe_settings {
            tracing::warn!(what, "production would not start with this");
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        if let Command::Doctor = command {
            return doctor::run(loaded).await;
        }
        let Loaded { config, session, .. } = loaded;
        if let Some(session) = session.filter(|_| !quiet) {
            tokio::spawn(session.keep());
        }
        match command {
            Command::Serve(serve) => Box::pin(serve.run(config)).await,
            Command::Worker => Box::pin(worker::run(config)).await,
            Command::Ingest(ingest) => Box::pin(ingest.run(config)).await,
            Command::Ask(ask) => Box::pin(ask.run(config)).await,
            Command::Export(export) => Box::pin(export.run(config)).await,
            Command::Import(import) => Box::pin(import.run(config)).await,
            Command::Replay(replay) => Box::pin(replay.run(config)).await,
            Command::User(user) => Box::pin(user.run(config)).await,
            Command::Audit(audit) => Box::pin(audit.run(config)).await,
            Command::Eval(eval) => Box::pin(eval.run(config)).await,
            Command::Models(models) => Box::pin(models.run(config)).await,
            Command::Doctor | Command::Parse => Ok(()),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    result
}
