//! The event stream parser, encoder and stream adapter, case by case (S1 to S37).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// The modules of a test are no interface; the reference is shared with the fuzz target.
#![allow(unreachable_pub)]

mod cases;
#[path = "../support/sse_differential.rs"]
mod differential;
mod encode;
mod limits;
mod peer;
mod property;
#[path = "../support/sse_reference.rs"]
mod reference;
mod seeds;
mod stream;
mod support;
