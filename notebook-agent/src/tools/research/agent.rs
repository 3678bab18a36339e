//! The graph: think, call what was asked for, think again, answer.

use std::collections::BTreeSet;

use notebook_core::{
    Result,
    approval::visible,
    chat::{self, ChatMessage, ToolChoice},
};
use serde_json::{Value, json};

use super::{
    prompt,
    state::{One, Research, Told},
};
use crate::{
    graph::{
        Approval, Branch, Context, END, Failure, Graph, ModelCall, ModelReply, ToolCall, ToolReply,
        Verdict,
    },
    guard::{provenance::Origin, redact::redacted},
    tools::{Decision, Foreign, Observation, Reason, ToolClass, decide},
};

/// The name that is in checkpoints.
pub const NAME: &str = "research";
/// The version of [`Research`].
const SCHEMA: u32 = 1;
/// The most steps of one call: to be decided, approved, made, joined.
const STEPS: u32 = 4;
/// Steps to come to the end with.
const LAST_STEPS: u32 = 4;
/// The most characters of a failure's code that are told, and of arguments.
const LONGEST_CODE: usize = 64;
const MOST_SHOWN: usize = 300;
/// The longest id of a call that is believed.
const LONGEST_ID: usize = 512;

/// The graph of all researches.
///
/// # Errors
/// None, unless the graph is wrong.
pub fn graph() -> notebook_core::Result<Graph<Research>> {
    Graph::<Research>::builder(NAME, SCHEMA)
        .model("think", think, take_thought)
        .choose("think", after_thought, &["think", "act", END])
        .split("act", split, one_call()?, join)
        .edge("act", "think")
        .build()
}

/// One call that a model asked for, in a branch of its own.
fn one_call() -> notebook_core::Result<Graph<Research>> {
    Graph::<Research>::builder("call", SCHEMA)
        .compute("decide", |state, context| {
            if let Some(one) = &state.one {
                context.note(json!(one.called()))?;
            }
            if let Some(Decision::Refused(reason)) = state.one.as_ref().map(|one| one.decision) {
                conclude(state, Err(not_allowed(reason)), context)?;
            }
            Ok(())
        })
        .choose("decide", after_decision, &["ask", "make", END])
        .approval("ask", ask, take_verdict)
        .choose("ask", |state| if concluded(state) { END } else { "make" }, &["make", END])
        .tool("make", |state, _| Ok(action(state)), take_result)
        .edge("make", END)
        .build()
}

fn not_allowed(reason: Reason) -> Failure {
    Failure::new("not_allowed", reason.sentence())
}

/// What a person is told of a call.
fn said(class: ToolClass, decision: Decision) -> String {
    let Decision::NeedsApproval(reason) = decision else { return String::new() };
    let does = match class {
        ToolClass::Write => Reason::Writes,
        ToolClass::Outward | ToolClass::Read => Reason::Outward,
    };
    if does == reason {
        return does.sentence().to_owned();
    }
    format!("{} {}", does.sentence(), reason.sentence())
}

/// Whose tool it is, for a person.
fn whose(foreign: &Foreign) -> String {
    let (tool, server) = (visible(&foreign.tool), &foreign.server);
    format!("It is the tool `{tool}` of the MCP server `{server}`.")
}

/// Whether the model is to answer with what it has.
fn is_last(state: &Research, context: &Context<'_>) -> bool {
    state.rounds >= state.limits.rounds || room(context) == 0
}

/// How many calls the budget leaves room for.
fn room(context: &Context<'_>) -> u32 {
    let (budget, spent) = (context.budget(), context.spent());
    let steps = budget.steps.saturating_sub(spent.steps).saturating_sub(LAST_STEPS) / STEPS;
    // The branch that splits is one of them.
    let branches = budget.branches.saturating_sub(1);
    budget.tool_calls.saturating_sub(spent.tool_calls).min(steps).min(branches)
}

