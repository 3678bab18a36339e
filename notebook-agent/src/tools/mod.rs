//! Tools: what models may ask for, typed, checked and bounded.
//!
//! A [`Registry`] holds tools with the JSON Schema of their arguments, what they do to the world ([`ToolClass`]), and limits. Bound to the
//! place of a run ([`Registry::at`]) it is the [`Tools`](crate::graph::Tools) of the engine: a run is given names when it begins, and gets no others later. What a
//! model asks for may be anything: a tool that there is not, arguments that do not fit, a failure, a tool that is late are told to the model, and
//! count as failures of the run's budget; an answer that is too long is cut, and says so.
//!
//! [`research`] is the agent that uses them; [`builtin`] are the tools that come with the notebook.
//!
//! ```
//! use notebook_agent::{graph::Failure, tools::{At, Observation, Registry, Tool, ToolInfo}};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! struct Roman;
//!
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Number {
//!     /// From 1 to 3.
//!     #[schemars(range(min = 1, max = 3))]
//!     number: u32,
//! }
//!
//! #[async_trait::async_trait]
//! impl Tool for Roman {
//!     type Arguments = Number;
//!     fn info(&self) -> ToolInfo {
//!         ToolInfo { reads: None, ..ToolInfo::new("roman", "Writes a number in Roman figures.") }
//!     }
//!     async fn call(&self, _: At<'_>, arguments: Number) -> Result<Observation, Failure> {
//!         Ok(Observation::text("I".repeat(arguments.number as usize)))
//!     }
//! }
//!
//! let tools = Registry::new().with(Roman)?;
//! assert_eq!(tools.specs()[0].parameters["properties"]["number"]["maximum"], 3);
//! # Ok::<(), notebook_core::Error>(())
//! ```

mod asking;
pub mod builtin;
mod more;
mod registry;
pub mod research;
#[cfg(test)]
mod tests;
mod tool;

pub use crate::guard::policy::{
    Decision, OutwardWhenTainted, Policy, Reason, Taint, ToolClass, WhenClean, decide,
};
pub use asking::Asking;
pub use more::MoreTools;
#[cfg(feature = "mcp")]
pub(crate) use registry::changed;
pub use registry::{Bound, Registry};
pub use tool::{At, Finding, Foreign, Observation, Place, RawTool, Tool, ToolInfo};
