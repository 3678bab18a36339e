//! Counting, without I/O.

use std::{collections::BTreeMap, time::Duration};

use super::{Day, Histogram};
use crate::{
    NotebookId,
    model::{Message, Run, RunState, Usage, Used},
};

/// What counts of an answer that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedRun {
    /// Where it was asked for.
    pub notebook: NotebookId,
    /// How it ended.
    pub state: RunState,
    /// `provider/model`; none when it ended before there was a text and anything was used.
    pub model: Option<String>,
    /// Its tokens, as stored with the answer or the run.
    pub usage: Option<Usage>,
    /// From the prompt's sending to the model's first token.
    pub first_token: Option<Duration>,
    /// From the question to the end, waiting included.
    pub total: Duration,
}

impl EndedRun {
    /// What counts of a run and its answer, or of what it used without one; none when the run has not ended.
    #[must_use]
    pub fn of(run: &Run, answer: Option<&Message>, used: Option<&Used>) -> Option<Self> {
        let total = run.ended_at?.since(run.created_at);
        let timing = answer
            .and_then(|answer| answer.timings.iter().find(|timing| timing.stage == FIRST_TOKEN));
        Some(Self {
            notebook: run.notebook,
            state: run.state,
            model: match answer {
                Some(answer) => answer.model.clone(),
                None => used.map(|used| used.model.clone()),
            },
            usage: match answer {
                Some(answer) => answer.usage,
                None => used.map(|used| used.usage),
            },
            first_token: timing.map(|timing| Duration::from_micros(timing.micros)),
            total,
        })
    }
}

/// The name of the stage from the prompt to the first token in [`Message::timings`].
pub const FIRST_TOKEN: &str = "first_token";

/// What a number of answers used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageCounts {
    /// Answers that ended.
    pub answers: u64,
    /// Of these, the whole ones.
    pub completed: u64,
    /// Those that a person ended.
    pub stopped: u64,
    /// Those that broke.
    pub failed: u64,
    /// Those that nobody watched any more.
    pub abandoned: u64,
    /// Tokens of prompts, as stored with the answers.
    pub prompt_tokens: u64,
    /// Tokens generated, as stored with the answers.
    pub completion_tokens: u64,
    /// Answers whose tokens are an estimate.
    pub estimated: u64,
    /// What the answers cost whose model had a price, in millionths of a US dollar.
    pub cost_micros: u64,
    /// How many answers that were.
    pub priced: u64,
    /// From the prompt's sending to the model's first token, where there was one.
    pub first_token: Histogram,
    /// From the question to the end, of all answers.
    pub total: Histogram,
}

impl UsageCounts {
    fn add(&mut self, run: &EndedRun) {
        self.answers += 1;
        match run.state {
            RunState::Completed => self.completed += 1,
            RunState::Stopped => self.stopped += 1,
            RunState::Abandoned => self.abandoned += 1,
            RunState::Failed | RunState::Queued | RunState::Running => self.failed += 1,
        }
        if let Some(usage) = run.usage {
            self.prompt_tokens = self.prompt_tokens.saturating_add(usage.prompt_tokens);
            self.completion_tokens = self.completion_tokens.saturating_add(usage.completion_tokens);
            self.estimated += u64::from(!usage.exact);
            self.cost_micros = self.cost_micros.saturating_add(usage.cost_micros.unwrap_or(0));
            self.priced += u64::from(usage.cost_micros.is_some());
        }
        if let Some(first) = run.first_token {
            self.first_token.record(first);
        }
        self.total.record(run.total);
    }

    fn merge(&mut self, other: &Self) {
        let pairs = [
            (&mut self.answers, other.answers),
            (&mut self.completed, other.completed),
            (&mut self.stopped, other.stopped),
            (&mut self.failed, other.failed),
            (&mut self.abandoned, other.abandoned),
            (&mut self.prompt_tokens, other.prompt_tokens),
            (&mut self.completion_tokens, other.completion_tokens),
            (&mut self.estimated, other.estimated),
            (&mut self.cost_micros, other.cost_micros),
            (&mut self.priced, other.priced),
        ];
        for (sum, more) in pairs {
            *sum = sum.saturating_add(more);
        }
        self.first_token.merge(&other.first_token);
        self.total.merge(&other.total);
    }
}

/// What the answers of a model in a notebook used on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayUsage {
    /// The day.
    pub day: Day,
    /// `provider/model`; none for answers that ended before there was a text.
    pub model: Option<String>,
    /// The notebook, which may be deleted by now.
    pub notebook: NotebookId,
    /// What was used.
    pub counts: UsageCounts,
}

