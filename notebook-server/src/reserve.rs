//! Room that is kept on the disk so that a full one can be emptied.
//!
//! A deletion has to be written down before it frees anything: without room for that, a full disk
//! would stay full. So a file holds some room, and is given up for the first deletion that finds none.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{Method, StatusCode},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tokio_util::sync::CancellationToken;

const FILE: &str = "reserve";
/// Deleting a source of a hundred megabytes writes less than this.
const BYTES: u64 = 16 << 20;
/// The most bytes of a deletion's body: a name or a password.
const BODY: usize = 64 << 10;
/// How often a missing reserve is looked after.
const EVERY: Duration = Duration::from_secs(30);

/// The file that holds the room.
#[derive(Debug, Clone)]
pub(crate) struct Reserve(PathBuf);

impl Reserve {
    /// The reserve of a data folder. It is given up at once when there is no room to start with.
    pub(crate) fn new(folder: &Path) -> Self {
        let reserve = Self(folder.join(FILE));
        if reserve.room().is_ok_and(|room| room < BYTES / 2) {
            reserve.release();
        }
        reserve
    }

    /// Gives the room up. False when there is none.
    pub(crate) fn release(&self) -> bool {
        let released = fs::remove_file(&self.0).is_ok();
        if released {
            tracing::warn!(
                "the disk is full; its reserve is given up so that something can be deleted"
            );
        }
        released
    }

    /// Takes the room, if it is not held and there is twice as much. Blocks.
    pub(crate) fn hold(&self) -> io::Result<()> {
        if fs::metadata(&self.0).is_ok_and(|data| data.len() == BYTES) || self.room()? < 2 * BYTES {
            return Ok(());
        }
        // Written, not only made long: a hole in a file takes no room.
        let mut file = File::create(&self.0)?;
        let block = vec![0; 1 << 20];
        let written = (0..BYTES / block.len() as u64).try_for_each(|_| file.write_all(&block));
        let written = written.and_then(|()| file.sync_all());
        if written.is_err() {
            fs::remove_file(&self.0)?;
        }
        written
    }

    fn room(&self) -> io::Result<u64> {
        let folder = self.0.parent().unwrap_or(&self.0);
        let data = rustix::fs::statvfs(folder)?;
        Ok(data.f_bavail.saturating_mul(data.f_frsize))
    }

    /// Holds the room from now on, again some time after it was given up.
    pub(crate) async fn keep(self, ending: CancellationToken) {
        loop {
            let reserve = self.clone();
            let held = tokio::task::spawn_blocking(move || reserve.hold()).await;
            if let Ok(Err(error)) = held {
                tracing::warn!(%error, "no room could be reserved on the disk");
            }
            if ending.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
                return;
            }
        }
    }
}

/// Repeats a deletion that found no room, once there is some.
pub(crate) async fn for_deletions(
    State(reserve): State<Reserve>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() != Method::DELETE {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    // Kept, for a second try. Most have none.
    let Ok(body) = axum::body::to_bytes(body, BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let again = (parts.clone(), body.clone());
    let response = next.clone().run(Request::from_parts(parts, body.into())).await;
    if response.status() != StatusCode::INSUFFICIENT_STORAGE || !reserve.release() {
        return response;
    }
    next.run(Request::from_parts(again.0, again.1.into())).await
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use axum::{Router, body::Body, middleware, routing::get};
    use tower::ServiceExt as _;

    use super::*;

    #[test]
    fn the_room_is_really_taken_and_given_back_once() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(folder.path());
        assert!(!reserve.release(), "nothing is held yet");
        reserve.hold().unwrap();
        let data = fs::metadata(folder.path().join(FILE)).unwrap();
        assert!(data.blocks() * 512 >= BYTES, "{} blocks", data.blocks());
        reserve.hold().unwrap();
        assert!(reserve.release());
        assert!(!reserve.release());
    }

    /// On a disk that is full until the reserve is given up.
    #[tokio::test]
    async fn only_a_deletion_gets_the_room() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(folder.path());
        reserve.hold().unwrap();
        let file = folder.path().join(FILE);
        let write = move |body: String| async move {
            // The second try says the same.
            assert_eq!(body, "why");
            if file.exists() { StatusCode::INSUFFICIENT_STORAGE } else { StatusCode::NO_CONTENT }
        };
        let app = Router::new()
            .route("/", get(write.clone()).post(write.clone()).delete(write))
            .layer(middleware::from_fn_with_state(reserve.clone(), for_deletions));
        let status = async |method: Method| {
            let request = Request::builder().method(method).body(Body::from("why")).unwrap();
            app.clone().oneshot(request).await.unwrap().status()
        };
        assert_eq!(status(Method::POST).await, StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(status(Method::DELETE).await, StatusCode::NO_CONTENT);
        assert_eq!(status(Method::POST).await, StatusCode::NO_CONTENT);
    }
}
