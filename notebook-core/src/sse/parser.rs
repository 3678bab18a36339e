//! The parser: a state machine from bytes to events.

mod cut;

use std::time::Duration;

use simdutf8::basic::from_utf8;

use super::{
    Event, EventRef, SseError,
    event::MESSAGE,
    line::{Ending, Field, LONGEST_NAME, LineEnd, Meaning},
    line::{cut_ending, cut_line, read_field, without_space},
    text::{Full, Text, clear},
};

/// The limit of [`Parser::new`]: 16 MiB, enough for an image in an event.
pub const DEFAULT_MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// The longest reconnection time a stream can ask for. Longer ones are cut to it, so that
/// no server can keep a client away for ever.
pub const MAX_RETRY: Duration = Duration::from_secs(60 * 60);

/// The longest name, id or reconnection time, in bytes of decoded text: 8 KiB.
pub const MAX_FIELD_BYTES: usize = 8 * 1024;

const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// An incremental parser of `text/event-stream` without I/O.
///
/// Give it each chunk of bytes as it comes, by [`next_event`](Self::next_event) (events
/// that borrow) or [`events`](Self::events) (events that own), and say when the stream ends
/// by [`finish`](Self::finish). The events do not depend on where the chunks are cut.
///
/// # Memory
///
/// The parser holds at most the limit, plus less than 64 KiB: the bytes of an event that
/// lies wholly in a chunk are not copied, and comments and unknown fields are not kept.
/// What counts towards the limit is the decoded text of one event (data, name, id) and the
/// last event id before it. A comment or unknown field longer than the limit is an error too,
/// and so is any other field than data that is longer than [`MAX_FIELD_BYTES`].
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    /// How many bytes of a byte order mark the stream began with; all, once that is settled.
    bom: usize,
    /// The last line ended with the last byte of a chunk, a CR: an LF next belongs to it.
    skip_lf: bool,
    position: Position,
    block: Block,
    /// The data of this block, unless it is one line that lies wholly in the chunk.
    data: Text,
    /// The unfinished value of any other field.
    value: Text,
    name: String,
    id: String,
    last_id: String,
    retry: Option<Duration>,
}

/// Where in a line the next byte stands.
#[derive(Debug, Clone, Copy)]
enum Position {
    LineStart,
    /// In what may be the name of a known field: the bytes so far.
    Name {
        bytes: [u8; LONGEST_NAME],
        len: usize,
    },
    /// In the value of a known field. `fresh`: nothing of it has come yet.
    Value {
        field: Field,
        fresh: bool,
    },
    /// In a comment or unknown field of which this many bytes have come.
    Ignored {
        seen: usize,
    },
    /// Over the limit: the stream is given up.
    Failed,
}

/// What the lines since the last blank one have said.
#[derive(Debug, Default)]
struct Block {
    /// There was a line, or part of one, that is not a comment.
    open: bool,
    has_data: bool,
    has_id: bool,
    retry: Option<Duration>,
    /// The event of this block was handed out: the next call begins another.
    dispatched: bool,
}

