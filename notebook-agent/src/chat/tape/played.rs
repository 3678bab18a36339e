//! A tape that is played back.

use std::sync::Arc;

use notebook_core::{
    Error, ErrorKind, Result,
    chat::{ChatEvent, ChatModel, ChatModelInfo, TokenCount},
    model::EventBody,
};
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    line::{Ask, Line, Said},
    model::Player,
};
use crate::{graph::Difference, runs::StopReason};

/// Gives what was written, in its order, and compares what is shown with it.
pub(in crate::chat) struct Played(Mutex<State>);

struct State {
    lines: Vec<Line>,
    next: usize,
    /// Whether the lines go to the end of the work.
    is_whole: bool,
    shown: Vec<EventBody>,
    difference: Option<Difference>,
}

impl Played {
    pub(in crate::chat) fn new(lines: Vec<Line>, is_whole: bool) -> Self {
        let (shown, difference) = (Vec::new(), None);
        Self(Mutex::new(State { lines, next: 0, is_whole, shown, difference }))
    }

    /// A model that says what stands here.
    pub(in crate::chat) fn model(self: &Arc<Self>, info: ChatModelInfo) -> Arc<dyn ChatModel> {
        Arc::new(Player::new(info, Arc::clone(self)))
    }

    /// What came of it. Where nothing came, or something else was asked, this does not return.
    pub(super) async fn take<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T> {
        let came = self.0.lock().take(ask);
        match came {
            Some(came) => came.and_then(|value| {
                serde_json::from_value(value).map_err(|error| {
                    Error::new(ErrorKind::Corrupt, "play recording").caused_by(error)
                })
            }),
            None => std::future::pending().await,
        }
    }

    /// What the model said next. Where it said nothing more, this does not return.
    pub(super) async fn said(&self) -> Option<Result<ChatEvent>> {
        let said = self.0.lock().said();
        match said {
            Some(said) => said,
            None => std::future::pending().await,
        }
    }

    pub(super) fn count(&self, text: &str) -> TokenCount {
        self.0.lock().count(text)
    }

    pub(super) fn word(&self) -> String {
        self.0.lock().word()
    }

    pub(super) fn show(&self, body: &EventBody) {
        self.0.lock().show(body);
    }

    /// Whether the work was ended from outside here, and why.
    pub(in crate::chat) fn stop(&self) -> Option<StopReason> {
        let state = &mut *self.0.lock();
        let Some(Line::Stop(reason)) = state.head() else { return None };
        let reason = *reason;
        state.next += 1;
        Some(reason)
    }

    /// Whether something outside broke here.
    pub(in crate::chat) fn broke(&self) -> Option<Error> {
        let state = &mut *self.0.lock();
        let Some(Line::Broke(failed)) = state.head() else { return None };
        let error = failed.error();
        state.next += 1;
        Some(error.unwrap_or_else(|| Error::new(ErrorKind::Corrupt, "play recording")))
    }

    /// What a person was asked or answered here.
    #[cfg(feature = "tools")]
    pub(in crate::chat) fn hear<T: DeserializeOwned>(&self) -> Option<T> {
        let state = &mut *self.0.lock();
        let Some(Line::Heard(heard)) = state.head() else { return None };
        // It is taken when it is told.
        serde_json::from_value(heard.clone()).ok()
    }

    #[cfg(feature = "tools")]
    pub(super) fn heard<T: Serialize>(&self, heard: &T) {
        let wanted = Line::heard(heard);
        let state = &mut *self.0.lock();
        state.expect(|line| (*line == wanted).then_some(()), || json!(wanted));
    }

    /// Whether what the work needs was away here.
    pub(in crate::chat) fn away(&self) -> Option<Error> {
        let state = &mut *self.0.lock();
        let Some(Line::Away(failed)) = state.head() else { return None };
        let error = failed.error();
        state.next += 1;
        Some(error.unwrap_or_else(|| Error::new(ErrorKind::Corrupt, "play recording")))
    }

    /// Something else came out of a part of the work than was recorded.
    pub(in crate::chat) fn differs(&self, recorded: impl Serialize, replayed: impl Serialize) {
        self.0.lock().differ(json!(recorded), json!(replayed));
    }

    /// Whether it goes to the end of the work.
    pub(in crate::chat) fn is_whole(&self) -> bool {
        self.0.lock().is_whole
    }

    /// All that was shown, as it was recorded; or where it first differs.
    pub(in crate::chat) fn end(&self) -> Result<Vec<EventBody>, Box<Difference>> {
        let state = &mut *self.0.lock();
        if state.is_whole
            && let Some(left) = state.head().cloned()
        {
            state.differ(json!(left), Value::Null);
        }
        match state.difference.take() {
            Some(difference) => Err(Box::new(difference)),
            None => Ok(std::mem::take(&mut state.shown)),
        }
    }
}

impl State {
    fn head(&self) -> Option<&Line> {
        self.lines.get(self.next).filter(|_| self.difference.is_none())
    }

    /// Whether the lines end here although the work did not.
    fn is_over(&self) -> bool {
        !self.is_whole && self.next >= self.lines.len()
    }

