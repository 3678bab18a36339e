//! The tools that there are, checked and bounded.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use jsonschema::Validator;
use notebook_core::{Error, ErrorKind, Result, chat::ToolSpec};
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{At, Foreign, Observation, Place, RawTool, Tool, ToolClass, ToolInfo, tool::Typed};
use crate::{
    graph::{CallInfo, Failure, ToolCall, ToolReply, Tools},
    guard::provenance::Origin,
};

const ADD: &str = "add tool";
/// The most bytes of a schema, and of a description: they are in every prompt.
const MOST_SCHEMA: usize = 32 << 10;
const MOST_DESCRIPTION: usize = 4 << 10;
/// How many wrong arguments a model is told of at once.
const TOLD: usize = 5;
/// A part of what the engine lets an answer be, for the JSON around the text.
const ENVELOPE: usize = 8;

#[derive(Clone)]
struct Entry {
    info: Arc<ToolInfo>,
    parameters: Arc<Value>,
    validator: Arc<Validator>,
    tool: Arc<dyn RawTool>,
}

/// The tools that there are. A run is given some of them when it begins.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<String, Entry>);

impl Registry {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more, with a schema made of the type of its arguments.
    ///
    /// # Errors
    /// As [`with_raw`](Self::with_raw).
    pub fn with<T: Tool>(self, tool: T) -> Result<Self> {
        let mut settings = SchemaSettings::draft2020_12();
        settings.inline_subschemas = true;
        settings.meta_schema = None;
        let mut schema = settings.into_generator().into_root_schema_for::<T::Arguments>();
        schema.remove("title");
        self.with_raw(tool.info(), schema.to_value(), Arc::new(Typed(tool)))
    }

    /// One more, with this schema of its arguments.
    ///
    /// # Errors
    /// `InvalidInput` when the name is none, the schema is none, not an object's, or refers to something outside of itself; `TooLarge` when schema or
    /// description are; `AlreadyExists` when there is one of this name.
    pub fn with_raw(
        mut self,
        info: ToolInfo,
        parameters: Value,
        tool: Arc<dyn RawTool>,
    ) -> Result<Self> {
        check(&info, &parameters)?;
        if self.0.contains_key(&info.name) {
            return Err(Error::new(ErrorKind::AlreadyExists, ADD)
                .with("tool", info.name)
                .with("fix", "name each tool once"));
        }
        let validator = jsonschema::options().build(&parameters).map_err(|error| {
            Error::invalid(
                ADD,
                "parameters",
                "give a JSON Schema that refers to nothing outside of it",
            )
            .with("reason", error.to_string().chars().take(300).collect::<String>())
        })?;
        let name = info.name.clone();
        let (info, parameters) = (Arc::new(info), Arc::new(parameters));
        let entry = Entry { info, parameters, validator: Arc::new(validator), tool };
        self.0.insert(name, entry);
        Ok(self)
    }

