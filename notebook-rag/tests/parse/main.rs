//! The parser against hostile and honest files, in child processes and in this one.
#![cfg(all(feature = "parse", feature = "test-hooks"))]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod archives;
mod child;
mod images;
mod kinds;
mod markup;
mod mutations;
mod pdf;
mod places;
mod shared;
mod support;
