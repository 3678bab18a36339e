//! A provider that a test plays: it records requests and controls every byte of the answers.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Clone)]
enum Part {
    Bytes(Vec<u8>),
    /// Until the client closes the connection.
    Hang,
}

/// What is written to the connection, which is closed afterwards.
#[derive(Debug, Clone)]
pub(crate) struct Reply(Vec<Part>);

fn head(status: u16, content_type: &str, extra: &str) -> String {
    format!("HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\nconnection: close\r\n{extra}")
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

impl Reply {
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self(vec![Part::Bytes(bytes.into())])
    }

    /// A whole answer; `extra` are further header lines, each with its end.
    pub(crate) fn whole(status: u16, content_type: &str, extra: &str, body: &str) -> Self {
        let length = format!("content-length: {}\r\n\r\n", body.len());
        Self::raw(format!("{}{length}{body}", head(status, content_type, extra)))
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::whole(status, "application/json", "", &body.to_string())
    }

    /// The head of a stream; the parts of its body follow.
    pub(crate) fn stream(content_type: &str) -> Self {
        Self::raw(head(200, content_type, "transfer-encoding: chunked\r\n\r\n"))
    }

    pub(crate) fn sse() -> Self {
        Self::stream("text/event-stream")
    }

    pub(crate) fn ndjson() -> Self {
        Self::stream("application/x-ndjson")
    }

    /// Bytes of the body in pieces of `size`.
    pub(crate) fn pieces(mut self, bytes: impl AsRef<[u8]>, size: usize) -> Self {
        self.0.extend(bytes.as_ref().chunks(size).map(|piece| Part::Bytes(chunk(piece))));
        self
    }

    pub(crate) fn bytes(self, bytes: impl AsRef<[u8]>) -> Self {
        self.pieces(bytes, usize::MAX)
    }

    pub(crate) fn hang(mut self) -> Self {
        self.0.push(Part::Hang);
        self
    }

    /// The clean end of a stream; without it the connection is cut.
    pub(crate) fn end(mut self) -> Self {
        self.0.push(Part::Bytes(b"0\r\n\r\n".to_vec()));
        self
    }
}

/// Events of Server-Sent Events.
pub(crate) fn events(data: &[&str]) -> String {
    data.iter().map(|data| format!("data: {data}\n\n")).collect()
}

type Handler = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

pub(crate) struct Server {
    pub(crate) base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    hung_up: watch::Sender<usize>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Answers by request and its number.
    pub(crate) async fn by(
        handler: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let hung_up = watch::Sender::new(0);
        let (log, gone, handler) = (Arc::clone(&seen), hung_up.clone(), Arc::new(handler));
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, log.clone(), gone.clone(), handler.clone()));
            }
        });
        Self { base, seen, hung_up, task }
    }

    /// The same answer to everything.
    pub(crate) async fn always(reply: Reply) -> Self {
        Self::by(move |_, _| reply.clone()).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until so many clients have closed their connection during a `hang`.
    pub(crate) async fn hung_up(&self, count: usize) {
        self.hung_up.subscribe().wait_for(|seen| *seen >= count).await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut connection: TcpStream,
    log: Arc<Mutex<Vec<Seen>>>,
    hung_up: watch::Sender<usize>,
    handler: Arc<Handler>,
) {
    let Some(seen) = read_request(&mut connection).await else { return };
    let number = {
        let mut log = log.lock().unwrap();
        log.push(seen.clone());
        log.len() - 1
    };
    for part in handler(&seen, number).0 {
        let written = match part {
            Part::Bytes(bytes) => connection.write_all(&bytes).await.and(connection.flush().await),
            Part::Hang => {
                let mut rest = [0; 64];
                while connection.read(&mut rest).await.is_ok_and(|read| read > 0) {}
                hung_up.send_modify(|count| *count += 1);
                return;
            }
        };
        if written.is_err() {
            hung_up.send_modify(|count| *count += 1);
            return;
        }
    }
    // Let the client read everything before the connection goes.
    let _ = connection.shutdown().await;
    let mut rest = [0; 64];
    while connection.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}

async fn read_request(connection: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if connection.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).ok()?;
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(key, _)| key == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        connection.read_buf(&mut body).await.ok().filter(|read| *read > 0)?;
    }
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Some(Seen { line, headers, body })
}
