//! What a runner has in hand: its slots, and claims that wait for one. Without I/O and clock.
//!
//! A claim costs a way to the queue, so where runs are short, more is claimed than there are free slots, and held in a
//! line. The line is short in time, not only in number: what is held waits here while another worker might do it, and a
//! newer job of more weight waits behind it elsewhere.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::HandlerRule;
use crate::queue::Priority;

/// What the slots work off in this time is held: some ways to the queue, and less than anybody notices.
const AHEAD: Duration = Duration::from_millis(50);
/// The most that is held: from here on a way to the queue costs each job less than its row's own writes.
const MOST: usize = 256;
/// What is held for so long was held by mistake, such as behind runs that turned slow: ten times what was meant.
const OLD: Duration = Duration::from_millis(500);
/// Of how many of the last runs an average is made, about.
const LAST: u32 = 8;

/// A claim, as far as it matters here.
pub(super) struct Ticket<T> {
    pub(super) kind: String,
    pub(super) priority: Priority,
    /// A worker was lost that had the job: it may be the reason.
    pub(super) is_suspect: bool,
    pub(super) claim: T,
}

/// What is to be claimed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Want {
    /// The most in all.
    pub(super) max: usize,
    /// The most of each kind.
    pub(super) take: BTreeMap<String, usize>,
}

/// The slots and the line.
pub(super) struct Desk<T> {
    slots: usize,
    kinds: BTreeMap<String, Kind>,
    /// Whether more may be claimed than there are free slots.
    ahead: bool,
    busy: BTreeMap<u64, Busy>,
    /// By priority, then as they came.
    line: BTreeMap<(Priority, u64), Waiting<T>>,
    /// What is given out next to tell runs and places in the line apart.
    next: u64,
    /// The last claim brought a suspect.
    is_wary: bool,
}

struct Kind {
    rule: HandlerRule,
    /// How long its runs took of late.
    time: Pace,
    held: usize,
    busy: usize,
}

struct Busy {
    kind: String,
    since: Instant,
    is_suspect: bool,
}

struct Waiting<T> {
    ticket: Ticket<T>,
    since: Instant,
}

/// A moving average; none before the first run.
#[derive(Debug, Clone, Copy, Default)]
struct Pace(Option<Duration>);

impl Pace {
    fn took(&mut self, time: Duration) {
        let average = self.0.map_or(time, |average| (average * (LAST - 1) + time) / LAST);
        self.0 = Some(average.max(Duration::from_micros(1)));
    }

    /// The average of runs that are short.
    fn short(self) -> Option<Duration> {
        self.0.filter(|time| *time <= AHEAD)
    }
}

/// How many runs of this time fit into that one, at most [`MOST`].
fn runs_in(whole: Duration, time: Duration) -> usize {
    let runs = whole.as_nanos().checked_div(time.as_nanos()).unwrap_or_default();
    usize::try_from(runs).unwrap_or(MOST).min(MOST)
}

impl<T> Desk<T> {
    /// Nothing in hand yet. Where tenants have limits (not `ahead`), what is held would count against them, and nothing is.
    pub(super) fn new(
        slots: usize,
        rules: impl Iterator<Item = (String, HandlerRule)>,
        ahead: bool,
    ) -> Self {
        let kind = |rule| Kind { rule, time: Pace::default(), held: 0, busy: 0 };
        Self {
            slots,
            kinds: rules.map(|(name, rule)| (name, kind(rule))).collect(),
            ahead,
            busy: BTreeMap::new(),
            line: BTreeMap::new(),
            next: 0,
            is_wary: false,
        }
    }

    /// What to claim now. Unless `eagerly`, nothing is wanted before a slot has nothing to do, or half of what may be
    /// held is used up: few large claims cost less than many small ones.
    pub(super) fn want(&self, now: Instant, eagerly: bool) -> Option<Want> {
        let open = self.idle().saturating_sub(self.line.len());
        let budget = AHEAD * u32::try_from(self.quick(now)).unwrap_or(u32::MAX);
        let left = budget.saturating_sub(self.time_held());
        let (mut most_ahead, mut is_low) = (0, eagerly || open > 0);
        let mut take = BTreeMap::new();
        for (name, kind) in &self.kinds {
            let own = kind.rule.slots.unwrap_or(usize::MAX).saturating_sub(kind.held + kind.busy);
            let (whole, mut ahead) = self.ahead_of(kind, budget, left);
            ahead = ahead.min(own);
            is_low |= ahead > 0 && ahead * 2 >= whole;
            most_ahead = most_ahead.max(ahead);
            let most = open.saturating_add(ahead).min(own);
            if most > 0 {
                take.insert(name.clone(), most);
            }
        }
        let max = open + most_ahead;
        (is_low && max > 0 && !take.is_empty()).then_some(Want { max, take })
    }