fn think(state: &Research, context: &mut Context<'_>) -> Result<ModelCall, Failure> {
    let choice = if is_last(state, context) { ToolChoice::None } else { ToolChoice::Auto };
    Ok(ModelCall {
        tools: state.specs.clone(),
        tool_choice: choice,
        temperature: state.asking.temperature,
        top_p: state.asking.top_p,
        max_tokens: state.asking.max_tokens,
        ..ModelCall::new(prompt::fitting(&state.messages, state.limits.prompt_tokens))
    })
}

fn take_thought(
    state: &mut Research,
    reply: Result<ModelReply, Failure>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let reply = match reply {
        Ok(reply) => reply,
        Err(failure) if failure.retryable && state.failed < state.limits.again => {
            state.failed += 1;
            return Ok(());
        }
        Err(failure) => return Err(failure),
    };
    state.failed = 0;
    if reply.tool_calls.is_empty() || is_last(state, context) {
        state.answer = Some(reply.text);
        return Ok(());
    }
    state.rounds += 1;
    let calls = named(reply.tool_calls, state.rounds);
    state.messages.push(ChatMessage::assistant(reply.text, calls.clone()));
    state.round = calls;
    Ok(())
}

/// The calls with ids and names that any provider takes back: a model may write what it likes.
fn named(calls: Vec<chat::ToolCall>, round: u32) -> Vec<chat::ToolCall> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut ids = BTreeSet::new();
    let name = |(place, mut call): (usize, chat::ToolCall)| {
        if call.id.is_empty() || call.id.len() > LONGEST_ID || !ids.insert(call.id.clone()) {
            call.id = format!("call_{round}_{place}");
        }
        call.name.retain(plain);
        call.name.truncate(64);
        if call.name.is_empty() {
            "unnamed".clone_into(&mut call.name);
        }
        call
    };
    calls.into_iter().enumerate().map(name).collect()
}

fn after_thought(state: &Research) -> &'static str {
    match (&state.answer, state.round.is_empty()) {
        (Some(_), _) => END,
        (None, false) => "act",
        (None, true) => "think",
    }
}

/// A branch for each call that there is room for.
fn split(state: &Research, context: &mut Context<'_>) -> Result<Vec<Research>, Failure> {
    let most = state.limits.calls.min(room(context)) as usize;
    let calls = state.round.iter().take(most).enumerate();
    Ok(calls.map(|(place, call)| branch(state, place, call)).collect())
}

fn branch(state: &Research, place: usize, call: &chat::ToolCall) -> Research {
    let class = state.kinds.get(&call.name).map(|(class, _)| *class);
    // A tool that there is not: the engine says so.
    let class = class.unwrap_or(ToolClass::Read);
    // The taint is that of the whole run: whether these words are made of what was read, nobody can tell.
    let decision = decide(&state.policy, class, &state.taint, false);
    let foreign = state.foreign.get(&call.name);
    let reason = match foreign {
        Some(foreign) => format!("{} {}", said(class, decision), whose(foreign)),
        None => said(class, decision),
    };
    let definition = foreign.map(|foreign| foreign.digest.clone());
    let id = format!("{}.{}", state.rounds, place + 1);
    let one = One { id, call: call.clone(), decision, reason, definition, outcome: None };
    Research { one: Some(one), ..Research::default() }
}

fn after_decision(state: &Research) -> &'static str {
    match state.one.as_ref().map(|one| one.decision) {
        Some(Decision::Allowed) => "make",
        Some(Decision::NeedsApproval(_)) => "ask",
        Some(Decision::Refused(_)) | None => END,
    }
}

/// What is shown to a person is what is called.
fn action(state: &Research) -> ToolCall {
    let Some(one) = &state.one else { return ToolCall::new("", Value::Null) };
    // What is no JSON comes as the text that it is, and fits no schema.
    let arguments = serde_json::from_str(&one.call.arguments)
        .unwrap_or_else(|_| Value::String(one.call.arguments.clone()));
    ToolCall { name: one.call.name.clone(), arguments, definition: one.definition.clone() }
}

fn ask(state: &Research, _: &mut Context<'_>) -> Result<Approval, Failure> {
    let reason = state.one.as_ref().map(|one| one.reason.clone()).unwrap_or_default();
    Ok(Approval { action: action(state), reason })
}

