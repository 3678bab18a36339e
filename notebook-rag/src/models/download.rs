//! Fetching a model from a hub into the hub's own cache, where other programs find it too.
//!
//! Nothing is fetched unless a caller asks for it. A file is written beside its place, checked
//! against the length and the hash that the hub names, and only then put there; what was fetched of
//! it before a break is not fetched again.

use std::{
    env,
    io::{self, ErrorKind as IoErrorKind},
    path::{Path, PathBuf},
};

use notebook_core::{
    Error, ErrorKind, Result, Secret, hex,
    http::{BaseUrl, HttpClient, HttpRequest, HttpResponse, Timeouts},
};
use sha2::{Digest, Sha256};
use tokio::{
    fs,
    io::{AsyncReadExt as _, AsyncWriteExt as _},
};

use super::{ModelPlaces, check_name};

const OPERATION: &str = "fetch model";
const REDIRECTS: usize = 5;

/// Where models are fetched from.
#[derive(Debug, Clone)]
pub struct Hub {
    /// Such as `https://huggingface.co`.
    pub endpoint: String,
    /// For models that are not open to everyone.
    pub token: Option<Secret>,
    /// A branch, a tag or a commit.
    pub revision: String,
}

impl Hub {
    /// `HF_ENDPOINT` and `HF_TOKEN`, by default the public hub and no token; the branch `main`.
    #[must_use]
    pub fn from_env() -> Self {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            endpoint: variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into()),
            token: variable("HF_TOKEN").map(Secret::new),
            revision: "main".into(),
        }
    }
}

/// A file of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Its path in the model's repository.
    pub path: &'a str,
    /// Whether the model is of no use without it.
    pub required: bool,
}

/// How far a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file's path in the model's repository.
    pub path: &'a str,
    /// What lies on the disk.
    pub bytes: u64,
    /// What there is, if the hub says so.
    pub total: Option<u64>,
}

/// Fetches `files` of the model `name` (`ORG/NAME`) and returns the folder that holds them.
///
/// `progress` is called at each file's beginning, after every piece, and at its end.
///
/// - Cancelled: what was fetched stays, and is not fetched again.
///
/// # Errors
/// `InvalidInput` when the name or a path is none; `NotFound` when the hub has no such model or
/// required file, or does not show it without a token; `Corrupt` when a file is not what the hub
/// says; `Unavailable` when the hub cannot be reached, the disk is full, or another process is
/// fetching the same file.
pub async fn download(
    http: &HttpClient,
    places: &ModelPlaces,
    hub: &Hub,
    name: &str,
    files: &[Wanted<'_>],
    progress: &(dyn Fn(Progress<'_>) + Send + Sync),
) -> Result<PathBuf> {
    if !name.contains('/') {
        return Err(Error::invalid(OPERATION, "model", "name it ORG/NAME, as the hub does"));
    }
    check_name(name)?;
    let cache = places.hub.as_deref().ok_or_else(|| {
        Error::invalid(OPERATION, "HF_HUB_CACHE", "set it, or HOME, to a folder for models")
    })?;
    let folder = cache.join(format!("models--{}", name.replace('/', "--")));
    let mut commit = None;
    for file in files {
        check_path(file.path)?;
        let fetch = Fetch { http, hub, name, path: file.path, folder: &folder, progress };
        match fetch.run().await {
            Ok(found) => commit = Some(found),
            Err(error) if error.kind() == ErrorKind::NotFound && !file.required => {}
            Err(error) => return Err(error),
        }
    }
    let commit = commit.ok_or_else(|| Error::invalid(OPERATION, "files", "name one at least"))?;
    let refs = folder.join("refs");
    if hub.revision.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        fs::create_dir_all(&refs).await.map_err(|error| disk(&refs, error))?;
        let file = refs.join(&hub.revision);
        fs::write(&file, &commit).await.map_err(|error| disk(&file, error))?;
    }
    Ok(folder.join("snapshots").join(commit))
}

/// One file on its way.
struct Fetch<'a> {
    http: &'a HttpClient,
    hub: &'a Hub,
    name: &'a str,
    path: &'a str,
    folder: &'a Path,
    progress: &'a (dyn Fn(Progress<'_>) + Send + Sync),
}

