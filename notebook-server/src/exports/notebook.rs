use std::io::{Read as _, Seek as _};

use notebook_core::{Error, ErrorKind, NotebookId, Result, queue::runner::Work};
use notebook_rag::archive;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{Exported, Exports, export_key, files::file_name};
use crate::spool;

impl Exports {
    /// Writes a notebook as an archive. The result names the file.
    pub(super) async fn notebook(&self, work: &Work, id: NotebookId) -> Result<Value> {
        let scope = &work.scope;
        let title = self.parts.store.notebook(scope, id).await?.name;
        let spooled = NamedTempFile::new_in(&self.spool).map_err(spool::io)?;
        let file = spooled.reopen().map_err(spool::io)?;
        let progress = |progress| work.progress(progress);
        let asked = work.job.created_at;
        let (file, manifest) =
            archive::export(&self.parts, scope, id, file, asked, &progress).await?;
        let (bytes, sha256) = tokio::task::spawn_blocking(move || sum(file))
            .await
            .map_err(|error| Error::new(ErrorKind::Internal, "export notebook").caused_by(error))?
            .map_err(spool::io)?;
        let key = export_key(scope, work.job.id);
        spool::store(&*self.parts.blobs, &key, spooled.path()).await?;
        let file = Exported {
            name: file_name(&title, "zip"),
            media_type: "application/zip".to_owned(),
            bytes,
            sha256,
            expires_at: self.clock.now().after(self.keep),
        };
        Ok(json!({ "file": file, "counts": manifest.counts }))
    }
}

/// Size and SHA-256 of a file.
fn sum(mut file: std::fs::File) -> std::io::Result<(u64, String)> {
    file.rewind()?;
    let (mut hash, mut length) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((length, notebook_core::hex(hash.finalize())));
        }
        length += read as u64;
        hash.update(buffer.get(..read).unwrap_or_default());
    }
}