/// Where the data of a finished event lies.
enum Place<'i> {
    Input(&'i str),
    Buffer,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl Parser {
    /// A parser with a limit of [`DEFAULT_MAX_EVENT_BYTES`].
    #[must_use]
    pub const fn new() -> Self {
        Self::with_max_event_bytes(DEFAULT_MAX_EVENT_BYTES)
    }

    /// A parser that gives up a stream whose event holds more than `limit` bytes of text.
    #[must_use]
    pub const fn with_max_event_bytes(limit: usize) -> Self {
        Self {
            limit,
            bom: 0,
            skip_lf: false,
            position: Position::LineStart,
            block: Block {
                open: false,
                has_data: false,
                has_id: false,
                retry: None,
                dispatched: false,
            },
            data: Text::new(),
            value: Text::new(),
            name: String::new(),
            id: String::new(),
            last_id: String::new(),
            retry: None,
        }
    }

    /// The next event of `input`, which is moved past it. `None`: all of `input` is read, the
    /// parser remembers what it needs of it, and the next call takes the next chunk.
    ///
    /// # Errors
    ///
    /// [`SseError::TooLarge`] if an event or line is over the limit; again on every further
    /// call, until [`finish`](Self::finish).
    pub fn next_event<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<EventRef<'a>>, SseError> {
        match self.advance(input) {
            Ok(None) => Ok(None),
            Ok(Some(Place::Input(data))) => Ok(Some(self.event(data))),
            Ok(Some(Place::Buffer)) => Ok(Some(self.event(self.data.as_str()))),
            Err(Full) => {
                *input = &[];
                self.give_up();
                Err(SseError::TooLarge { limit: self.limit })
            }
        }
    }

    /// The events that `chunk` completes, as owned values.
    ///
    /// Drain the iterator: what it has not yet read of the chunk is lost when it is dropped.
    /// An error, as in [`next_event`](Self::next_event), is its last item.
    pub fn events<'p>(
        &'p mut self,
        chunk: &'p [u8],
    ) -> impl Iterator<Item = Result<Event, SseError>> + use<'p> {
        let mut input = Some(chunk);
        std::iter::from_fn(move || {
            let mut rest = input.take()?;
            let event = self.next_event(&mut rest).map(|event| event.map(Event::from)).transpose();
            if let Some(Ok(_)) = event {
                input = Some(rest);
            }
            event
        })
    }

    /// Ends the stream, and makes the parser ready for another connection to it: only the
    /// last event id and the reconnection time stay.
    ///
    /// # Errors
    ///
    /// [`SseError::Truncated`] if the stream ended inside an event, which is dropped.
    /// [`SseError::TooLarge`] if that is how it ended.
    pub fn finish(&mut self) -> Result<(), SseError> {
        let unfinished = self.block.open && !self.block.dispatched;
        let result = match self.position {
            Position::Failed => Err(SseError::TooLarge { limit: self.limit }),
            _ if unfinished || (1..BOM.len()).contains(&self.bom) => Err(SseError::Truncated),
            _ => Ok(()),
        };
        *self = Self {
            last_id: std::mem::take(&mut self.last_id),
            retry: self.retry,
            ..Self::with_max_event_bytes(self.limit)
        };
        result
    }

    /// The last event id: what to send as `Last-Event-ID` on reconnecting. Blocks without data
    /// set it too, though they make no event. `None` if it is empty.
    #[must_use]
    pub fn last_event_id(&self) -> Option<&str> {
        (!self.last_id.is_empty()).then_some(&self.last_id)
    }

    /// The reconnection time that the stream last asked for, at most [`MAX_RETRY`].
    #[must_use]
    pub const fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn event<'a>(&'a self, data: &'a str) -> EventRef<'a> {
        let event = if self.name.is_empty() { MESSAGE } else { &self.name };
        EventRef { event, data, id: self.last_event_id(), retry: self.block.retry }
    }

    /// Reads `input` up to the end of an event, or all of it.
    fn advance<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Place<'i>>, Full> {
        if self.block.dispatched {
            self.begin_block();
        }
        let rest = self.skip_start(input);
        let mut rest = self.resume_line(rest)?;
        // The first data line, as long as there is no other and it need not be kept.
        let mut held = None;
        while !rest.is_empty() {
            if let Some(blank) = cut_ending(rest) {
                rest = self.end_line(blank);
                if let Some(place) = self.end_block(held.take()) {
                    *input = rest;
                    return Ok(Some(place));
                }
                continue;
            }
            let LineEnd { line, after } = cut_line(rest);
            if let Some(after) = after {
                self.read_line(line, &mut held)?;
                rest = self.end_line(after);
            } else {
                self.keep(held.take())?;
                self.open_line(line)?;
                rest = &[];
            }
        }
        self.keep(held)?;
        *input = &[];
        Ok(None)
    }

    /// Drops what is not part of a line: a byte order mark, and the LF of a cut CRLF.
    #[inline]
    fn skip_start<'i>(&mut self, input: &'i [u8]) -> &'i [u8] {
        let mut rest = input;
        if self.skip_lf && !rest.is_empty() {
            self.skip_lf = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(expected) = BOM.get(self.bom)
            && let [byte, after @ ..] = rest
        {
            if byte == expected {
                self.bom += 1;
                rest = after;
                continue;
            }
            if self.bom > 0 {
                // The first bytes of a mark begin a line that can be no known field.
                self.block.open = true;
                self.position = Position::Ignored { seen: self.bom };
            }
            self.bom = BOM.len();
        }
        rest
    }

    /// Reads a whole line.
    #[inline]
    fn read_line<'i>(&mut self, line: &'i [u8], held: &mut Option<&'i str>) -> Result<(), Full> {
        let (field, value) = match read_field(line) {
            Meaning::Value(field, value) => (field, without_space(value)),
            Meaning::Comment => return self.check_ignored(line),
            // Without a colon, the whole line is the name.
            Meaning::Undecided | Meaning::Unknown => {
                self.block.open = true;
                match Field::named(line) {
                    Some(field) => (field, &[][..]),
                    None => return self.check_ignored(line),
                }
            }
        };
        self.block.open = true;
        if field == Field::Data
            && !self.block.has_data
            && let Ok(text) = from_utf8(value)
        {
            self.block.has_data = true;
            *held = Some(text);
            return if text.len() > self.room() { Err(Full) } else { Ok(()) };
        }
        self.keep(held.take())?;
        self.read_value(field, value)
    }

    const fn check_ignored(&self, line: &[u8]) -> Result<(), Full> {
        if line.len() > self.limit { Err(Full) } else { Ok(()) }
    }

    /// Moves the data line that was held into the parser, for the chunk ends or data follows.
    #[inline]
    fn keep(&mut self, held: Option<&str>) -> Result<(), Full> {
        match held {
            Some(text) => self.data.push_str(text, self.data.len() + self.room()),
            None => Ok(()),
        }
    }

    fn read_value(&mut self, field: Field, value: &[u8]) -> Result<(), Full> {
        self.begin_value(field)?;
        self.push_value(field, value)?;
        self.finish_value(field)
    }

    fn begin_value(&mut self, field: Field) -> Result<(), Full> {
        if field == Field::Data {
            if self.block.has_data {
                self.data.push_str("\n", self.data.len() + self.room())?;
            }
            self.block.has_data = true;
        }
        Ok(())
    }

    fn push_value(&mut self, field: Field, bytes: &[u8]) -> Result<(), Full> {
        let (text, limit) = self.text_of(field);
        text.push(bytes, limit)
    }

    fn finish_value(&mut self, field: Field) -> Result<(), Full> {
        let (text, limit) = self.text_of(field);
        text.finish(limit)?;
        match field {
            Field::Data => {}
            Field::Event => self.value.take_into(&mut self.name),
            Field::Id if self.value.as_str().contains('\0') => self.value.clear(),
            Field::Id => {
                self.value.take_into(&mut self.id);
                self.block.has_id = true;
            }
            Field::Retry => {
                if let Some(retry) = parse_retry(self.value.as_str()) {
                    self.block.retry = Some(retry);
                    self.retry = Some(retry);
                }
                self.value.clear();
            }
        }
        Ok(())
    }

    /// The text that takes the value of `field`, and how long it may become.
    fn text_of(&mut self, field: Field) -> (&mut Text, usize) {
        let room = self.room();
        if field == Field::Data {
            let limit = self.data.len() + room;
            return (&mut self.data, limit);
        }
        let limit = (self.value.len() + room).min(MAX_FIELD_BYTES);
        (&mut self.value, limit)
    }

    /// How many more bytes of text the limit allows.
    fn room(&self) -> usize {
        let held = self.data.len()
            + self.value.len()
            + self.name.len()
            + self.id.len()
            + self.last_id.len();
        self.limit.saturating_sub(held)
    }

    #[inline]
    fn end_line<'i>(&mut self, (ending, after): (Ending, &'i [u8])) -> &'i [u8] {
        self.position = Position::LineStart;
        self.skip_lf = ending == Ending::BareCr;
        after
    }

    /// Acts on a blank line. Returns the data, if there is an event.
    #[inline]
    fn end_block<'i>(&mut self, held: Option<&'i str>) -> Option<Place<'i>> {
        if self.block.has_id {
            std::mem::swap(&mut self.last_id, &mut self.id);
            clear(&mut self.id);
        }
        if !self.block.has_data {
            self.begin_block();
            return None;
        }
        self.block.dispatched = true;
        Some(held.map_or(Place::Buffer, Place::Input))
    }

    fn begin_block(&mut self) {
        self.block = Block::default();
        self.data.clear();
        clear(&mut self.name);
    }

    /// Frees what the parser holds: the stream is over.
    fn give_up(&mut self) {
        *self = Self {
            position: Position::Failed,
            // No byte order mark may follow, nor what begins like one.
            bom: BOM.len(),
            last_id: std::mem::take(&mut self.last_id),
            retry: self.retry,
            ..Self::with_max_event_bytes(self.limit)
        };
    }
}

/// Reads a reconnection time: digits only, in milliseconds.
fn parse_retry(value: &str) -> Option<Duration> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Digits that do not fit are a number that is too large.
    let milliseconds = value.parse().unwrap_or(u64::MAX);
    Some(Duration::from_millis(milliseconds).min(MAX_RETRY))
}
