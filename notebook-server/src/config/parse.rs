//! How files become text.

use std::path::PathBuf;

use notebook_rag::parse;
use serde::Deserialize;

/// How files become text.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parse {
    /// How text in images is recognised.
    pub ocr: Ocr,
}

/// How text in images is recognised: by tesseract.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ocr {
    /// The program: a path, or a name that is looked up in the usual folders.
    pub program: PathBuf,
    /// The languages that texts are in, by their names in tesseract, such as `eng`, `deu`.
    pub languages: Vec<String>,
    /// The folder of the languages' files; the program's own when absent.
    pub data: Option<PathBuf>,
}

impl Default for Ocr {
    fn default() -> Self {
        Self { program: "tesseract".into(), languages: vec!["eng".to_owned()], data: None }
    }
}

impl Ocr {
    pub(super) fn errors(&self) -> Vec<String> {
        // They are part of a command: nothing but a name.
        let is_name = |name: &String| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if !self.languages.is_empty() && self.languages.iter().all(is_name) {
            return Vec::new();
        }
        vec![
            "parse.ocr.languages must name languages as tesseract does, such as [\"eng\", \"deu\"]"
                .to_owned(),
        ]
    }

    pub(crate) fn settings(&self) -> parse::Ocr {
        parse::Ocr {
            program: self.program.clone(),
            languages: self.languages.clone(),
            data: self.data.clone(),
        }
    }
}
