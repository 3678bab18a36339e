//! A naive parser of event streams, to compare the real one with: the specification's steps
//! one after the other over the whole stream at once, with no thought of speed.

use std::time::Duration;

use notebook_core::sse::{Event, MAX_FIELD_BYTES, MAX_RETRY};

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// After a blank line, or with nothing but comments since.
    Clean,
    /// Inside an event.
    Truncated,
    /// With an event over the limit.
    TooLarge,
}

/// All that can be seen of a parse.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub events: Vec<Event>,
    pub end: End,
    pub last_id: Option<String>,
    pub retry: Option<Duration>,
}

/// Parses a whole stream, with `limit` (at least 8) as the parser's limit.
pub fn parse(stream: &[u8], limit: usize) -> Outcome {
    let mut state = State::default();
    let stream = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);
    let mut end = End::Clean;
    for (line, terminated) in lines(stream) {
        if state.line(&line, terminated, limit).is_none() {
            end = End::TooLarge;
            break;
        }
    }
    if end == End::Clean && state.open {
        end = End::Truncated;
    }
    let last_id = Some(state.last_id).filter(|id| !id.is_empty());
    Outcome { events: state.events, end, last_id, retry: state.retry }
}

/// The lines, each with whether it was ended.
fn lines(stream: &[u8]) -> Vec<(Vec<u8>, bool)> {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let mut bytes = stream.iter().peekable();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => {
                if byte == b'\r' && bytes.peek() == Some(&&b'\n') {
                    bytes.next();
                }
                lines.push((std::mem::take(&mut line), true));
            }
            _ => line.push(byte),
        }
    }
    if !line.is_empty() {
        lines.push((line, false));
    }
    lines
}

#[derive(Default)]
struct State {
    events: Vec<Event>,
    data: Vec<String>,
    event: String,
    id: String,
    id_is_set: bool,
    last_id: String,
    block_retry: Option<Duration>,
    retry: Option<Duration>,
    open: bool,
}

impl State {
    /// Takes a line. `None`: over the limit.
    fn line(&mut self, line: &[u8], terminated: bool, limit: usize) -> Option<()> {
        if line.is_empty() {
            self.dispatch();
            return Some(());
        }
        let colon = line.iter().position(|&byte| byte == b':');
        self.open |= colon != Some(0);
        let name = &line[..colon.unwrap_or(line.len())];
        let known = [&b"data"[..], b"event", b"id", b"retry"].contains(&name);
        if known && (terminated || colon.is_some()) {
            let value = colon.map_or(&[][..], |colon| &line[colon + 1..]);
            let value = decode(value.strip_prefix(b" ").unwrap_or(value), terminated);
            let joined_by = usize::from(name == b"data" && !self.data.is_empty());
            let too_long = name != b"data" && value.len() > MAX_FIELD_BYTES;
            if too_long || self.held() + joined_by + value.len() > limit {
                return None;
            }
            self.field(name, value, terminated);
        } else if (terminated || colon.is_some() || line.len() > 5) && line.len() > limit {
            return None;
        }
        Some(())
    }

    fn field(&mut self, name: &[u8], value: String, terminated: bool) {
        let digits = !value.is_empty() && value.chars().all(|char| char.is_ascii_digit());
        match name {
            b"data" => self.data.push(value),
            b"event" => self.event = value,
            b"id" if !value.contains('\0') => {
                self.id = value;
                self.id_is_set = true;
            }
            b"retry" if digits && terminated => {
                let milliseconds = value.parse().unwrap_or(u64::MAX);
                self.block_retry = Some(Duration::from_millis(milliseconds).min(MAX_RETRY));
                self.retry = self.block_retry;
            }
            _ => {}
        }
    }

    fn held(&self) -> usize {
        let joined_by = self.data.len().saturating_sub(1);
        let data = self.data.iter().map(String::len).sum::<usize>() + joined_by;
        data + self.event.len() + self.id.len() + self.last_id.len()
    }

    fn dispatch(&mut self) {
        if self.id_is_set {
            self.last_id = std::mem::take(&mut self.id);
        }
        if !self.data.is_empty() {
            let event = if self.event.is_empty() { "message" } else { &self.event };
            self.events.push(Event {
                event: event.to_owned().into(),
                data: self.data.join("\n"),
                id: Some(self.last_id.clone()).filter(|id| !id.is_empty()),
                retry: self.block_retry,
            });
        }
        self.data.clear();
        self.event.clear();
        self.id_is_set = false;
        self.block_retry = None;
        self.open = false;
    }
}

/// Decodes a value. The cut character at the end of an unended line is not yet anything.
fn decode(value: &[u8], terminated: bool) -> String {
    let is_cut =
        |tail: &[u8]| std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none());
    let cut = (1..=value.len().min(3)).find(|&cut| {
        let tail = &value[value.len() - cut..];
        !terminated && tail[0] >= 0xC0 && is_cut(tail)
    });
    String::from_utf8_lossy(&value[..value.len() - cut.unwrap_or(0)]).into_owned()
}
