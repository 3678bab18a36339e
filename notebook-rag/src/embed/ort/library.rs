//! Finding onnxruntime and loading it, once for the process.

use std::path::Path;

use notebook_core::{Error, ErrorKind, Result};
use ort::environment::Environment;
use parking_lot::Mutex;

use crate::models::ModelPlaces;

/// onnxruntime allows one environment in a process, whose end would end all sessions.
static LOADED: Mutex<Option<Environment>> = Mutex::new(None);

/// Loads onnxruntime from `explicit`, else from where it usually lies; or takes what is loaded.
pub(super) fn load(explicit: Option<&Path>) -> Result<Environment> {
    let mut loaded = LOADED.lock();
    if let Some(environment) = &*loaded {
        return Ok(environment.clone());
    }
    let environment = start(&ModelPlaces::from_env().onnxruntime(explicit))?;
    Ok(loaded.insert(environment).clone())
}

fn start(file: &Path) -> Result<Environment> {
    let failed = |reason: String| {
        Error::new(ErrorKind::Unavailable, "load onnxruntime")
            .with("file", file.display().to_string())
            .with("reason", reason)
            .with(
                "fix",
                "install onnxruntime 1.20 or newer, and name its library in embedding.onnxruntime",
            )
    };
    let builder = ort::init_from(file).map_err(|error| failed(error.to_string()))?;
    builder
        .with_name("notebook")
        .with_telemetry(false)
        .build()
        .map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_cannot_be_loaded_is_an_error_with_a_fix() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("libonnxruntime.so");
        fs::write(&text, "no library").unwrap();
        for file in [text.as_path(), Path::new("/nowhere/libonnxruntime.so"), folder.path()] {
            let error = start(file).expect_err("it must not load");
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert_eq!(error.context("file"), file.to_str());
            assert!(error.context("fix").unwrap().contains("embedding.onnxruntime"), "{error}");
        }
    }
}
