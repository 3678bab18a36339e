//! The `notebook` binary; see `notebook --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    notebook_server::cli::main()
}
