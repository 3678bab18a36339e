//! What keeps untrusted text from doing harm (pure: no I/O, no clock).
//!
//! - [`provenance`]: where a text is from; what is not trusted cannot become a system prompt.
//! - [`policy`]: what a tool may do in a run that has read untrusted text.
//! - [`screen`]: named patterns of attacks, as labels and as the input of a policy.
//! - [`redact`]: keys, passwords and paths taken out of what a model writes, while it is written.
//!
//! The first two prevent harm, for they ask nothing of words. The third is a label: patterns can be written around,
//! and harmless texts have them too (`docs/guard.md` has the measured rates).

mod control;
mod encoded;
mod fold;
mod normalise;
pub mod pattern;
pub mod policy;
pub mod provenance;
pub mod redact;
pub mod screen;
mod words;

pub use control::neutralise;