/// Counts the answers that ended on a day, by model and notebook in this order.
#[must_use]
pub fn aggregate(day: Day, runs: impl IntoIterator<Item = EndedRun>) -> Vec<DayUsage> {
    let mut sums: BTreeMap<_, UsageCounts> = BTreeMap::new();
    for mut run in runs {
        sums.entry((run.model.take(), run.notebook)).or_default().add(&run);
    }
    let made = |((model, notebook), counts)| DayUsage { day, model, notebook, counts };
    sums.into_iter().map(made).collect()
}

/// By what usage is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Each day.
    Day,
    /// Each model.
    Model,
    /// Each notebook.
    Notebook,
}

/// What was used in a group: of day, model and notebook, the one that it was grouped by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupUsage {
    /// The day, when grouped by it.
    pub day: Option<Day>,
    /// The model, when grouped by it; none also for answers without one.
    pub model: Option<String>,
    /// The notebook, when grouped by it.
    pub notebook: Option<NotebookId>,
    /// What was used.
    pub counts: UsageCounts,
}

/// Of day, model and notebook, the one that is grouped by.
type Key = (Option<Day>, Option<String>, Option<NotebookId>);

/// Sums of usage by day, model or notebook, to which more can be added.
#[derive(Debug)]
pub struct Groups {
    by: Group,
    sums: BTreeMap<Key, UsageCounts>,
}

impl Groups {
    /// No usage yet.
    #[must_use]
    pub const fn new(by: Group) -> Self {
        Self { by, sums: BTreeMap::new() }
    }

    /// Adds usage.
    pub fn add(&mut self, rows: &[DayUsage]) {
        for row in rows {
            let day = (self.by == Group::Day).then_some(row.day);
            let model = if self.by == Group::Model { row.model.clone() } else { None };
            let notebook = (self.by == Group::Notebook).then_some(row.notebook);
            self.sums.entry((day, model, notebook)).or_default().merge(&row.counts);
        }
    }

    /// The groups, in the order of what they are grouped by.
    #[must_use]
    pub fn finish(self) -> Vec<GroupUsage> {
        let made = |((day, model, notebook), counts)| GroupUsage { day, model, notebook, counts };
        self.sums.into_iter().map(made).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(model: Option<&str>, notebook: u128, tokens: u64, millis: u64) -> EndedRun {
        EndedRun {
            notebook: NotebookId::from_u128(notebook),
            state: if model.is_some() { RunState::Completed } else { RunState::Failed },
            model: model.map(str::to_owned),
            usage: model.map(|_| Usage {
                prompt_tokens: tokens,
                completion_tokens: 1,
                exact: tokens.is_multiple_of(2),
                cost_micros: (tokens == 31).then_some(1_500),
            }),
            first_token: model.map(|_| Duration::from_millis(millis / 2)),
            total: Duration::from_millis(millis),
        }
    }

    fn group(rows: &[DayUsage], by: Group) -> Vec<GroupUsage> {
        let mut groups = Groups::new(by);
        rows.chunks(3).for_each(|some| groups.add(some));
        groups.finish()
    }

    /// F4: added up by any of the three, nothing is lost, and what was added first does not matter.
    #[test]
    fn f4_groups_add_up() {
        let days = [Day::from_number(1), Day::from_number(2)];
        let rows: Vec<_> = days
            .into_iter()
            .flat_map(|day| {
                let runs = [
                    run(Some("a/x"), 1, 10, 100),
                    run(Some("b/y"), 1, 20, 200),
                    run(None, 2, 0, 50),
                    run(Some("a/x"), 2, 31, 400),
                    run(Some("a/x"), 2, 31, 400),
                ];
                aggregate(day, runs)
            })
            .collect();
        assert_eq!(rows.len(), 8);
        for (by, groups) in [(Group::Day, 2), (Group::Model, 3), (Group::Notebook, 2)] {
            let grouped = group(&rows, by);
            assert_eq!(grouped.len(), groups);
            let mut all = UsageCounts::default();
            grouped.iter().for_each(|group| all.merge(&group.counts));
            assert_eq!((all.answers, all.completed, all.failed, all.estimated), (10, 8, 2, 4));
            assert_eq!((all.prompt_tokens, all.completion_tokens), (184, 8));
            assert_eq!((all.first_token.count(), all.total.count()), (8, 10));
            assert_eq!((all.cost_micros, all.priced), (6_000, 4));
            let mut reversed = rows.clone();
            reversed.reverse();
            assert_eq!(group(&reversed, by), grouped);
        }
        let models = group(&rows, Group::Model);
        assert_eq!(models[1].model.as_deref(), Some("a/x"));
        assert_eq!((models[1].counts.answers, models[1].counts.prompt_tokens), (6, 144));
        assert_eq!((models[1].day, models[1].notebook), (None, None));
    }
}
