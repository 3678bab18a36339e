//! The tool calls of one answer, put together from the pieces in which providers send them. No I/O.
//!
//! Dialects agree on little: pieces have an index, or an id, or neither; the id comes once, each time, or never; some servers
//! send whole calls, all under index 0. Calls are handed out when the answer has ended well, so that nobody acts on half an
//! answer.

use std::collections::{HashSet, VecDeque};

use super::{ChatEvent, ChatRequest, FinishReason, ToolCall};
use crate::{
    Error, ErrorKind, Result,
    http::{MAX_MESSAGE_BYTES, protocol},
};

const OPERATION: &str = "read answer";
/// The most calls of an answer.
const MOST_CALLS: usize = 512;
/// The most bytes of all calls of an answer.
const MOST_BYTES: usize = MAX_MESSAGE_BYTES;
/// What ids begin with that were made here.
const MADE: &str = "made_call_";

/// More of a call.
#[derive(Debug, Default)]
pub(super) struct Piece<'a> {
    /// The provider's number of the call.
    pub(super) index: Option<u64>,
    /// The provider's name of the call.
    pub(super) id: Option<&'a str>,
    /// The tool.
    pub(super) name: Option<&'a str>,
    /// More of the arguments.
    pub(super) arguments: &'a str,
}

/// The calls so far.
#[derive(Debug)]
pub(super) struct Calls {
    /// How many calls came before this answer: made ids are unique in a conversation.
    before: usize,
    bytes: usize,
    list: Vec<Call>,
}

#[derive(Debug, Default)]
struct Call {
    #[cfg_attr(
        not(any(feature = "anthropic", feature = "openai", test)),
        expect(dead_code, reason = "only calls in pieces are told apart by it")
    )]
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    nesting: Nesting,
}

impl Calls {
    /// No calls yet of the answer to a request.
    pub(super) fn new(request: &ChatRequest) -> Self {
        let before = request.messages.iter().map(|message| message.tool_calls.len()).sum();
        Self { before, bytes: 0, list: Vec::new() }
    }

    /// Takes more of a call, old or new.
    #[cfg(any(feature = "anthropic", feature = "openai", test))]
    pub(super) fn push(&mut self, piece: &Piece<'_>) -> Result<()> {
        let piece = Piece { id: given(piece.id), name: given(piece.name), ..*piece };
        self.weigh(&piece)?;
        let at = match self.place(&piece) {
            Some(at) => at,
            None => self.begin(piece.index)?,
        };
        let Some(call) = self.list.get_mut(at) else { return Ok(()) };
        call.take(&piece)
    }

    /// Takes a call that came in one piece.
    #[cfg(any(feature = "anthropic", feature = "google", feature = "ollama", test))]
    pub(super) fn whole(&mut self, piece: &Piece<'_>) -> Result<()> {
        let piece = Piece { id: given(piece.id), name: given(piece.name), ..*piece };
        self.weigh(&piece)?;
        let at = self.begin(piece.index)?;
        let Some(call) = self.list.get_mut(at) else { return Ok(()) };
        call.take(&piece)
    }

    /// The answer has ended: hands out the calls, and last why it ended.
    ///
    /// - An answer that was cut by a limit may end within a call, which is left out; the reason tells of it.
    ///
    /// # Errors
    /// `Protocol`: a call without a tool, or none at all where there should be.
    pub(super) fn finish(
        &mut self,
        reason: FinishReason,
        out: &mut VecDeque<ChatEvent>,
    ) -> Result<()> {
        let cut = matches!(reason, FinishReason::Length | FinishReason::ContentFilter);
        let mut list = std::mem::take(&mut self.list);
        if cut {
            list.retain(|call| call.nesting.is_whole() && !call.name.is_empty());
        }
        if list.iter().any(|call| call.name.is_empty()) {
            return Err(protocol(OPERATION, "asked for a tool without its name"));
        }
        if reason == FinishReason::ToolCalls && list.is_empty() {
            return Err(protocol(OPERATION, "said that it asks for tools, and named none"));
        }
        let any = !list.is_empty();
        let mut ids = HashSet::new();
        for (at, mut call) in list.into_iter().enumerate() {
            if call.id.is_empty() || ids.contains(&call.id) {
                call.id = format!("{MADE}{}", self.before + at + 1);
            }
            ids.insert(call.id.clone());
            out.push_back(ChatEvent::ToolCall(call.into()));
        }
        // Some servers say that they are done although they ask for tools.
        let reason = if any && !cut { FinishReason::ToolCalls } else { reason };
        out.push_back(ChatEvent::Finish(reason));
        Ok(())
    }