fn take_verdict(
    state: &mut Research,
    verdict: Result<Verdict, Failure>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    const NO: &str = "the user does not want this call to be made";
    let refused = match verdict {
        Ok(Verdict::Approved) => return Ok(()),
        Ok(Verdict::Refused { reason }) if reason.trim().is_empty() => Failure::new("refused", NO),
        Ok(Verdict::Refused { reason }) => Failure::new("refused", format!("{NO}: {reason}")),
        Ok(Verdict::Expired) => {
            Failure::new("refused", "nobody allowed this call in time, so it was not made")
        }
        Err(failure) => failure,
    };
    conclude(state, Err(refused), context)
}

fn take_result(
    state: &mut Research,
    reply: Result<ToolReply, Failure>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let observed = reply.and_then(|reply| {
        serde_json::from_value::<Observation>(reply.output)
            .map_err(|_| Failure::new("protocol", "the tool answered with something else"))
    });
    conclude(state, observed, context)
}

fn conclude(
    state: &mut Research,
    outcome: Result<Observation, Failure>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let Some(one) = &mut state.one else { return Ok(()) };
    one.outcome = Some(outcome);
    match one.answered() {
        Some(told) => context.note(json!(told)),
        None => Ok(()),
    }
}

fn concluded(state: &Research) -> bool {
    state.one.as_ref().is_none_or(|one| one.outcome.is_some())
}

/// What the calls brought, in the order in which they were asked for.
fn join(
    state: &mut Research,
    branches: Vec<Branch<Research>>,
    _: &mut Context<'_>,
) -> Result<(), Failure> {
    let mut branches = branches.into_iter();
    for call in std::mem::take(&mut state.round) {
        let outcome = match branches.next() {
            Some(branch) => {
                state.told.extend(branch.state.told());
                outcome(branch)
            }
            None => Err(Failure::new("too_many", "it was not called: that were too many at once")),
        };
        // What another program says of a failure is its text too.
        if let Some((_, Some(origin))) = state.kinds.get(&call.name) {
            state.taint.mark(origin.clone());
        }
        for finding in outcome.iter().flat_map(|observation| &observation.findings) {
            state.taint.mark(Origin::Source(finding.source));
        }
        let text = prompt::result(state, &outcome);
        state.messages.push(ChatMessage::tool(&call, text));
    }
    Ok(())
}

fn outcome(branch: Branch<Research>) -> Result<Observation, Failure> {
    let outcome = branch.state.one.and_then(|one| one.outcome);
    match (outcome, branch.failure) {
        (Some(outcome), _) => outcome,
        (None, Some(failure)) => Err(failure),
        (None, None) => Err(Failure::new("internal", "the call came to no end")),
    }
}

impl One {
    /// That it was asked for.
    fn called(&self) -> Told {
        let (call, tool) = (self.id.clone(), self.call.name.clone());
        Told::Called { call, tool, arguments: brief(&self.call.arguments) }
    }

    /// What is told of its end: not what it brought.
    fn answered(&self) -> Option<Told> {
        let outcome = self.outcome.as_ref()?;
        let (call, tool) = (self.id.clone(), self.call.name.clone());
        let failure =
            outcome.as_ref().err().map(|failure| failure.code.chars().take(LONGEST_CODE).collect());
        let found = outcome.as_ref().map_or(0, |observation| observation.findings.len());
        let passages = u32::try_from(found).unwrap_or(u32::MAX);
        Some(Told::Answered { call, tool, passages, failure })
    }

    pub(super) fn told(&self) -> Vec<Told> {
        [Some(self.called()), self.answered()].into_iter().flatten().collect()
    }
}

/// The beginning of arguments, for the eye: no secrets, nothing hidden.
fn brief(arguments: &str) -> String {
    let beginning: String = arguments.chars().take(8 * MOST_SHOWN).collect();
    let shown = visible(&redacted(&beginning));
    let mut short: String = shown.chars().take(MOST_SHOWN).collect();
    if short.len() < shown.len() {
        short.push('…');
    }
    short
}
