//! Any life of a session, judged by the rules of refresh tokens and by their reference.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../notebook-core/tests/support/session_differential.rs"]
mod differential;
#[path = "../../notebook-core/tests/support/session_reference.rs"]
mod reference;

fuzz_target!(|input: &[u8]| differential::check(input));
