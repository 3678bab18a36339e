//! How files become text.

use std::{path::PathBuf, time::Duration};

use notebook_rag::parse;
use serde::Deserialize;

/// How files become text.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parse {
    /// How long reading one file may take, in seconds; of an image, one look at it; of a recording, its next piece. Half
    /// of it is what a processor may be busy.
    pub seconds: u32,
    /// How text in images is recognised.
    pub ocr: Ocr,
    /// How recordings are decoded.
    pub sound: Sound,
}

impl Default for Parse {
    fn default() -> Self {
        Self { seconds: 120, ocr: Ocr::default(), sound: Sound::default() }
    }
}

impl Parse {
    pub(super) fn errors(&self) -> Vec<String> {
        let mut errors = self.ocr.errors();
        if !(1..=3_600).contains(&self.seconds) {
            errors.push("parse.seconds must be from 1 to 3600".to_owned());
        }
        errors
    }

    pub(crate) fn limits(&self) -> parse::Limits {
        parse::Limits {
            wall: Duration::from_secs(self.seconds.into()),
            cpu_seconds: u64::from(self.seconds).div_ceil(2),
            ..parse::Limits::default()
        }
    }
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

/// How recordings are decoded: by ffmpeg.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sound {
    /// The program: a path, or a name that is looked up in the usual folders.
    pub program: PathBuf,
}

impl Default for Sound {
    fn default() -> Self {
        Self { program: "ffmpeg".into() }
    }
}

impl Sound {
    pub(crate) fn settings(&self) -> parse::Decoder {
        parse::Decoder { program: self.program.clone() }
    }
}

impl Default for Ocr {
    fn default() -> Self {
        Self { program: "tesseract".into(), languages: vec!["eng".to_owned()], data: None }
    }
}

impl Ocr {
    fn errors(&self) -> Vec<String> {
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
