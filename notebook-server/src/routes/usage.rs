use axum::extract::State;
use jiff::{ToSpan as _, civil::Date};
use notebook_core::{
    Error,
    usage::{Day, Group, GroupUsage, Groups, Histogram},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    extract::{Json, Query, Scope, need},
    problem::{Problem, Reply},
};

/// The most days of a reply.
const MOST: i64 = 366;
/// How many days are added up at a time.
const TOGETHER: i64 = 7;
const FIRST: Date = Date::constant(1970, 1, 1);
const READ: &str = "read usage";

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    #[default]
    Day,
    Model,
    Notebook,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageQuery {
    /// The first day (UTC), such as `2026-11-01`; 29 days before the last when absent.
    from: Option<String>,
    /// The last day; today when absent. At most 366 days in all.
    to: Option<String>,
    /// By what is added up: `day` (when absent), `model`, `notebook`.
    #[serde(default)]
    #[param(inline)]
    group: By,
}

/// What answers used.
#[derive(Serialize, ToSchema)]
pub(super) struct UsageReply {
    /// The first day.
    from: String,
    /// The last day.
    to: String,
    /// The first day that may still change: it and those after it are counted anew each quarter of an hour. None before
    /// anything was counted.
    open_from: Option<String>,
    /// The groups in which there were answers, in order of their keys.
    items: Vec<UsageItem>,
}

#[derive(Serialize, ToSchema)]
struct UsageItem {
    /// The day, `provider/model` (none for answers that ended before a model wrote anything), or the notebook's id.
    key: Option<String>,
    /// Answers that ended.
    answers: u64,
    outcomes: Outcomes,
    tokens: Tokens,
    cost: Cost,
    /// Milliseconds from sending the prompt to the model's first token, where there was one.
    first_token_ms: Latency,
    /// Milliseconds from the question to the answer's end, waiting included.
    total_ms: Latency,
}

/// How answers ended; their sum is `answers`.
#[derive(Serialize, ToSchema)]
struct Outcomes {
    completed: u64,
    /// By a person.
    stopped: u64,
    failed: u64,
    /// For want of anybody who watched.
    abandoned: u64,
}

/// Tokens, as stored with the answers.
#[derive(Serialize, ToSchema)]
struct Tokens {
    prompt: u64,
    completion: u64,
    /// Of how many answers they are an estimate.
    estimated_answers: u64,
}

/// What answers cost, as stored with them: only of models that have a price in `chat.prices`.
#[derive(Serialize, ToSchema)]
struct Cost {
    /// Their sum in millionths of a US dollar.
    usd_micros: u64,
    /// Of how many answers it is the sum.
    priced_answers: u64,
}

/// Percentiles within 5 %.
#[derive(Serialize, ToSchema)]
struct Latency {
    /// How many were measured.
    count: u64,
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
}

/// What answers used, by day, model or notebook. Days are UTC. What is deleted changes no day that is over.
#[utoipa::path(get, path = "/api/usage", params(UsageQuery),
    responses((status = 200, body = UsageReply), (status = 422, body = Problem)))]
pub(super) async fn usage(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::UsageRead>,
    Query(query): Query<UsageQuery>,
) -> Reply<Json<UsageReply>> {
    let today = Day::of(app.clock.now());
    let to = query.to.map_or(Ok(today), |text| day("to", &text))?;
    let month_before = Day::from_number(to.number().saturating_sub(29));
    let from = query.from.map_or(Ok(month_before), |text| day("from", &text))?;
    if from > to || to.number() - from.number() >= MOST {
        let fix = format!("give a day up to `to`, at most {MOST} days in all");
        return Err(Error::invalid(READ, "from", fix).into());
    }
    let mut groups = Groups::new(match query.group {
        By::Day => Group::Day,
        By::Model => Group::Model,
        By::Notebook => Group::Notebook,
    });
    let mut next = from;
    while next <= to {
        let last = Day::from_number(next.number() + TOGETHER - 1).min(to);
        groups.add(&app.usage.usage(&scope, next, last).await?);
        next = last.next();
    }
    let open_from = app.usage.first_open_day(&scope).await?;
    Ok(Json(UsageReply {
        from: name(from),
        to: name(to),
        open_from: open_from.map(name),
        items: groups.finish().into_iter().map(item).collect(),
    }))
}

fn item(group: GroupUsage) -> UsageItem {
    let GroupUsage { day, model, notebook, counts } = group;
    let notebook = notebook.map(|notebook| notebook.to_string());
    UsageItem {
        key: day.map(name).or(model).or(notebook),
        answers: counts.answers,
        outcomes: Outcomes {
            completed: counts.completed,
            stopped: counts.stopped,
            failed: counts.failed,
            abandoned: counts.abandoned,
        },
        tokens: Tokens {
            prompt: counts.prompt_tokens,
            completion: counts.completion_tokens,
            estimated_answers: counts.estimated,
        },
        cost: Cost { usd_micros: counts.cost_micros, priced_answers: counts.priced },
        first_token_ms: latency(&counts.first_token),
        total_ms: latency(&counts.total),
    }
}

fn latency(histogram: &Histogram) -> Latency {
    // No more digits than are known.
    let of = |share| {
        let millis = histogram.percentile(share)?.as_secs_f64() * 1e3;
        Some(if millis < 10.0 { (millis * 10.0).round() / 10.0 } else { millis.round() })
    };
    Latency { count: histogram.count(), p50: of(0.5), p90: of(0.9), p99: of(0.99) }
}

fn day(field: &str, text: &str) -> Result<Day, Error> {
    let date = Date::strptime("%Y-%m-%d", text).map_err(|error| {
        Error::invalid(READ, field, "give a day such as 2026-11-01").caused_by(error)
    })?;
    let days = date.duration_since(FIRST).as_secs() / 86_400;
    Ok(Day::from_number(days))
}

fn name(day: Day) -> String {
    // Out of what a calendar holds only when a clock was wrong: then its number.
    let date =
        i32::try_from(day.number()).ok().and_then(|days| FIRST.checked_add(days.days()).ok());
    date.map_or_else(|| day.number().to_string(), |date| date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_names() {
        for (number, text) in [(0, "1970-01-01"), (-1, "1969-12-31"), (20_778, "2026-11-21")] {
            assert_eq!(name(Day::from_number(number)), text);
            assert_eq!(day("from", text).unwrap(), Day::from_number(number));
        }
        assert_eq!(name(Day::from_number(i64::MAX)), i64::MAX.to_string());
        for text in ["", "2026-02-30", "20261121", "2026-11-21T00:00", "yesterday"] {
            assert_eq!(day("to", text).unwrap_err().context("field"), Some("to"));
        }
    }
}
