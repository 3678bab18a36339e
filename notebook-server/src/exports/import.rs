use std::{fs::File, io::Write as _};

use futures::TryStreamExt;
use notebook_core::{Error, ErrorKind, JobId, Result, queue::runner::Work};
use notebook_rag::ingest::blob_error;
use object_store::{GetResultPayload, ObjectStoreExt, path::Path as BlobPath};
use serde_json::{Value, json};

use super::{Exports, gone, import_key};
use crate::spool;

impl Exports {
    /// Puts an uploaded archive into a new notebook. The result names it.
    pub(super) async fn import(&self, work: &Work) -> Result<Value> {
        let (scope, job) = (&work.scope, work.job.id);
        let key = BlobPath::from(import_key(scope, job));
        let importer = self.importer();
        let imported = async {
            let file = self.uploaded(&key).await?;
            let progress = |progress| work.progress(progress);
            importer.import(scope, job, file, &work.stop, &progress).await
        };
        match imported.await {
            // The file goes when the job's end is stored: one that is done again needs it.
            Ok(imported) => Ok(json!(imported)),
            Err(error) if is_refused(&error) => {
                // Nothing of what was begun stays, and the file is of no use.
                importer.discard(scope, job).await?;
                self.remove(&key).await?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Removes the file of an import that has ended.
    pub(super) async fn clean(&self, work: &Work, import: JobId) -> Result<Value> {
        self.remove(&BlobPath::from(import_key(&work.scope, import))).await?;
        Ok(json!({ "removed": import }))
    }

    /// The uploaded file: the blob itself where blobs are files.
    async fn uploaded(&self, key: &BlobPath) -> Result<File> {
        let got = match self.parts.blobs.get(key).await {
            Err(object_store::Error::NotFound { .. }) => return Err(gone()),
            got => got.map_err(blob_error)?,
        };
        let mut stream = match got.payload {
            GetResultPayload::File(file, _) => return Ok(file),
            GetResultPayload::Stream(stream) => stream,
        };
        let mut file = tempfile::tempfile_in(&self.spool).map_err(spool::io)?;
        while let Some(bytes) = stream.try_next().await.map_err(blob_error)? {
            file = tokio::task::spawn_blocking(move || file.write_all(&bytes).map(|()| file))
                .await
                .map_err(|error| Error::new(ErrorKind::Internal, "copy archive").caused_by(error))?
                .map_err(spool::io)?;
        }
        Ok(file)
    }
}

/// Whether the archive is at fault: it would be the next time, too.
fn is_refused(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::TooLarge)
}