/// What the hub says of a file before any of it is sent.
#[derive(Debug, Default)]
struct Facts {
    commit: Option<String>,
    etag: Option<String>,
    size: Option<u64>,
}

impl Facts {
    /// The first that says something counts: behind a redirect is a store that knows less.
    fn read(&mut self, response: &HttpResponse) {
        let header = |name: &str| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.trim_start_matches("W/").trim_matches('"').to_owned())
        };
        self.commit = self.commit.take().or_else(|| header("x-repo-commit"));
        self.etag = self.etag.take().or_else(|| header("x-linked-etag")).or_else(|| header("etag"));
        self.size = self.size.or_else(|| header("x-linked-size")?.parse().ok());
    }

    /// Both become names of files.
    fn names(&self) -> Result<(&str, &str)> {
        let plain = |text: &&str| {
            !text.is_empty() && text.len() <= 128 && text.chars().all(|c| c.is_ascii_alphanumeric())
        };
        let commit = self.commit.as_deref().filter(plain);
        let etag = self.etag.as_deref().filter(plain);
        commit.zip(etag).ok_or_else(|| {
            Error::new(ErrorKind::Protocol, OPERATION)
                .with("reason", "the answer has no X-Repo-Commit or no ETag")
                .with("fix", "set HF_ENDPOINT to a server that speaks the hub's interface")
        })
    }
}

