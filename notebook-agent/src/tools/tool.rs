//! What a tool is, and what it answers.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use notebook_core::{NotebookId, SourceId, TenantScope, document::Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::ToolClass;
use crate::{
    graph::{CallInfo, Failure},
    guard::provenance::Origin,
};

/// How long a tool may take, unless it says something else.
const TIME: Duration = Duration::from_secs(20);
/// How much of its answer a model is shown, unless it says something else.
const BYTES: usize = 16 << 10;

/// What is known of a tool before it is called.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolInfo {
    /// Letters, digits, `_` and `-`; up to 64.
    pub name: String,
    /// What it does and when to use it, for the model.
    pub description: String,
    /// What it does to the world.
    pub class: ToolClass,
    /// What a run has read once the tool has answered; `None` when the answer is made of its arguments alone.
    pub reads: Option<Origin>,
    /// The longest call; the run's own limit counts too.
    pub time: Duration,
    /// The most bytes of an answer; the rest is cut, and the model is told so.
    pub bytes: usize,
    /// Whose it is, where it is another program's: what is called then is what was offered when the run began, or nothing.
    pub foreign: Option<Foreign>,
}

/// A tool of another program, as it was defined when it was offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    /// The program, as the operator calls it.
    pub server: String,
    /// What the program itself calls the tool.
    pub tool: String,
    /// What stands for all that the program says of the tool.
    pub digest: String,
}

impl ToolInfo {
    /// A tool that reads the notebook's sources, with the usual limits.
    #[must_use]
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            reads: Some(Origin::tool(name.clone())),
            name,
            description: description.into(),
            class: ToolClass::Read,
            time: TIME,
            bytes: BYTES,
            foreign: None,
        }
    }
}

/// Where a run works: what tools find and change lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The notebook.
    pub notebook: NotebookId,
    /// Only these of its sources; `None` for all.
    pub sources: Option<BTreeSet<SourceId>>,
}

impl Place {
    /// A whole notebook.
    #[must_use]
    pub const fn of(notebook: NotebookId) -> Self {
        Self { notebook, sources: None }
    }
}

/// A call: who asks, and where.
#[derive(Debug, Clone, Copy)]
pub struct At<'c> {
    /// What is known of the call.
    pub call: &'c CallInfo,
    /// Where the run works.
    pub place: &'c Place,
}

impl At<'_> {
    /// Whose run it is.
    #[must_use]
    pub const fn scope(&self) -> &TenantScope {
        &self.call.scope
    }
}

/// A passage of a source, exactly as stored: an answer can cite it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The source.
    pub source: SourceId,
    /// What the source is called.
    pub name: String,
    /// Where the passage stands in its canonical text.
    pub span: Span,
    /// The page it starts on.
    pub page: Option<u32>,
    /// The headings above it, outermost first.
    pub headings: Vec<String>,
    /// The canonical text at the span.
    pub text: String,
}

/// What a tool answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observation {
    /// For the model.
    pub text: String,
    /// Passages, which the run numbers so that they can be cited.
    pub findings: Vec<Finding>,
    /// How many bytes were left out.
    pub cut: usize,
}

impl Observation {
    /// An answer of text alone.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// The same within so many bytes: first the text, then the passages, in their order. What is left of a passage is still the
    /// canonical text at its span.
    #[must_use]
    pub fn within(mut self, most: usize) -> Self {
        let mut room = most;
        let mut cut = shorten(&mut self.text, &mut room);
        for finding in &mut self.findings {
            cut += shorten(&mut finding.text, &mut room);
            finding.span.end = finding.span.start + finding.text.len();
        }
        self.findings.retain(|finding| !finding.text.is_empty());
        self.cut += cut;
        self
    }
}

/// Cuts a text to the room, on a character's boundary, and takes it from the room; how many bytes went. Nothing follows what was cut.
fn shorten(text: &mut String, room: &mut usize) -> usize {
    let before = text.len();
    text.truncate(text.floor_char_boundary(*room));
    let cut = before - text.len();
    *room = if cut > 0 { 0 } else { *room - text.len() };
    cut
}

/// A tool with arguments of its own type.
#[async_trait]
pub trait Tool: Send + Sync + 'static {
    /// Its arguments: an object. Their documentation is what the model reads.
    type Arguments: DeserializeOwned + JsonSchema + Send + 'static;

    /// What it is.
    fn info(&self) -> ToolInfo;

    /// What it answers. It is given arguments that fit its schema, and may be called again with the same
    /// [key](CallInfo::key) after a crash.
    ///
    /// # Errors
    /// Whatever the model is to know. Another tenant's things are not found, in the same words as absent ones.
    async fn call(&self, at: At<'_>, arguments: Self::Arguments) -> Result<Observation, Failure>;
}

/// A tool whose arguments are known when the program runs, such as another program's.
#[async_trait]
pub trait RawTool: Send + Sync + 'static {
    /// What it answers to arguments that fit its schema.
    ///
    /// # Errors
    /// As of [`Tool::call`].
    async fn call(&self, at: At<'_>, arguments: Value) -> Result<Observation, Failure>;
}

/// A tool as one of many.
pub(super) struct Typed<T>(pub(super) T);

#[async_trait]
impl<T: Tool> RawTool for Typed<T> {
    async fn call(&self, at: At<'_>, arguments: Value) -> Result<Observation, Failure> {
        let arguments = serde_json::from_value(arguments)
            .map_err(|error| Failure::new("bad_arguments", error.to_string()))?;
        self.0.call(at, arguments).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_counted_and_what_is_left_is_the_text_at_its_span() {
        let finding = |start: usize, text: &str| Finding {
            source: SourceId::new(),
            name: "s".into(),
            span: Span::new(start, start + text.len()),
            page: None,
            headings: vec![],
            text: text.into(),
        };
        let findings = vec![finding(10, "grün"), finding(50, "blau")];
        let whole = Observation { text: "ab".into(), findings, cut: 0 };
        assert_eq!(whole.clone().within(100), whole);
        // The ü is not cut through.
        let cut = whole.clone().within(5);
        assert_eq!((cut.text.as_str(), cut.findings.len(), cut.cut), ("ab", 1, 7));
        assert_eq!(
            (cut.findings[0].text.as_str(), cut.findings[0].span),
            ("gr", Span::new(10, 12))
        );
        let nothing = whole.within(0);
        assert_eq!((nothing.text.as_str(), nothing.findings.len(), nothing.cut), ("", 0, 11));
    }
}
