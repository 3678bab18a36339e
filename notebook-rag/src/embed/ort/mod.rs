//! BERT-family sentence embeddings by onnxruntime, from a folder with a `model.onnx`.
//!
//! onnxruntime is a library of its own that is loaded at run time, once for the process; nothing of
//! it is linked or fetched here. Texts of like length are filled up to the longest of their batch.

mod library;

use std::path::{Path, PathBuf};

use notebook_core::{Error, ErrorKind, Result};
use ort::{
    environment::Environment,
    session::{Session, builder::GraphOptimizationLevel},
    value::TensorRef,
};
use parking_lot::Mutex;

use super::local::{
    Folder, Forward, LocalEmbedder, LocalOptions,
    config::{OPERATION, Settings, missing},
    pooling::pool,
};

/// The files that a model's folder must hold, beside one of [`GRAPH_FILES`].
pub const MODEL_FILES: [&str; 2] = ["config.json", "tokenizer.json"];

/// Where the model itself may lie in its folder; the first that is there is taken.
pub const GRAPH_FILES: [&str; 2] = ["model.onnx", "onnx/model.onnx"];

/// Beside a graph of more than 2 GB.
const EXTERNAL: [&str; 2] = [".data", "_data"];

/// An embedder that runs on onnxruntime.
pub type OrtEmbedder = LocalEmbedder<Graph>;

/// How a model is loaded.
#[derive(Debug, Clone, Default)]
pub struct OrtOptions {
    /// As for every local model.
    pub local: LocalOptions,
    /// onnxruntime's library; `ORT_DYLIB_PATH`, then the model cache, then the system's own place
    /// when `None`. A process loads one only: later calls use the one that is there.
    pub library: Option<PathBuf>,
    /// The environment of a program that uses onnxruntime itself: there is one in a process.
    pub environment: Option<Environment>,
}

/// The model: its graph runs one batch at a time, on all its threads.
#[derive(Debug)]
pub struct Graph {
    settings: Settings,
    inputs: Vec<Input>,
    output: String,
    session: Mutex<Session>,
}

/// What the graph is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Ids,
    Mask,
    Types,
}

type Inputs<'a> = Vec<(&'static str, TensorRef<'a, i64>)>;

/// A batch as onnxruntime reads it: `[texts, longest]`.
#[derive(Debug, Default)]
pub struct Padded {
    ids: Vec<i64>,
    mask: Vec<i64>,
    types: Vec<i64>,
}

impl OrtEmbedder {
    /// Loads onnxruntime and the model in `folder`, calling it `name`. Blocks meanwhile.
    ///
    /// # Errors
    /// `Unavailable` when onnxruntime cannot be loaded; `NotFound` when a file is missing, `Corrupt`
    /// when one is damaged or disagrees with the others, `Unsupported` when the model is of another
    /// kind; the context names the file and the fix.
    pub fn load(name: &str, folder: &Path, options: &OrtOptions) -> Result<Self> {
        let mut folder = Folder::open(folder, &options.local)?;
        let graph = GRAPH_FILES
            .into_iter()
            .find(|file| folder.path.join(file).is_file())
            .ok_or_else(|| missing(&folder.path.join("model.onnx")))?;
        let (file, _) = folder.weights(graph)?;
        for ending in EXTERNAL {
            let beside = format!("{graph}{ending}");
            if folder.path.join(&beside).is_file() {
                folder.weights(&beside)?;
            }
        }
        let environment = match &options.environment {
            Some(environment) => environment.clone(),
            None => library::load(options.library.as_deref())?,
        };
        let session = session(&environment, &file, options.local.threads()).map_err(|reason| {
            Error::new(ErrorKind::Corrupt, OPERATION)
                .with("file", file.display().to_string())
                .with("reason", reason)
                .with("fix", "fetch the file again, or use a newer onnxruntime")
        })?;
        let model = Graph::new(folder.settings.clone(), &file, session)?;
        // The session has threads of its own; a second batch at once would only share them.
        Self::new(name, folder, model, 1)
    }
}

