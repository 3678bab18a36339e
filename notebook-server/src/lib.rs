//! The reference server of the AI notebook: it composes the crates into the full product.
//!
//! - [`access`]: one user without a login, or people with accounts.
//! - [`config`]: one typed tree, from file, environment and flags.
//! - [`app`]: the parts, put together.
//! - [`routes`]: the HTTP interface, a file a resource.
//! - [`cli`]: the commands of the `notebook` binary.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod access;
pub mod app;
mod assets;
pub mod cli;
mod compose;
pub mod config;
mod cors;
mod deletion;
mod erasure;
mod exports;
mod extract;
mod facade;
mod guard;
mod limit;
mod mail;
mod mcp;
mod models;
mod problem;
mod reconcile;
mod research;
mod reserve;
mod retention;
pub mod routes;
mod server;
mod spool;
mod status;
pub mod stream;
mod telemetry;
mod usage;
mod vault;
mod web;
