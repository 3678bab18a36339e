//! The server's edges: what it refuses to start with, where its secrets come from, pages of other origins, mail, and
//! clients that send too much or too slowly.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub
)]

#[path = "../common/mod.rs"]
mod common;
mod cors;
mod limits;
mod mail;
mod openbao;
mod production;
mod smtp;
mod vault;
mod vault_server;

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// A secret that nobody can guess, in tests.
const SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff0";

/// Runs a command to its end: whether it succeeded, and all that it said.
fn notebook(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_notebook"))
        .args(arguments)
        .arg("--data-dir")
        .arg(folder)
        .env("NOTEBOOK__CHAT__PROVIDER", "extractive")
        .env("NOTEBOOK__EMBEDDING__PROVIDER", "none")
        .env("RUST_LOG", "warn")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}
