//! Budgets: what a call must fit into before it is made, and what it used afterwards.

use std::sync::Arc;

use notebook_core::{
    chat::{ChatMessage, TokenCount, ToolSpec},
    hex,
    model::Usage,
};
use sha2::{Digest as _, Sha256};

use super::{
    Answer, BudgetName, Call, End, Failure, ModelCall, ModelReply, Reply, Run,
    state::{Kind, Pending},
    step::{measure, over},
};

/// A call that may be made; or, with a failure, one that is not made, and whose node is told so.
pub(super) struct Admitted {
    pub(super) pending: Pending,
    pub(super) failure: Option<Failure>,
}

/// Checks a call against the budget, and takes from it what is known before.
pub(super) fn admit<S>(
    run: &mut Run<S>,
    branch: u32,
    node: &str,
    call: &Call,
) -> Result<Admitted, End> {
    let (digest, bytes) = measure(call);
    let mut pending = Pending {
        key: key(run, branch, node, &digest),
        digest,
        kind: Kind::Approval,
        since: run.spent.time + run.spent.waited,
        prompt_tokens: 0,
        max_tokens: 0,
    };
    let failure = refused(run, call, bytes);
    match call {
        Call::Approval(_) => {}
        Call::Tool(_) => {
            pending.kind = Kind::Tool;
            if failure.is_none() {
                check_cost(run)?;
                if run.spent.tool_calls >= run.budget.tool_calls {
                    return Err(over(BudgetName::ToolCalls));
                }
                run.spent.tool_calls += 1;
            }
        }
        Call::Model(call) => {
            pending.kind = Kind::Model;
            if failure.is_none() {
                check_cost(run)?;
                reserve(run, call, &mut pending)?;
                run.spent.model_calls += 1;
            }
        }
    }
    Ok(Admitted { pending, failure })
}

/// Why a call of so many bytes is not made at all.
fn refused<S>(run: &Run<S>, call: &Call, bytes: usize) -> Option<Failure> {
    if let Call::Tool(call) = call
        && !run.tools.contains(&call.name)
    {
        let known: Vec<&str> = run.tools.iter().map(String::as_str).collect();
        let name: String = call.name.chars().take(100).collect();
        let known = known.join(", ");
        let message = format!("there is no tool `{name}` in this run; there are: {known}");
        return Some(Failure::new("unknown_tool", message));
    }
    let most = run.budget.call_bytes;
    (bytes > most).then(|| Failure::new("too_large", format!("the call is over {most} bytes")))
}

fn check_cost<S>(run: &Run<S>) -> Result<(), End> {
    if run.spent.cost_micros >= run.budget.cost_micros {
        return Err(over(BudgetName::Cost));
    }
    Ok(())
}

/// Takes the tokens that the call may use at most from what is left beside those of other calls under way.
fn reserve<S>(run: &Run<S>, call: &ModelCall, pending: &mut Pending) -> Result<(), End> {
    let reserved: u64 =
        run.pending().map(|(_, other)| other.prompt_tokens + u64::from(other.max_tokens)).sum();
    let left = run.budget.tokens.saturating_sub(run.spent.tokens).saturating_sub(reserved);
    // A message costs some tokens however short it is.
    let tokens = |text: &str| TokenCount::estimate(text).tokens as u64 + 4;
    let message = |message: &ChatMessage| {
        let calls = message.tool_calls.iter();
        let calls: u64 = calls.map(|call| tokens(&call.name) + tokens(&call.arguments)).sum();
        tokens(&message.content) + calls
    };
    let offer = |tool: &ToolSpec| {
        tokens(&tool.name) + tokens(&tool.description) + tokens(&tool.parameters.to_string())
    };
    let prompt =
        call.messages.iter().map(message).sum::<u64>() + call.tools.iter().map(offer).sum::<u64>();
    let Some(room) = left.checked_sub(prompt).filter(|room| *room > 0) else {
        return Err(over(BudgetName::Tokens));
    };
    let wanted = call.max_tokens.unwrap_or(run.budget.answer_tokens);
    pending.prompt_tokens = prompt;
    pending.max_tokens = wanted.min(u32::try_from(room).unwrap_or(u32::MAX)).max(1);
    Ok(())
}

/// Counts what a call used and whether it failed; an answer that is too large is a failure. With the budget that is used up, if one is.
pub(super) fn settle<S>(
    run: &mut Run<S>,
    pending: &Pending,
    answer: Answer,
) -> (Answer, Option<BudgetName>) {
    let spent = &mut run.spent;
    match &answer {
        Ok(Reply::Model(reply)) => {
            let used = tokens(&reply.usage, pending, reply);
            spent.tokens = spent.tokens.saturating_add(used);
            let cost = reply.usage.cost_micros.unwrap_or(0);
            spent.cost_micros = spent.cost_micros.saturating_add(cost);
        }
        Ok(Reply::Tool(reply)) => {
            spent.cost_micros = spent.cost_micros.saturating_add(reply.cost_micros);
        }
        Ok(Reply::Approval(_)) | Err(_) => {}
    }
    let most = run.budget.call_bytes;
    let answer = answer.and_then(|reply| {
        if size(&reply) <= most {
            return Ok(reply);
        }
        Err(Failure::new("too_large", format!("the answer is over {most} bytes")))
    });
    // A failure's words go into the state as an answer's do.
    let answer = answer.map_err(|mut failure| {
        failure.code = failure.code.chars().take(100).collect();
        failure.message = failure.message.chars().take(2_000).collect();
        failure
    });
    spent.failures = if answer.is_err() { spent.failures.saturating_add(1) } else { 0 };
    let over = if spent.failures >= run.budget.failures {
        Some(BudgetName::Failures)
    } else if spent.tokens > run.budget.tokens {
        Some(BudgetName::Tokens)
    } else if spent.cost_micros > run.budget.cost_micros {
        Some(BudgetName::Cost)
    } else {
        None
    };
    (answer, over)
}

fn size(reply: &Reply) -> usize {
    match reply {
        // What most of it is, without making it again.
        Reply::Model(reply) if reply.tool_calls.is_empty() => reply.text.len(),
        reply => serde_json::to_vec(reply).map_or(usize::MAX, |text| text.len()),
    }
}

/// As told; estimated where a model tells nothing.
fn tokens(usage: &Usage, pending: &Pending, reply: &ModelReply) -> u64 {
    let told = |tokens: u64, estimate: u64| if tokens == 0 { estimate } else { tokens };
    let estimate = |text: &str| TokenCount::estimate(text).tokens as u64;
    let calls: u64 = reply.tool_calls.iter().map(|call| estimate(&call.arguments) + 4).sum();
    let answer = estimate(&reply.text) + calls;
    let prompt = told(usage.prompt_tokens, pending.prompt_tokens);
    prompt.saturating_add(told(usage.completion_tokens, answer))
}

/// The call's own key: the same whenever this step of this run asks for the same.
fn key<S>(run: &Run<S>, branch: u32, node: &str, digest: &str) -> Arc<str> {
    let mut hash = Sha256::new();
    hash.update(run.id.as_bytes());
    hash.update(run.step.to_le_bytes());
    hash.update(branch.to_le_bytes());
    hash.update(digest.as_bytes());
    hash.update(node.as_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    hex(digest.get(..16).unwrap_or(&digest)).into()
}
