//! Exported files: their keys, their names, their ends.

use futures::TryStreamExt;
use notebook_core::{JobId, Result, TenantScope, Timestamp};
use notebook_rag::ingest::blob_error;
use object_store::{ObjectStore, ObjectStoreExt, path::Path as BlobPath};
use serde::{Deserialize, Serialize};

use super::Exports;

/// The most characters of a file's name, without its ending.
const MOST_NAME: usize = 100;

/// A file that was made, as the job's result tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exported {
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    /// From then on it may be gone.
    pub(crate) expires_at: Timestamp,
}

/// Where the file of an export lies.
pub(crate) fn export_key(scope: &TenantScope, job: JobId) -> String {
    format!("{}/exports/{job}", scope.tenant())
}

/// Where the uploaded file of an import lies.
pub(crate) fn import_key(scope: &TenantScope, job: JobId) -> String {
    format!("{}/imports/{job}", scope.tenant())
}

/// A file name made of a title, that no system takes for anything else.
pub(super) fn file_name(title: &str, extension: &str) -> String {
    let fits = |c: char| !c.is_control() && !is_direction(c);
    let clean: String = title
        .chars()
        .filter(|c| fits(*c))
        .map(|c| if "/\\:*?\"<>|".contains(c) { ' ' } else { c })
        .collect();
    let words = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    let name: String = words.trim_start_matches(['.', '-', '~']).chars().take(MOST_NAME).collect();
    let name = name.trim_matches([' ', '.']);
    // Names that one system keeps for its devices.
    let first = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = |device: &str| {
        first
            .strip_prefix(device)
            .is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let reserved = ["con", "prn", "aux", "nul"].contains(&first.as_str())
        || numbered("com")
        || numbered("lpt");
    match (name.is_empty(), reserved) {
        (true, _) => format!("export.{extension}"),
        (_, true) => format!("export {name}.{extension}"),
        _ => format!("{name}.{extension}"),
    }
}

/// Marks that turn the direction of text: a name must end as it looks.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

impl Exports {
    /// The files of exports and imports that were stored before a moment, with their jobs.
    pub(super) async fn older(
        &self,
        scope: &TenantScope,
        before: Timestamp,
    ) -> Result<Vec<(BlobPath, JobId)>> {
        let mut older = Vec::new();
        for folder in ["exports", "imports"] {
            let prefix = BlobPath::from(format!("{}/{folder}", scope.tenant()));
            let mut all = self.parts.blobs.list(Some(&prefix));
            while let Some(file) = all.try_next().await.map_err(blob_error)? {
                let job = file.location.filename().and_then(|name| name.parse().ok());
                let stored = Timestamp::from_millis(file.last_modified.timestamp_millis());
                if let Some(job) = job
                    && stored < before
                {
                    older.push((file.location, job));
                }
            }
        }
        Ok(older)
    }

    /// Removes a file. One that is gone is no error.
    pub(super) async fn remove(&self, key: &BlobPath) -> Result<()> {
        match self.parts.blobs.delete(key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(blob_error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn u8_a_title_becomes_a_safe_name() {
        assert_eq!(file_name("Wie groß ist ein Reiher?", "md"), "Wie groß ist ein Reiher.md");
        assert_eq!(file_name("../../etc/passwd", "pdf"), "etc passwd.pdf");
        assert_eq!(file_name("C:\\x\0y\r\n", "md"), "C xy.md");
        assert_eq!(file_name("...", "md"), "export.md");
        assert_eq!(file_name("con", "md"), "export con.md");
        assert_eq!(file_name("LPT1.x", "md"), "export LPT1.x.md");
        assert_eq!(file_name("a\u{202E}fdp.exe", "pdf"), "afdp.exe.pdf");
        assert_eq!(file_name("-rf ~", "md"), "rf ~.md");
        assert_eq!(file_name(&"ö".repeat(500), "md").chars().count(), 103);
    }
}