    fn differ(&mut self, recorded: Value, replayed: Value) {
        if self.difference.is_none() {
            let (recorded, replayed) = apart(String::new(), recorded, replayed);
            let step = self.shown.len() as u64 + 1;
            self.difference = Some(Difference { step, recorded, replayed });
        }
    }

    /// Takes the next line where it is what is expected; otherwise the replay differs here.
    fn expect<T>(
        &mut self,
        read: impl FnOnce(&Line) -> Option<T>,
        expected: impl FnOnce() -> Value,
    ) -> Option<T> {
        let found = self.head().and_then(read);
        match found {
            Some(_) => self.next += 1,
            None if self.is_over() => {}
            None => self.differ(plain(self.head()), expected()),
        }
        found
    }

    fn take(&mut self, ask: &Ask) -> Option<Result<Value>> {
        // It was ended before it came to ask.
        if matches!(self.head(), Some(Line::Stop(_) | Line::Broke(_) | Line::Away(_))) {
            return None;
        }
        self.expect(
            |line| matches!(line, Line::Ask(asked) if asked == ask).then_some(()),
            || json!(Line::Ask(ask.clone())),
        )?;
        let came = match self.head()? {
            Line::Came(came) => Ok(came.clone()),
            Line::Failed(failed) => Err(failed.error()?),
            _ => return None,
        };
        self.next += 1;
        Some(came)
    }

    /// `Some(None)` at the end of the model's words.
    fn said(&mut self) -> Option<Option<Result<ChatEvent>>> {
        let Line::Said(said) = self.head()? else { return None };
        let event = match said {
            Said::End => None,
            said => Some(said.event()?),
        };
        self.next += 1;
        Some(event)
    }

    fn count(&mut self, text: &str) -> TokenCount {
        let counted = self.expect(
            |line| match line {
                Line::Count(bytes, tokens, exact) if *bytes == text.len() => {
                    Some(TokenCount { tokens: *tokens, exact: *exact })
                }
                _ => None,
            },
            || json!({ "count": text.len() }),
        );
        // After a difference nothing is compared any more.
        counted.unwrap_or_else(|| TokenCount::estimate(text))
    }

    fn word(&mut self) -> String {
        let read = |line: &Line| match line {
            Line::Word(word) => Some(word.clone()),
            _ => None,
        };
        self.expect(read, || json!({ "word": null })).unwrap_or_default()
    }

    fn show(&mut self, body: &EventBody) {
        // Work that was left where it was had told more than the page was shown.
        if matches!(self.head(), Some(Line::Stop(StopReason::Interrupted | StopReason::Lost))) {
            return;
        }
        let is_same = |line: &Line| match line {
            Line::Show(recorded) => {
                (timeless(recorded) == timeless(body)).then(|| recorded.clone())
            }
            _ => None,
        };
        if let Some(recorded) = self.expect(is_same, || json!(Line::Show(timeless(body)))) {
            self.shown.push(recorded);
        }
    }
}

/// The event without how long its stages took: a stage that is done again takes another time. How long retrieval took came from outside.
fn timeless(body: &EventBody) -> EventBody {
    let mut body = body.clone();
    if let EventBody::Completed { timings, .. } = &mut body {
        for timing in timings {
            timing.micros = 0;
        }
    }
    body
}

/// A line as it is compared.
fn plain(line: Option<&Line>) -> Value {
    match line {
        Some(Line::Show(body)) => json!(Line::Show(timeless(body))),
        line => json!(line),
    }
}

/// The first place at which two values differ, with what each of them has there.
fn apart(place: String, recorded: Value, replayed: Value) -> (Value, Value) {
    let into = |key: &str| format!("{place}/{key}");
    match (recorded, replayed) {
        (Value::Object(mut one), Value::Object(mut other)) => {
            let alike = one.keys().eq(other.keys());
            let first = one.iter().find(|(key, value)| other.get(*key) != Some(*value));
            match first.map(|(key, _)| key.clone()).filter(|_| alike) {
                Some(key) => apart(
                    into(&key),
                    one.remove(&key).unwrap_or_default(),
                    other.remove(&key).unwrap_or_default(),
                ),
                None => at(place, one.into(), other.into()),
            }
        }
        (Value::Array(mut one), Value::Array(mut other)) => {
            let most = one.len().max(other.len());
            match (0..most).find(|i| one.get(*i) != other.get(*i)) {
                Some(i) => {
                    let pick = |list: &mut Vec<Value>| {
                        list.get_mut(i).map(Value::take).unwrap_or_default()
                    };
                    let (one, other) = (pick(&mut one), pick(&mut other));
                    apart(into(&i.to_string()), one, other)
                }
                None => at(place, one.into(), other.into()),
            }
        }
        (one, other) => at(place, one, other),
    }
}

fn at(place: String, one: Value, other: Value) -> (Value, Value) {
    if place.is_empty() {
        return (one, other);
    }
    let named = |value: Value| {
        let mut named = serde_json::Map::new();
        named.insert(place.clone(), value);
        Value::Object(named)
    };
    (named(one), named(other))
}