    /// These and the others; where two are called the same, those that were here before stay.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        for (name, entry) in others.0 {
            self.0.entry(name).or_insert(entry);
        }
        self
    }

    /// These of them alone; names of none are passed over.
    #[must_use]
    pub fn only(mut self, names: &BTreeSet<String>) -> Self {
        self.0.retain(|name, _| names.contains(name));
        self
    }

    /// The names of all.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }

    /// What is known of one.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<&ToolInfo> {
        self.0.get(name).map(|entry| &*entry.info)
    }

    /// What models are offered, in the order of the names.
    #[must_use]
    pub fn specs(&self) -> Vec<ToolSpec> {
        let spec = |entry: &Entry| ToolSpec {
            name: entry.info.name.clone(),
            description: entry.info.description.clone(),
            parameters: (*entry.parameters).clone(),
        };
        self.0.values().map(spec).collect()
    }

    /// What each does to the world, and what a run has read once it has answered.
    pub(super) fn kinds(&self) -> BTreeMap<String, (ToolClass, Option<Origin>)> {
        let kind = |(name, entry): (&String, &Entry)| {
            (name.clone(), (entry.info.class, entry.info.reads.clone()))
        };
        self.0.iter().map(kind).collect()
    }

    /// Those of other programs, as they are defined now.
    pub(super) fn foreign(&self) -> BTreeMap<String, Foreign> {
        let foreign =
            |(name, entry): (&String, &Entry)| Some((name.clone(), entry.info.foreign.clone()?));
        self.0.iter().filter_map(foreign).collect()
    }

    /// The tools of a run that works there.
    #[must_use]
    pub fn at(&self, place: Place) -> Bound {
        Bound { registry: self.clone(), place }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn check(info: &ToolInfo, parameters: &Value) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if info.name.is_empty() || info.name.len() > 64 || !info.name.chars().all(plain) {
        return Err(Error::invalid(ADD, "name", "use 1 to 64 letters, digits, _ and -"));
    }
    if info.time.is_zero() || info.bytes == 0 {
        return Err(Error::invalid(ADD, "time", "give some time and some bytes"));
    }
    if parameters.get("type").and_then(Value::as_str) != Some("object") {
        return Err(Error::invalid(ADD, "parameters", "give the JSON Schema of an object"));
    }
    let sizes = [
        ("parameters", parameters.to_string().len(), MOST_SCHEMA),
        ("description", info.description.len(), MOST_DESCRIPTION),
    ];
    for (field, size, most) in sizes {
        if size > most {
            return Err(Error::new(ErrorKind::TooLarge, ADD)
                .with("field", field)
                .with("limit", format!("{most} bytes")));
        }
    }
    Ok(())
}

/// Tools of a run, where it works.
#[derive(Debug, Clone)]
pub struct Bound {
    registry: Registry,
    place: Place,
}

impl Bound {
    async fn observe(&self, info: &CallInfo, call: ToolCall) -> Result<Observation, Failure> {
        let unknown = || Failure::new("unknown_tool", "there is no such tool");
        let entry = self.registry.0.get(&call.name).ok_or_else(unknown)?;
        // What the model was told of it, and a person allowed, was another definition.
        if call.definition.as_deref() != entry.info.foreign.as_ref().map(|foreign| &*foreign.digest)
        {
            return Err(changed());
        }
        fits(&entry.validator, &call.arguments)?;
        let at = At { call: info, place: &self.place };
        let time = entry.info.time.min(info.timeout);
        let answer = tokio::time::timeout(time, entry.tool.call(at, call.arguments));
        let answer = answer.await.unwrap_or_else(|_| Err(late(time)))?;
        // Whatever JSON makes of a character, it is not more than what the engine takes.
        Ok(answer.within(entry.info.bytes.min(info.most_bytes / ENVELOPE)))
    }
}

#[async_trait]
impl Tools for Bound {
    fn names(&self) -> BTreeSet<String> {
        self.registry.names()
    }

    async fn call(&self, info: &CallInfo, call: ToolCall) -> Result<ToolReply, Failure> {
        let observed = self.observe(info, call).await?;
        let output = serde_json::to_value(observed)
            .map_err(|error| Failure::new("internal", error.to_string()))?;
        Ok(output.into())
    }
}

/// A tool of another program is not what it was when it was offered.
pub(crate) fn changed() -> Failure {
    let message = "the tool's definition has changed since this run began, so it was not called";
    Failure::new("definition_changed", message)
}

fn late(after: Duration) -> Failure {
    let message = format!("the tool has not answered within {} ms", after.as_millis());
    Failure { retryable: true, ..Failure::new("timeout", message) }
}

/// Whether arguments fit; what a model wrote that was no JSON comes as a string.
fn fits(validator: &Validator, arguments: &Value) -> Result<(), Failure> {
    if !arguments.is_object() {
        let message = "give the arguments as one JSON object that fits the tool's schema";
        return Err(Failure::new("bad_arguments", message));
    }
    let wrong: Vec<String> = validator
        .iter_errors(arguments)
        .take(TOLD)
        .map(|error| {
            let place = error.instance_path().to_string();
            let said: String = error.masked().to_string().chars().take(200).collect();
            if place.is_empty() { said } else { format!("{place}: {said}") }
        })
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new("bad_arguments", wrong.join("; ")))
}