    /// Takes claims into the line. What is returned is to be given back: with a job that may take this worker down no
    /// others are held, and it is not held itself, or they would be counted as its accomplices.
    pub(super) fn take_in(&mut self, claims: Vec<Ticket<T>>, now: Instant) -> Vec<T> {
        self.is_wary = claims.iter().any(|ticket| ticket.is_suspect);
        for ticket in claims {
            if let Some(kind) = self.kinds.get_mut(&ticket.kind) {
                kind.held += 1;
            }
            let place = (ticket.priority, self.number());
            self.line.insert(place, Waiting { ticket, since: now });
        }
        let most = if self.is_careful() { self.idle() } else { usize::MAX };
        let behind = self.line.keys().skip(most).copied().collect();
        self.take_out(behind)
    }

    /// The next of the line begins, if there is a slot. The number is that of its run.
    pub(super) fn begin(&mut self, now: Instant) -> Option<(u64, T)> {
        if self.idle() == 0 {
            return None;
        }
        let (_, Waiting { ticket, .. }) = self.line.pop_first()?;
        if let Some(kind) = self.kinds.get_mut(&ticket.kind) {
            kind.held -= 1;
            kind.busy += 1;
        }
        let number = self.number();
        let run = Busy { kind: ticket.kind, since: now, is_suspect: ticket.is_suspect };
        self.busy.insert(number, run);
        Some((number, ticket.claim))
    }

    /// A run has left its slot.
    pub(super) fn free(&mut self, number: u64, now: Instant) {
        if let Some((kind, since)) = self.leave(number) {
            kind.time.took(now.saturating_duration_since(since));
        }
    }

    /// A run was not begun after all.
    pub(super) fn forgo(&mut self, number: u64) {
        let _ = self.leave(number);
    }

    /// Takes what has been held for too long out of the line.
    pub(super) fn take_old(&mut self, now: Instant) -> Vec<T> {
        let is_old = |waiting: &Waiting<T>| now.saturating_duration_since(waiting.since) >= OLD;
        let old = self.line.iter().filter(|(_, waiting)| is_old(waiting));
        let old = old.map(|(place, _)| *place).collect();
        self.take_out(old)
    }

    /// Takes everything out of the line.
    pub(super) fn take_all(&mut self) -> Vec<T> {
        let all = self.line.keys().copied().collect();
        self.take_out(all)
    }

    /// Whether claims wait for a slot.
    pub(super) fn holds(&self) -> bool {
        !self.line.is_empty()
    }

    /// Whether nothing is in hand.
    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty() && self.busy.is_empty()
    }

    fn idle(&self) -> usize {
        self.slots.saturating_sub(self.busy.len())
    }

    /// Slots that are free, or will be soon.
    fn quick(&self, now: Instant) -> usize {
        let is_quick = |run: &&Busy| {
            now.saturating_duration_since(run.since) < AHEAD
                && self.kinds.get(&run.kind).is_some_and(|kind| kind.time.short().is_some())
        };
        self.idle() + self.busy.values().filter(is_quick).count()
    }

    /// How long the line takes one slot. Nothing is claimed ahead of runs whose time is not known.
    fn time_held(&self) -> Duration {
        let time = |kind: &Kind| {
            kind.time.0.unwrap_or(AHEAD) * u32::try_from(kind.held).unwrap_or(u32::MAX)
        };
        self.kinds.values().filter(|kind| kind.held > 0).map(time).sum()
    }

    /// How many of a kind may be held within that time, and how many more beside what is held now.
    fn ahead_of(&self, kind: &Kind, budget: Duration, left: Duration) -> (usize, usize) {
        let may = self.ahead && !self.is_careful() && kind.rule.limit.is_none();
        let Some(time) = kind.time.short().filter(|_| may) else { return (0, 0) };
        let more = runs_in(left, time).min(MOST.saturating_sub(self.line.len()));
        (runs_in(budget, time), more)
    }

    /// Whether a job is about that may take this worker down.
    fn is_careful(&self) -> bool {
        self.is_wary || self.busy.values().any(|run| run.is_suspect)
    }

    fn leave(&mut self, number: u64) -> Option<(&mut Kind, Instant)> {
        let run = self.busy.remove(&number)?;
        let kind = self.kinds.get_mut(&run.kind)?;
        kind.busy -= 1;
        Some((kind, run.since))
    }

    fn take_out(&mut self, places: Vec<(Priority, u64)>) -> Vec<T> {
        let mut out = Vec::with_capacity(places.len());
        for place in places {
            let Some(waiting) = self.line.remove(&place) else { continue };
            if let Some(kind) = self.kinds.get_mut(&waiting.ticket.kind) {
                kind.held -= 1;
            }
            out.push(waiting.ticket.claim);
        }
        out
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

#[cfg(test)]
mod tests;
