//! Receives an upload: streamed into a spool file with a limit, recognised, then moved to the blob store.

use axum::extract::Multipart;
use futures::StreamExt;
use notebook_core::{
    Error, ErrorKind, NotebookId, Result, TenantScope,
    document::{Medium, SourceKind},
    model::Source,
};
use notebook_rag::{
    ingest::{Ingest, NewSource},
    parse,
};
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use crate::{app::App, config::Limits};

/// How many bytes say what a file is.
const HEAD: usize = 512;

/// A received file. Dropping it removes it from the spool.
struct Spooled {
    name: String,
    bytes: u64,
    sha256: String,
    file: NamedTempFile,
}

/// Receives the part `file` and adds it as a source.
pub(crate) async fn receive(
    app: &App,
    scope: &TenantScope,
    notebook: NotebookId,
    form: Multipart,
) -> Result<Source> {
    let spooled = one_file(app, form, |head| limit_of(&app.limits, head)).await?;
    let kind = recognise(&spooled)?;
    let blob = Ingest::new_blob_key(scope);
    store(&*app.blobs, &blob, spooled.file.path()).await?;
    let new = NewSource {
        notebook,
        name: spooled.name,
        kind,
        bytes: spooled.bytes,
        sha256: spooled.sha256,
        blob,
    };
    app.ingest.add(scope, new).await
}

/// Receives the part `file` as a notebook's archive, and stores it for the import.
pub(crate) async fn receive_archive(app: &App, key: &str, form: Multipart) -> Result<Archive> {
    let limit = (app.limits.archive_bytes, "limits.archive_bytes");
    let spooled = one_file(app, form, |_| limit).await?;
    store(&*app.blobs, key, spooled.file.path()).await?;
    Ok(Archive { name: spooled.name, bytes: spooled.bytes, sha256: spooled.sha256 })
}

/// An archive that was received.
pub(crate) struct Archive {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// How many bytes, by which setting.
type Limit = (u64, &'static str);

/// The limit of a file that begins so.
fn limit_of(limits: &Limits, head: &[u8]) -> Limit {
    match parse::medium_of(head) {
        Medium::Text => (limits.document_bytes, "limits.document_bytes"),
        Medium::Image => (limits.image_bytes, "limits.image_bytes"),
        Medium::Audio => (limits.audio_bytes, "limits.audio_bytes"),
    }
}

/// The one part of the form.
async fn one_file(
    app: &App,
    mut form: Multipart,
    limit: impl Fn(&[u8]) -> Limit,
) -> Result<Spooled> {
    let mut spooled = None;
    while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
        if field.name() != Some("file") {
            return Err(Error::invalid(
                "upload",
                field.name().unwrap_or("(unnamed part)"),
                "send one part named `file`",
            ));
        }
        if spooled.is_some() {
            return Err(Error::invalid("upload", "file", "send one file a request"));
        }
        spooled = Some(spool(app, field, &limit).await?);
    }
    spooled.ok_or_else(|| Error::invalid("upload", "file", "choose a file"))
}

async fn spool(
    app: &App,
    mut field: axum::extract::multipart::Field<'_>,
    limit: &impl Fn(&[u8]) -> Limit,
) -> Result<Spooled> {
    let name = file_name(field.file_name().unwrap_or_default());
    let file = NamedTempFile::new_in(&app.spool).map_err(io)?;
    let mut out = tokio::fs::File::from_std(file.reopen().map_err(io)?);
    let (mut bytes, mut hash) = (0_u64, Sha256::new());
    // What a file is, its first bytes say, however they are cut.
    let mut head = Vec::new();
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(|error| broken(&error))?;
        bytes += chunk.len() as u64;
        let missing = HEAD.saturating_sub(head.len()).min(chunk.len());
        head.extend_from_slice(chunk.get(..missing).unwrap_or_default());
        let (limit, setting) = limit(&head);
        if bytes > limit {
            return Err(Error::new(ErrorKind::TooLarge, "upload")
                .with("field", "file")
                .with("limit", format!("{} MB", limit / 1_048_576))
                .with("fix", format!("make the file smaller or split it, or raise {setting}")));
        }
        hash.update(&chunk);
        out.write_all(&chunk).await.map_err(io)?;
    }
    out.flush().await.map_err(io)?;
    let sha256 = notebook_core::hex(hash.finalize());
    Ok(Spooled { name, bytes, sha256, file })
}

/// The last part of whatever path a client sent, without control characters: it is only shown.
fn file_name(sent: &str) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).take(300).collect();
    if clean.trim().is_empty() { "Untitled".to_owned() } else { clean.trim().to_owned() }
}

/// The kind that the name suggests. The parser looks at the content and has the last word.
fn recognise(spooled: &Spooled) -> Result<SourceKind> {
    if spooled.bytes == 0 {
        return Err(Error::invalid("upload", "file", "the file is empty; choose one with content"));
    }
    Ok(parse::kind_from_name(&spooled.name).unwrap_or(SourceKind::Text))
}

/// Copies a file to the blob store.
pub(crate) async fn store(
    blobs: &dyn ObjectStore,
    key: &str,
    path: &std::path::Path,
) -> Result<()> {
    let mut file = tokio::fs::File::open(path).await.map_err(io)?;
    file.rewind().await.map_err(io)?;
    let upload =
        blobs.put_multipart(&key.into()).await.map_err(notebook_rag::ingest::blob_error)?;
    let mut write = WriteMultipart::new(upload);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer).await.map_err(io)?;
        if read == 0 {
            break;
        }
        write.write(buffer.get(..read).unwrap_or_default());
        write.wait_for_capacity(2).await.map_err(notebook_rag::ingest::blob_error)?;
    }
    write.finish().await.map(drop).map_err(notebook_rag::ingest::blob_error)
}

pub(crate) fn io(error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            ErrorKind::StorageFull
        }
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, "spool upload").caused_by(error)
}

/// A client that stopped sending, or sent something that is no form.
fn broken(error: &axum::extract::multipart::MultipartError) -> Error {
    let kind = if error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
        ErrorKind::TooLarge
    } else {
        ErrorKind::InvalidInput
    };
    Error::new(kind, "upload")
        .with("field", "file")
        .with("fix", "the upload broke off or is not a valid form; send it again")
        .with("cause", error.body_text())
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn u8_a_name_is_never_a_path() {
        assert_eq!(file_name("../../etc/passwd"), "passwd");
        assert_eq!(file_name("C:\\docs\\a.pdf"), "a.pdf");
        assert_eq!(file_name("a\0b\n.txt"), "ab.txt");
        assert_eq!(file_name("/"), "Untitled");
        assert_eq!(file_name(&"x".repeat(5000)).len(), 300);
    }
}
