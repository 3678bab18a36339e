//! Logs: to standard error, for a person or as JSON lines.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Starts logging. `RUST_LOG` chooses what; a terminal gets text, anything else JSON.
pub(crate) fn start(default: &str) {
    // What an MCP server says is not repeated here, message by message; why its connection ends is told by us, once and with its name.
    let usual = || EnvFilter::new(format!("{default},rmcp=error,rmcp::transport::worker=off"));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| usual());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first.
    let _ = if std::io::stderr().is_terminal() {
        log.compact().with_target(false).try_init()
    } else {
        log.json().try_init()
    };
}