    fn weigh(&mut self, piece: &Piece<'_>) -> Result<()> {
        let more = [piece.id.unwrap_or_default(), piece.name.unwrap_or_default(), piece.arguments];
        self.bytes += more.iter().map(|text| text.len()).sum::<usize>();
        if self.bytes <= MOST_BYTES {
            return Ok(());
        }
        Err(too_large(format!("{MOST_BYTES} bytes of tool calls an answer")))
    }

    fn begin(&mut self, index: Option<u64>) -> Result<usize> {
        if self.list.len() == MOST_CALLS {
            return Err(too_large(format!("{MOST_CALLS} tool calls an answer")));
        }
        self.list.push(Call { index, ..Call::default() });
        Ok(self.list.len() - 1)
    }

    /// Which call a piece belongs to; none when it begins another.
    #[cfg(any(feature = "anthropic", feature = "openai", test))]
    fn place(&self, piece: &Piece<'_>) -> Option<usize> {
        let at = match (piece.index, piece.id) {
            (Some(_), _) => self.list.iter().rposition(|call| call.index == piece.index),
            (None, Some(id)) => self.list.iter().rposition(|call| call.id == id),
            (None, None) => self.list.len().checked_sub(1),
        }?;
        let call = self.list.get(at)?;
        let other_id = piece.id.is_some_and(|id| !call.id.is_empty() && call.id != id);
        // A whole object cannot go on: a name with more arguments begins another call.
        let begins = piece.name.is_some() && call.nesting.is_whole() && !piece.arguments.is_empty();
        (!other_id && !begins).then_some(at)
    }
}

impl Call {
    fn take(&mut self, piece: &Piece<'_>) -> Result<()> {
        if let Some(id) = piece.id.filter(|_| self.id.is_empty()) {
            id.clone_into(&mut self.id);
        }
        match piece.name {
            Some(name) if self.name.is_empty() => name.clone_into(&mut self.name),
            Some(name) if self.name != name => {
                return Err(protocol(OPERATION, "gave one tool call two names"));
            }
            _ => {}
        }
        self.arguments.push_str(piece.arguments);
        self.nesting.read(piece.arguments);
        Ok(())
    }
}

impl From<Call> for ToolCall {
    fn from(call: Call) -> Self {
        let arguments =
            if call.arguments.trim().is_empty() { "{}".to_owned() } else { call.arguments };
        Self { id: call.id, name: call.name, arguments }
    }
}

fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn too_large(limit: String) -> Error {
    Error::new(ErrorKind::TooLarge, OPERATION).with("limit", limit)
}

/// Whether a JSON object has come to its end, found out as its text comes.
#[derive(Debug, Default)]
struct Nesting {
    depth: usize,
    begun: bool,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    const fn is_whole(&self) -> bool {
        self.begun && self.depth == 0
    }

    fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            match (self.in_string, byte) {
                (true, _) if self.escaped => self.escaped = false,
                (true, b'\\') => self.escaped = true,
                (_, b'"') => self.in_string = !self.in_string,
                (false, b'{' | b'[') => {
                    self.begun = true;
                    self.depth += 1;
                }
                (false, b'}' | b']') => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }
}

/// Whether an id was made here, so that the provider knows nothing of it.
#[cfg(any(feature = "google", test))]
pub(super) fn is_made(id: &str) -> bool {
    id.starts_with(MADE)
}

