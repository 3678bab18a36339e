//! Where model files lie on this machine.
//!
//! Looked at in this order, and the first that has every file wins:
//! 1. the folder (or file) that the configuration names; then nothing else is looked at;
//! 2. `$NOTEBOOK_CACHE/models/NAME`, where `NOTEBOOK_CACHE` is `~/.cache/notebook` by default;
//! 3. the usual hub cache, `models--ORG--NAME/snapshots/*`, below `HF_HUB_CACHE`, else
//!    `$HF_HOME/hub`, else `~/.cache/huggingface/hub`.
//!
//! Nothing is fetched by looking. When nothing is found, the error says what to put where; with the
//! feature `hub`, [`download`] fetches a model when it is told to.

#[cfg(feature = "hub")]
pub mod download;
mod hub;
#[cfg(feature = "candle")]
pub(crate) mod mapped;

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use notebook_core::{Error, ErrorKind, Result};

/// The places where models are looked for.
///
/// ```
/// use notebook_rag::models::ModelPlaces;
///
/// let places = ModelPlaces::from_variables(|name| (name == "NOTEBOOK_CACHE").then(|| "/nowhere".into()));
/// let error = places.folder("sentence-transformers/all-MiniLM-L6-v2", None, &["config.json"]).unwrap_err();
/// assert!(error.to_string().contains("/nowhere/models/all-MiniLM-L6-v2"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct ModelPlaces {
    cache: Option<PathBuf>,
    hub: Option<PathBuf>,
    onnxruntime: Option<PathBuf>,
}

/// A place that was looked at, and why it did not do.
struct Tried {
    place: PathBuf,
    lacks: String,
}

impl ModelPlaces {
    /// The places that this process's environment names.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_variables(|name| env::var_os(name))
    }

    /// The places that `variable` names; an empty value counts as none.
    #[must_use]
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || path("HOME").map(|home| home.join(".cache"));
        Self {
            cache: path("NOTEBOOK_CACHE").or_else(|| home().map(|cache| cache.join("notebook"))),
            hub: path("HF_HUB_CACHE")
                .or_else(|| path("HF_HOME").map(|home| home.join("hub")))
                .or_else(|| home().map(|cache| cache.join("huggingface").join("hub"))),
            onnxruntime: path("ORT_DYLIB_PATH"),
        }
    }

    /// The folder that holds all of `files` of the model `name` (`ORG/NAME` or `NAME`).
    ///
    /// # Errors
    /// `NotFound` when no place has them all: the context lists the places, what each lacks, and
    /// what to do. `InvalidInput` when `name` is not a model's name.
    pub fn folder(&self, name: &str, explicit: Option<&Path>, files: &[&str]) -> Result<PathBuf> {
        let short = check_name(name)?;
        let mut tried = Vec::new();
        let candidates = match explicit {
            // Either the model's folder itself, or one that holds it under its name.
            Some(folder) => vec![folder.to_path_buf(), folder.join(short)],
            None => self.candidates(name, short),
        };
        for place in candidates {
            let lacks: Vec<&str> =
                files.iter().copied().filter(|file| !place.join(file).is_file()).collect();
            if lacks.is_empty() {
                return Ok(place);
            }
            let lacks = if place.is_dir() {
                format!("without {}", lacks.join(", "))
            } else {
                "no such folder".into()
            };
            tried.push(Tried { place, lacks });
        }
        let fix = match (explicit, &self.cache) {
            (None, Some(cache)) => {
                let place = cache.join("models").join(short);
                format!(
                    "run `notebook models fetch {name}`, or put {} into {}, or name the model's folder in the configuration",
                    files.join(", "),
                    place.display()
                )
            }
            (None, None) => {
                "set NOTEBOOK_CACHE, or name the model's folder in the configuration".into()
            }
            (Some(_), _) => format!(
                "put {} there, or name another folder in the configuration",
                files.join(", ")
            ),
        };
        Err(not_found(name, &tried, fix))
    }

    /// The path of the model file `file` (such as a GGUF) that the configuration names, or that
    /// lies in a cache folder. `name` (`ORG/NAME`), when given, is looked up in the hub cache too.
    ///
    /// # Errors
    /// As [`folder`](Self::folder).
    pub fn file(&self, file: &str, name: Option<&str>, explicit: Option<&Path>) -> Result<PathBuf> {
        let candidates = match explicit {
            Some(path) if path.is_dir() => vec![path.join(file)],
            Some(path) => vec![path.to_path_buf()],
            None => {
                let own = self.cache.iter().map(|cache| cache.join("models").join(file));
                let hub = match name {
                    Some(name) => self.candidates(name, check_name(name)?),
                    None => Vec::new(),
                };
                own.chain(hub.into_iter().map(|folder| folder.join(file))).collect()
            }
        };
        if let Some(found) = candidates.iter().find(|path| path.is_file()) {
            return Ok(found.clone());
        }
        let tried: Vec<Tried> = candidates
            .into_iter()
            .map(|place| Tried { place, lacks: "no such file".into() })
            .collect();
        let fix = match explicit {
            Some(_) => "name the file that holds the model in the configuration",
            None => {
                "fetch one with `notebook models fetch ORG/NAME --file FILE`, or name the file that holds the model in the configuration"
            }
        };
        Err(not_found(file, &tried, fix.into()))
    }

    /// onnxruntime's library: `explicit`, else what `ORT_DYLIB_PATH` names, else
    /// `$NOTEBOOK_CACHE/bin/onnxruntime`, else a bare file name for the system to find.
    #[must_use]
    pub fn onnxruntime(&self, explicit: Option<&Path>) -> PathBuf {
        let file = format!("{}onnxruntime{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
        let own = self.cache.iter().map(|cache| cache.join("bin/onnxruntime").join(&file));
        let named = explicit.or(self.onnxruntime.as_deref()).map(Path::to_path_buf);
        named.or_else(|| own.into_iter().find(|file| file.is_file())).unwrap_or_else(|| file.into())
    }

    fn candidates(&self, name: &str, short: &str) -> Vec<PathBuf> {
        let own = self.cache.iter().map(|cache| cache.join("models").join(short));
        own.chain(self.hub.iter().flat_map(|hub| hub::snapshots(hub, name))).collect()
    }
}

/// The last part of the name. Names come from configuration: one that leaves the folder is refused.
fn check_name(name: &str) -> Result<&str> {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let mut parts = name.split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(short), None, _) if part(short) => Ok(short),
        (Some(org), Some(short), None) if part(org) && part(short) => Ok(short),
        _ => Err(Error::invalid(
            "find model",
            "model",
            "name it NAME or ORG/NAME, with letters, digits, - _ and .",
        )),
    }
}

fn not_found(what: &str, tried: &[Tried], fix: String) -> Error {
    let list: Vec<String> =
        tried.iter().map(|tried| format!("{} ({})", tried.place.display(), tried.lacks)).collect();
    Error::new(ErrorKind::NotFound, "find model")
        .with("model", what)
        .with("looked in", list.join("; "))
        .with("fix", fix)
}

#[cfg(test)]
mod tests;
