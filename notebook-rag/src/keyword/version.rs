//! The file beside each index that says how it was made.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use notebook_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::error::from_io;
use crate::words::Stemming;

/// Raised whenever fields or the splitting into words change.
const VERSION: u32 = 1;
const FILE: &str = "keyword-index.json";
const OPEN: &str = "open keyword index";

/// How an index was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Format {
    version: u32,
    pub(super) stemming: Stemming,
}

impl Format {
    pub(super) const fn new(stemming: Stemming) -> Self {
        Self { version: VERSION, stemming }
    }

    /// The format of the index in `folder`; none when there is no index.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>> {
        let json = match fs::read(folder.join(FILE)) {
            Ok(json) => json,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return missing(folder),
            Err(error) => return Err(from_io(OPEN, error)),
        };
        let other = |found: String| {
            Err(Error::new(ErrorKind::Corrupt, OPEN)
                .with("file", FILE)
                .with("found", found)
                .with("wanted", format!("version {VERSION}"))
                .with("fix", "use the program that wrote the index, or remove it and index again"))
        };
        // The version alone first: the rest of a newer file may look different.
        match serde_json::from_slice::<serde_json::Value>(&json).map(|v| v.get("version")?.as_u64())
        {
            Ok(Some(version)) if version == u64::from(VERSION) => {}
            Ok(Some(version)) => return other(format!("version {version}")),
            _ => return other("no version".to_owned()),
        }
        serde_json::from_slice(&json).map(Some).or_else(|error| other(error.to_string()))
    }

    /// Writes the file: whole or not at all, also through a crash.
    pub(super) fn write(self, folder: &Path) -> Result<()> {
        let write = || {
            fs::create_dir_all(folder)?;
            let draft = folder.join(format!("{FILE}.new"));
            let mut file = File::create(&draft)?;
            file.write_all(&serde_json::to_vec(&self)?)?;
            file.sync_all()?;
            fs::rename(&draft, folder.join(FILE))?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error: io::Error| from_io("create keyword index", error))
    }
}

fn missing(folder: &Path) -> Result<Option<Format>> {
    if folder.join("meta.json").exists() {
        return Err(Error::new(ErrorKind::Corrupt, OPEN)
            .with("missing", FILE)
            .with("fix", "restore the file, or remove the index and index again"));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_known_version_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Format::read(folder.path()).unwrap(), None);
        let format = Format::new(Stemming::English);
        format.write(folder.path()).unwrap();
        assert_eq!(Format::read(folder.path()).unwrap(), Some(format));
        for json in [r#"{"version":2}"#, r#"{"version":1,"stemming":"klingon"}"#, "{}", "", "[1"] {
            fs::write(folder.path().join(FILE), json).unwrap();
            let error = Format::read(folder.path()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{json}");
            assert!(error.context("fix").is_some(), "{json}");
        }
        fs::remove_file(folder.path().join(FILE)).unwrap();
        fs::write(folder.path().join("meta.json"), "{}").unwrap();
        assert_eq!(Format::read(folder.path()).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