/// Arguments for dialects that have them as an object. What the model wrote is not always one: then it stands in a field.
#[cfg(any(feature = "anthropic", feature = "google", feature = "ollama", test))]
pub(super) fn object(arguments: &str) -> serde_json::Map<String, serde_json::Value> {
    use serde_json::{Map, Value};
    match serde_json::from_str(arguments) {
        Ok(Value::Object(object)) => object,
        _ => {
            let field = ("arguments".to_owned(), Value::String(arguments.to_owned()));
            Map::from_iter(Some(field).filter(|_| !arguments.trim().is_empty()))
        }
    }
}

/// The tool that a result is of, by the call before it.
#[cfg(any(feature = "google", feature = "ollama", test))]
pub(super) fn tool_of<'a>(
    before: &'a [super::ChatMessage],
    result: &super::ChatMessage,
) -> &'a str {
    let id = result.tool_call_id.as_deref();
    let calls = before.iter().rev().flat_map(|message| &message.tool_calls);
    calls.into_iter().find(|call| Some(call.id.as_str()) == id).map_or("", |call| &call.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{ChatMessage, ChatRole};

    fn piece<'a>(
        index: Option<u64>,
        id: Option<&'a str>,
        name: Option<&'a str>,
        arguments: &'a str,
    ) -> Piece<'a> {
        Piece { index, id, name, arguments }
    }

    fn end(mut calls: Calls, reason: FinishReason) -> Result<(Vec<[String; 3]>, FinishReason)> {
        let mut out = VecDeque::new();
        calls.finish(reason, &mut out)?;
        let Some(ChatEvent::Finish(reason)) = out.pop_back() else { panic!("no end: {out:?}") };
        let said = out.into_iter().map(|event| match event {
            ChatEvent::ToolCall(call) => [call.id, call.name, call.arguments],
            other => panic!("{other:?}"),
        });
        Ok((said.collect(), reason))
    }

    fn calls(pieces: &[Piece<'_>]) -> Calls {
        let mut calls = Calls::new(&ChatRequest::default());
        pieces.iter().for_each(|piece| calls.push(piece).unwrap());
        calls
    }

    fn said(pieces: &[Piece<'_>]) -> Vec<[String; 3]> {
        end(calls(pieces), FinishReason::Stop).unwrap().0
    }

    const A: Option<&str> = Some("a");
    const B: Option<&str> = Some("b");
    const F: Option<&str> = Some("f");
    const G: Option<&str> = Some("g");

    /// C1: however a server cuts its calls and numbers them, the same two come out.
    #[test]
    fn c1_every_way_of_pieces_gives_the_same_calls() {
        let expected =
            [["a", "f", "{\"x\":\"}{\"}"], ["b", "g", "{}"]].map(|c| c.map(str::to_owned));
        let (zero, one, seven) = (Some(0), Some(1), Some(7));
        let x = "{\"x\":\"}{\"}";
        for pieces in [
            // By index, the id and the name once, mixed.
            vec![
                piece(zero, A, F, ""),
                piece(one, B, G, "{"),
                piece(zero, None, None, "{\"x\":\"}"),
                piece(one, None, None, "}"),
                piece(zero, None, Some(""), "{\"}"),
            ],
            // An index that jumps, and no arguments.
            vec![piece(zero, A, F, x), piece(seven, B, G, "")],
            // All under index 0, whole, told apart by their ids.
            vec![piece(zero, A, F, x), piece(zero, B, G, "{}")],
            // The id and the name each time.
            vec![
                piece(zero, A, F, "{\"x\":"),
                piece(zero, A, F, "\"}{\"}"),
                piece(one, B, G, "{}"),
            ],
            // Without an index.
            vec![
                piece(None, A, F, "{\"x\":"),
                piece(None, None, None, "\"}{\"}"),
                piece(None, B, G, "{}"),
            ],
            // The id after the name.
            vec![piece(zero, None, F, ""), piece(zero, A, None, x), piece(one, B, G, "{}")],
        ] {
            assert_eq!(said(&pieces), expected, "{pieces:?}");
        }
    }

    #[test]
    fn ids_are_made_where_there_are_none_or_twice_the_same() {
        let whole = piece(Some(0), None, F, "{}");
        let twice = said(&[whole, piece(Some(0), None, F, "{}")]);
        assert_eq!([&twice[0][0], &twice[1][0]], ["made_call_1", "made_call_2"]);
        let same = said(&[piece(Some(0), A, F, "{}"), piece(Some(1), A, G, "{}")]);
        assert_eq!([&same[0][0], &same[1][0]], ["a", "made_call_2"]);
        // Unique in the conversation.
        let call = ToolCall { id: "made_call_1".into(), name: "f".into(), arguments: "{}".into() };
        let asked = ChatMessage::assistant("", vec![call]);
        let mut next = Calls::new(&ChatRequest { messages: vec![asked], ..ChatRequest::default() });
        next.whole(&piece(None, None, F, "")).unwrap();
        assert_eq!(end(next, FinishReason::Stop).unwrap().0[0][0], "made_call_2");
        assert!(is_made("made_call_2") && !is_made("call_2"));
    }

    #[test]
    fn reasons_follow_the_calls() {
        let one = || calls(&[piece(Some(0), A, F, "{}")]);
        for reason in [FinishReason::Stop, FinishReason::ToolCalls] {
            assert_eq!(end(one(), reason).unwrap().1, FinishReason::ToolCalls);
        }
        assert_eq!(end(calls(&[]), FinishReason::Stop).unwrap().1, FinishReason::Stop);
        let none = end(calls(&[]), FinishReason::ToolCalls).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::Protocol);
        // Cut by the limit of tokens: whole calls only.
        let cut = calls(&[piece(Some(0), A, F, "{}"), piece(Some(1), B, G, "{\"x\": [1")]);
        let (kept, reason) = end(cut, FinishReason::Length).unwrap();
        assert_eq!((kept.len(), reason), (1, FinishReason::Length));
    }

    /// Z9: what no dialect says is an error, and nothing grows without end.
    #[test]
    fn z9_hostile_calls_are_errors() {
        let nameless = end(calls(&[piece(Some(0), A, None, "{}")]), FinishReason::ToolCalls);
        assert_eq!(nameless.unwrap_err().kind(), ErrorKind::Protocol);
        let mut two_names = calls(&[piece(Some(0), A, F, "{")]);
        let error = two_names.push(&piece(Some(0), A, G, "}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);

        let mut many = calls(&[]);
        let refused = (0..).find_map(|at| many.push(&piece(Some(at), None, F, "{}")).err());
        assert_eq!(refused.unwrap().kind(), ErrorKind::TooLarge);
        assert_eq!(end(many, FinishReason::Stop).unwrap().0.len(), MOST_CALLS);

        let mut large = calls(&[piece(Some(0), A, F, "{\"x\":\"")]);
        let kib = "x".repeat(1024);
        let refused = (0..2000).find_map(|_| large.push(&piece(Some(0), None, None, &kib)).err());
        assert_eq!(refused.unwrap().kind(), ErrorKind::TooLarge);
        let mut ids = calls(&[]);
        let refused = (0..2000).find_map(|_| ids.push(&piece(Some(0), Some(&kib), F, "")).err());
        assert_eq!(refused.unwrap().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn arguments_become_objects_and_results_find_their_tool() {
        assert_eq!(object("{\"a\":1}")["a"], 1);
        assert_eq!(object("[1]")["arguments"], "[1]");
        assert_eq!(object("{\"a\"")["arguments"], "{\"a\"");
        assert!(object(" ").is_empty());
        let call = ToolCall { id: "1".into(), name: "f".into(), arguments: "{}".into() };
        let before = [ChatMessage::assistant("", vec![call.clone()])];
        assert_eq!(tool_of(&before, &ChatMessage::tool(&call, "")), "f");
        assert_eq!(tool_of(&before, &ChatMessage::new(ChatRole::User, "")), "");
    }
}
