//! Parses one file for a server; see `notebook_rag::parse::child_main`.

use std::process::ExitCode;

fn main() -> ExitCode {
    notebook_rag::parse::child_main()
}
