//! What keeps untrusted text from doing harm (pure: no I/O, no clock).
//!
//! - [`policy`]: what a tool may do in a run that has read untrusted text.
//! - [`provenance`]: where a text is from; what is not trusted cannot become a system prompt.

pub mod policy;
pub mod provenance;
