//! The `notebook` binary.
fn main() {}
