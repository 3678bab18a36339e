//! Rerankers that run in this process.
//!
//! The port is [`notebook_core::rerank`]; where it is asked is [`retrieve`](crate::retrieve).

mod config;
mod encoder;

pub use encoder::{CrossEncoder, MODEL_FILES};
