//! The tools.

use notebook_agent::shown_name;
use notebook_auth::rbac::Permission;
use notebook_core::{
    Error, NotebookId, Result, SourceId,
    model::{ModelSettings, PageRequest},
};
use notebook_rag::retrieve::RetrieveRequest;
use rmcp::{
    ErrorData,
    model::{CallToolRequestParams, CallToolResult, ContentBlock, Tool, ToolAnnotations},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{Asker, refused, resources};
use crate::{
    app::App,
    facade::{Begun, How, Said, begin, pieces, whole},
    limit::Class,
};

/// The most notebooks that are listed.
const MOST_NOTEBOOKS: usize = 200;
/// The most passages of a search, and how many without a word about it.
const MOST_PASSAGES: usize = 30;
const PASSAGES: usize = 8;
/// The most bytes of a source that are read at once.
const MOST_BYTES: usize = 64 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InNotebook {
    notebook: NotebookId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    notebook: NotebookId,
    question: String,
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    source: SourceId,
    #[serde(default)]
    start: usize,
    #[serde(default)]
    bytes: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskNotebook {
    notebook: NotebookId,
    question: String,
}

/// A tool: its name, what it is for, its arguments, and what it needs.
struct Made {
    name: &'static str,
    description: &'static str,
    properties: Value,
    required: &'static [&'static str],
    needs: Permission,
}

fn made() -> [Made; 5] {
    let id = |what: &str| json!({ "type": "string", "format": "uuid", "description": what });
    let notebook = id("The notebook's id, of list_notebooks.");
    let question = json!({ "type": "string", "description": "A question in words." });
    [
        Made {
            name: "list_notebooks",
            description: "Lists the notebooks: id and name.",
            properties: json!({}),
            required: &[],
            needs: Permission::NotebookRead,
        },
        Made {
            name: "list_sources",
            description: "Lists the sources of a notebook: id, name, kind, pages, length in bytes.",
            properties: json!({ "notebook": notebook }),
            required: &["notebook"],
            needs: Permission::NotebookRead,
        },
        Made {
            name: "search_notebook",
            description: "Finds the passages of a notebook's sources that fit a question best, with source, page and bytes.",
            properties: json!({
                "notebook": notebook, "question": question,
                "limit": { "type": "integer", "minimum": 1, "maximum": MOST_PASSAGES, "description": "How many; 8 when absent." },
            }),
            required: &["notebook", "question"],
            needs: Permission::NotebookRead,
        },
        Made {
            name: "read_source",
            description: "Reads the text of a source from a byte on.",
            properties: json!({
                "source": id("The source's id."),
                "start": { "type": "integer", "minimum": 0, "description": "The first byte; 0 when absent." },
                "bytes": { "type": "integer", "minimum": 1, "maximum": MOST_BYTES, "description": "How many; 65,536 when absent." },
            }),
            required: &["source"],
            needs: Permission::NotebookRead,
        },
        Made {
            name: "ask_notebook",
            description: "Answers a question from a notebook's sources, with citations of the exact words. The conversation is kept in the notebook.",
            properties: json!({ "notebook": notebook, "question": question }),
            required: &["notebook", "question"],
            needs: Permission::Chat,
        },
    ]
}

impl Made {
    fn tool(self) -> Tool {
        let schema = json!({
            "type": "object", "properties": self.properties, "required": self.required,
            "additionalProperties": false,
        });
        let schema: Map<String, Value> = schema.as_object().cloned().unwrap_or_default();
        let reads = self.needs == Permission::NotebookRead;
        let annotations = ToolAnnotations::new().read_only(reads).open_world(false);
        Tool::new(self.name, self.description, schema).with_annotations(annotations)
    }
}

/// Those that somebody may call.
pub(super) fn all(asker: &Asker) -> Vec<Tool> {
    let may = |made: &Made| asker.principal.may(made.needs);
    made().into_iter().filter(may).map(Made::tool).collect()
}

pub(super) fn find(name: &str) -> Option<Tool> {
    made().into_iter().find(|made| made.name == name).map(Made::tool)
}

/// What a tool answers. A failure is a result that says so: it is for the model to see.
pub(super) async fn call(
    app: &App,
    asker: &Asker,
    request: CallToolRequestParams,
) -> std::result::Result<CallToolResult, ErrorData> {
    let arguments = Value::Object(request.arguments.unwrap_or_default());
    let done = match request.name.as_ref() {
        "list_notebooks" => list_notebooks(app, asker, arguments).await,
        "list_sources" => list_sources(app, asker, arguments).await,
        "search_notebook" => search(app, asker, arguments).await,
        "read_source" => read(app, asker, arguments).await,
        "ask_notebook" => ask(app, asker, arguments).await,
        _ => return Err(ErrorData::invalid_params("There is no such tool.", None)),
    };
    Ok(match done {
        Ok(value) => CallToolResult::structured(value),
        Err(error) => {
            let said = refused(&error).message.into_owned();
            CallToolResult::error(vec![ContentBlock::text(said)])
        }
    })
}

fn given<T: DeserializeOwned>(arguments: Value) -> Result<T> {
    serde_json::from_value(arguments)
        .map_err(|error| Error::invalid("call tool", "arguments", error.to_string()))
}

async fn list_notebooks(app: &App, asker: &Asker, arguments: Value) -> Result<Value> {
    let Nothing {} = given(arguments)?;
    let scope = asker.may(Permission::NotebookRead)?;
    let page = PageRequest { after: None, limit: MOST_NOTEBOOKS };
    let page = app.store.notebooks(scope, false, page).await?;
    let notebooks: Vec<Value> = page
        .items
        .iter()
        .map(|notebook| json!({ "id": notebook.id, "name": notebook.name }))
        .collect();
    Ok(json!({ "notebooks": notebooks, "more": page.next.is_some() }))
}

async fn list_sources(app: &App, asker: &Asker, arguments: Value) -> Result<Value> {
    let InNotebook { notebook } = given(arguments)?;
    let scope = asker.may(Permission::NotebookRead)?;
    app.store.notebook(scope, notebook).await?;
    let sources = app.store.sources(scope, notebook).await?;
    let one = |source: notebook_core::model::Source| {
        json!({
            "id": source.id, "name": shown_name(&source), "kind": source.kind, "pages": source.pages,
            "bytes": source.text_bytes, "stage": source.stage,
        })
    };
    Ok(json!({ "sources": sources.into_iter().map(one).collect::<Vec<_>>() }))
}

async fn search(app: &App, asker: &Asker, arguments: Value) -> Result<Value> {
    let Search { notebook, question, limit } = given(arguments)?;
    let scope = asker.may(Permission::NotebookRead)?;
    app.store.notebook(scope, notebook).await?;
    let limit = limit.unwrap_or(PASSAGES);
    if question.trim().is_empty() || question.len() > app.limits.question_bytes {
        return Err(Error::invalid("search", "question", "ask a question that is not too long"));
    }
    if !(1..=MOST_PASSAGES).contains(&limit) {
        return Err(Error::invalid("search", "limit", "ask for 1 to 30 passages"));
    }
    let deadline = Some(std::time::Duration::from_secs(10));
    let request = RetrieveRequest { question, notebook, sources: None, limit, deadline };
    let found = app.retriever.retrieve(scope, &request).await?;
    let mut passages = Vec::with_capacity(found.passages.len());
    for passage in found.passages {
        let chunk = passage.chunk;
        let source = app.store.source(scope, chunk.key.source).await?;
        passages.push(json!({
            "source": source.id, "name": shown_name(&source), "page": chunk.page,
            "headings": chunk.headings, "start": chunk.span.start, "end": chunk.span.end, "text": chunk.text,
        }));
    }
    Ok(json!({ "passages": passages, "relevant": found.relevant, "partial": found.partial }))
}

async fn read(app: &App, asker: &Asker, arguments: Value) -> Result<Value> {
    let Read { source, start, bytes } = given(arguments)?;
    let scope = asker.may(Permission::NotebookRead)?;
    let bytes = bytes.unwrap_or(MOST_BYTES);
    if !(1..=MOST_BYTES).contains(&bytes) {
        return Err(Error::invalid("read source", "bytes", "read 1 to 65,536 bytes"));
    }
    let source = app.store.source(scope, source).await?;
    if start as u64 > source.text_bytes {
        return Err(Error::invalid(
            "read source",
            "start",
            format!("the text has {} bytes", source.text_bytes),
        ));
    }
    let text = resources::text(app, scope, &source, start, bytes).await?;
    let end = start + text.len();
    Ok(json!({ "text": text, "start": start, "end": end, "of": source.text_bytes }))
}

async fn ask(app: &App, asker: &Asker, arguments: Value) -> Result<Value> {
    let AskNotebook { notebook, question } = given(arguments)?;
    let scope = asker.may(Permission::Chat)?;
    if let Some(meter) = &asker.meter {
        meter.take(Class::Ask).await?;
    }
    let said = Said { question, ..Said::default() };
    let Begun { run, .. } = begin(app, scope, notebook, said, ModelSettings::default()).await?;
    let answer = whole(pieces(app, scope, run.clone()).await?).await;
    if let Some(How::Failed { message, .. }) = answer.ended.as_ref().map(|ended| &ended.how) {
        let error = Error::new(notebook_core::ErrorKind::Unavailable, "answer");
        return Err(error.with("reason", message.clone()));
    }
    let citations = answer
        .citations
        .iter()
        .map(|cited| json!({ "name": cited.name, "citation": cited.citation }));
    Ok(json!({
        "answer": answer.text, "citations": citations.collect::<Vec<_>>(), "conversation": run.conversation,
        "run": run.id,
    }))
}
