//! A reader of a run that comes back until it has seen the end.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use notebook_core::{model::Run, sse::EventStream};
use serde_json::Value;

use crate::{PATIENCE, dice::Dice, ledger::Seen, people::Browser};

const TERMINAL: [&str; 4] = ["completed", "stopped", "failed", "abandoned"];

/// Whether an event ends its run.
pub fn is_terminal(event: &Value) -> bool {
    event["type"].as_str().is_some_and(|name| TERMINAL.contains(&name))
}

/// Reads from whichever server, going on after the last number, until the terminal event.
///
/// # Errors
/// What must not happen, in words.
pub async fn read(browser: Browser, mut dice: Dice, run: Run) -> Result<Seen, String> {
    let mut seen = Seen::default();
    let deadline = Instant::now() + PATIENCE;
    while seen.terminal.is_none() {
        if Instant::now() > deadline {
            return Err(format!("run {} does not end for its reader: {seen:?}", run.id));
        }
        let at = browser.at(&mut dice, &format!("/api/runs/{}/events", run.id));
        let mut request = browser.http.get(at);
        if seen.last > 0 {
            request = request.header("last-event-id", format!("{}:{}", run.id, seen.last));
            seen.resumed += 1;
        }
        if let Ok(reply) = request.send().await {
            if reply.status().is_client_error() && reply.status() != 429 {
                return Err(format!("run {} is refused: {}", run.id, reply.status()));
            }
            if reply.status().is_success() {
                follow(&mut seen, EventStream::new(reply.bytes_stream()), &mut dice).await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(20 + dice.roll(200))).await;
    }
    Ok(seen)
}

async fn follow<S, E>(
    seen: &mut Seen,
    mut stream: EventStream<S>,
    dice: &mut Dice,
) -> Result<(), String>
where
    EventStream<S>: futures::Stream<Item = Result<notebook_core::sse::Event, E>> + Unpin,
{
    while let Some(Ok(event)) = stream.next().await {
        let data: Value =
            serde_json::from_str(&event.data).map_err(|error| format!("{error}: {event:?}"))?;
        take(seen, data)?;
        if seen.terminal.is_some() || dice.roll(40) == 0 {
            return Ok(());
        }
    }
    Ok(())
}

/// What a page does with an event.
pub fn take(seen: &mut Seen, event: Value) -> Result<(), String> {
    let seq = event["seq"].as_u64().ok_or_else(|| format!("no number: {event}"))?;
    if let Some(end) = &seen.terminal {
        return Err(format!("after the end {end} came {event}"));
    }
    let kind = event["type"].as_str().unwrap_or_default();
    if seq <= seen.last && kind != "resync" {
        return Err(format!("after number {} came {event}", seen.last));
    }
    seen.last = seq;
    match kind {
        "delta" => seen.text.push_str(event["text"].as_str().unwrap_or_default()),
        "citation" => seen.citations.push(event.clone()),
        "restarted" => {
            seen.text.clear();
            seen.citations.clear();
            seen.anew += 1;
        }
        "resync" => {
            event["text"].as_str().unwrap_or_default().clone_into(&mut seen.text);
            seen.citations = event["citations"].as_array().cloned().unwrap_or_default();
        }
        _ => {}
    }
    if is_terminal(&event) {
        seen.terminal = Some(event);
    }
    Ok(())
}