impl Fetch<'_> {
    /// Puts the file into the cache and returns the commit that it is of.
    async fn run(&self) -> Result<String> {
        let hub = BaseUrl::parse(&self.hub.endpoint)?;
        let path = format!("{}/resolve/{}/{}", self.name, self.hub.revision, self.path);
        let mut url = hub.join(&path);
        let mut facts = Facts::default();
        for _ in 0..REDIRECTS {
            // What is there already is only known after the first answer.
            let have = match facts.names() {
                Ok((_, etag)) => length(&self.partial(etag)).await,
                Err(_) => 0,
            };
            let mut request = HttpRequest::get(OPERATION, &url, Timeouts::default());
            if have > 0 {
                request = request.range_from(have);
            }
            if hub.has_origin_of(&url) {
                request = request.bearer(self.hub.token.as_ref())?;
            }
            let response = self.http.send(request).await;
            let response =
                response.map_err(|error| error.with("hub", self.hub.endpoint.clone()))?;
            facts.read(&response);
            let status = response.status().as_u16();
            match status {
                200 | 206 => return self.receive(&facts, response, have).await,
                // All of it is there: it was complete but not yet checked.
                416 if have > 0 => return self.settle(&facts).await,
                301 | 302 | 303 | 307 | 308 => url = response.redirect()?,
                _ => return Err(self.refused(status)),
            }
            if let Ok((commit, etag)) = facts.names()
                && fs::try_exists(self.blob(etag)).await.unwrap_or(false)
            {
                self.link(commit, etag).await?;
                return Ok(commit.to_owned());
            }
        }
        Err(self.failed(ErrorKind::Protocol, "too many redirects"))
    }

    /// Writes the body behind what is there.
    async fn receive(
        &self,
        facts: &Facts,
        mut response: HttpResponse,
        have: u64,
    ) -> Result<String> {
        let (commit, etag) = facts.names()?;
        let (blob, partial) = (self.blob(etag), self.partial(etag));
        if fs::try_exists(&blob).await.unwrap_or(false) {
            self.link(commit, etag).await?;
            return Ok(commit.to_owned());
        }
        // A server that does not know ranges sends everything.
        let have = if response.status().as_u16() == 206 { have } else { 0 };
        let header = |name: &str| response.headers().get(name)?.to_str().ok()?.parse::<u64>().ok();
        let total = facts.size.or_else(|| Some(header("content-length")? + have));
        let on_disk = |error| disk(&partial, error);
        if let Some(folder) = partial.parent() {
            fs::create_dir_all(folder).await.map_err(on_disk)?;
        }
        let mut options = fs::OpenOptions::new();
        let file = options.create(true).write(true).truncate(false).open(&partial).await;
        let file = file.map_err(on_disk)?.into_std().await;
        if file.try_lock().is_err() {
            let reason = "another process is fetching the same file; wait for it";
            return Err(self.failed(ErrorKind::Unavailable, reason));
        }
        file.set_len(have).map_err(on_disk)?;
        let mut file = fs::File::from_std(file);
        tokio::io::AsyncSeekExt::seek(&mut file, io::SeekFrom::Start(have))
            .await
            .map_err(on_disk)?;
        let mut bytes = have;
        self.tell(bytes, total);
        let received = loop {
            match response.chunk().await {
                Ok(Some(piece)) => {
                    file.write_all(&piece).await.map_err(on_disk)?;
                    bytes += piece.len() as u64;
                    self.tell(bytes, total);
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // What came before a break is kept for the next time.
        file.flush().await.map_err(on_disk)?;
        file.sync_all().await.map_err(on_disk)?;
        received?;
        if total.is_some_and(|total| total != bytes) {
            let reason = format!("{bytes} bytes came, the hub says {}", total.unwrap_or_default());
            return Err(self.failed(ErrorKind::Unavailable, &reason));
        }
        self.settle(facts).await
    }

    /// Checks what was fetched and gives it its name.
    async fn settle(&self, facts: &Facts) -> Result<String> {
        let (commit, etag) = facts.names()?;
        let partial = self.partial(etag);
        // The hash of a large file is its SHA-256; that of a small one is git's, of another kind.
        if etag.len() == 64 && hash(&partial).await? != etag {
            fs::remove_file(&partial).await.map_err(|error| disk(&partial, error))?;
            return Err(self.failed(ErrorKind::Corrupt, "its hash is not what the hub says"));
        }
        let blob = self.blob(etag);
        fs::rename(&partial, &blob).await.map_err(|error| disk(&blob, error))?;
        self.link(commit, etag).await?;
        Ok(commit.to_owned())
    }

    /// Gives the file its place in the commit's folder.
    async fn link(&self, commit: &str, etag: &str) -> Result<()> {
        let place = self.folder.join("snapshots").join(commit).join(self.path);
        let on_disk = |error| disk(&place, error);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).await.map_err(on_disk)?;
        }
        match fs::remove_file(&place).await {
            Err(error) if error.kind() != IoErrorKind::NotFound => return Err(on_disk(error)),
            _ => {}
        }
        let up = "../".repeat(2 + self.path.matches('/').count());
        let blob = format!("{up}blobs/{etag}");
        #[cfg(unix)]
        fs::symlink(blob, &place).await.map_err(on_disk)?;
        #[cfg(not(unix))]
        fs::copy(place.parent().unwrap_or(&place).join(blob), &place).await.map_err(on_disk)?;
        Ok(())
    }

    fn tell(&self, bytes: u64, total: Option<u64>) {
        (self.progress)(Progress { path: self.path, bytes, total });
    }

    fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    fn partial(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(format!("{etag}.incomplete"))
    }

    fn refused(&self, status: u16) -> Error {
        match status {
            401 | 403 | 404 => self
                .failed(ErrorKind::NotFound, "the hub does not show such a file")
                .with("fix", "check the model's name; for a closed one set HF_TOKEN"),
            status => self.failed(ErrorKind::Unavailable, &format!("the hub answers {status}")),
        }
    }

    fn failed(&self, kind: ErrorKind, reason: &str) -> Error {
        Error::new(kind, OPERATION)
            .with("model", self.name)
            .with("file", self.path)
            .with("reason", reason.to_owned())
    }
}

/// Paths come from a caller and become paths on this machine.
fn check_path(path: &str) -> Result<()> {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    if path.split('/').all(part) {
        return Ok(());
    }
    Err(Error::invalid(
        OPERATION,
        "file",
        "name it by letters, digits, - _ . and / between folders",
    ))
}

async fn length(file: &Path) -> u64 {
    fs::metadata(file).await.map_or(0, |data| data.len())
}

async fn hash(path: &Path) -> Result<String> {
    let on_disk = |error| disk(path, error);
    let mut file = fs::File::open(path).await.map_err(on_disk)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block).await.map_err(on_disk)? {
            0 => return Ok(hex(hash.finalize())),
            count => hash.update(block.get(..count).unwrap_or_default()),
        }
    }
}

fn disk(file: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, OPERATION)
        .with("file", file.display().to_string())
        .with("reason", error.to_string())
        .caused_by(error)
}
