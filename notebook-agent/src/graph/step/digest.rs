//! What tells calls apart.

use notebook_core::hex;
use sha2::{Digest as _, Sha256};

use crate::graph::Call;

/// A hash of a call: what has the same is the same.
pub(in crate::graph) fn digest(call: &Call) -> String {
    measure(call).0
}

/// A hash of a call, and its size in bytes, as JSON.
pub(in crate::graph) fn measure(call: &Call) -> (String, usize) {
    let mut written = Measured { hash: Sha256::new(), bytes: 0 };
    match serde_json::to_writer(std::io::BufWriter::new(&mut written), call) {
        Ok(()) => (hex(written.hash.finalize()), written.bytes),
        // What cannot be written is too large for every budget.
        Err(_) => (hex(Sha256::digest([])), usize::MAX),
    }
}

/// Takes the hash of what is written, and counts it.
struct Measured {
    hash: Sha256,
    bytes: usize,
}

impl std::io::Write for Measured {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.hash.update(text);
        self.bytes = self.bytes.saturating_add(text.len());
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
