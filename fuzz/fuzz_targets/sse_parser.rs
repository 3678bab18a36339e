//! The event stream parser under any cut of any bytes, against the naive reference.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../notebook-core/tests/support/sse_differential.rs"]
mod differential;
#[path = "../../notebook-core/tests/support/sse_reference.rs"]
mod reference;

fuzz_target!(|input: &[u8]| differential::check(input));