fn session(
    environment: &Environment,
    file: &Path,
    threads: usize,
) -> std::result::Result<Session, String> {
    let builder = || -> ort::Result<_> {
        let builder = Session::builder(environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(threads)?
            // Waiting threads sleep: a notebook that is not asked anything costs nothing.
            .with_intra_op_spinning(false)?;
        Ok(builder)
    };
    let mut builder = builder().map_err(|error| error.to_string())?;
    builder.commit_from_file(file).map_err(|error| error.to_string())
}

impl Graph {
    fn new(settings: Settings, file: &Path, session: Session) -> Result<Self> {
        let unsupported = |field: &'static str, value: &str, fix: &'static str| {
            Error::new(ErrorKind::Unsupported, OPERATION)
                .with("file", file.display().to_string())
                .with("field", field)
                .with("value", value)
                .with("fix", fix)
        };
        let input = |name: &str| match name {
            "input_ids" => Ok(Input::Ids),
            "attention_mask" => Ok(Input::Mask),
            "token_type_ids" => Ok(Input::Types),
            other => Err(unsupported(
                "inputs",
                other,
                "use a model that reads input_ids, attention_mask and token_type_ids only",
            )),
        };
        let inputs = session.inputs().iter().map(|outlet| input(outlet.name()));
        let inputs: Vec<Input> = inputs.collect::<Result<_>>()?;
        let output = session.outputs().iter().find(|outlet| {
            // Some exports have the pooled vector as a second output.
            outlet.dtype().tensor_shape().is_some_and(|shape| shape.len() == 3)
        });
        let output = output.map(|outlet| outlet.name().to_owned()).ok_or_else(|| {
            let names: Vec<_> = session.outputs().iter().map(ort::value::Outlet::name).collect();
            let fix =
                "use a model whose output is [batch, tokens, hidden], such as last_hidden_state";
            unsupported("outputs", &names.join(", "), fix)
        })?;
        Ok(Self { settings, inputs, output, session: Mutex::new(session) })
    }
}

impl Graph {
    /// The tensors of a batch by their names, in the order that the graph wants them.
    fn inputs<'a>(&self, batch: &'a Padded, shape: [usize; 2]) -> ort::Result<Inputs<'a>> {
        let tensor = |input: &Input| {
            let (name, numbers) = match input {
                Input::Ids => ("input_ids", &batch.ids),
                Input::Mask => ("attention_mask", &batch.mask),
                Input::Types => ("token_type_ids", &batch.types),
            };
            Ok((name, TensorRef::from_array_view((shape, numbers.as_slice()))?))
        };
        self.inputs.iter().map(tensor).collect()
    }
}

impl Forward for Graph {
    type Scratch = Padded;

    const PADDED: bool = true;

    fn forward(&self, scratch: &mut Padded, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or_default();
        scratch.fill(texts, longest);
        let failed = |reason: String| {
            Error::new(ErrorKind::Internal, "run embedding model").with("reason", reason)
        };
        let inputs = self.inputs(scratch, [texts.len(), longest]);
        let inputs = inputs.map_err(|error| failed(error.to_string()))?;
        let mut session = self.session.lock();
        let outputs = session.run(inputs).map_err(|error| failed(error.to_string()))?;
        let output = outputs.get(&self.output).ok_or_else(|| failed("no output".into()))?;
        let (shape, numbers) =
            output.try_extract_tensor::<f32>().map_err(|error| failed(error.to_string()))?;
        let hidden = self.settings.bert.hidden_size;
        if numbers.len() != texts.len() * longest * hidden {
            return Err(failed(format!(
                "the output is {shape:?}, expected [{}, {longest}, {hidden}]",
                texts.len()
            )));
        }
        let vector = |(text, rows): (&&[u32], &[f32])| {
            let own = rows.get(..text.len() * hidden)?;
            pool(self.settings.pooling, hidden, own)
        };
        let rows = numbers.chunks_exact(longest * hidden);
        let vectors: Option<Vec<_>> = texts.iter().zip(rows).map(vector).collect();
        vectors.ok_or_else(|| failed("a text has no tokens".into()))
    }
}

impl Padded {
    /// Lays `texts` out, each filled up with zeros to `longest`; the mask says which are real.
    fn fill(&mut self, texts: &[&[u32]], longest: usize) {
        self.ids.clear();
        self.mask.clear();
        for text in texts {
            let end = self.ids.len() + longest;
            self.ids.extend(text.iter().map(|id| i64::from(*id)));
            self.mask.resize(self.ids.len(), 1);
            self.ids.resize(end, 0);
            self.mask.resize(end, 0);
        }
        self.types.clear();
        self.types.resize(self.ids.len(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_filled_up_and_masked() {
        let mut padded = Padded::default();
        for _ in 0..2 {
            padded.fill(&[&[5, 6, 7], &[8]], 3);
            assert_eq!(padded.ids, [5, 6, 7, 8, 0, 0]);
            assert_eq!(padded.mask, [1, 1, 1, 1, 0, 0]);
            assert_eq!(padded.types, [0; 6]);
        }
    }
}
