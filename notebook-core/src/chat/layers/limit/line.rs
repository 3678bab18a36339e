//! Who calls now, who waits, and who is next: without I/O and clock.

use std::collections::HashMap;

use crate::{Error, Result, TenantId};

/// How many may call a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitPolicy {
    /// At once.
    pub at_once: usize,
    /// How many may wait.
    pub waiting: usize,
}

impl LimitPolicy {
    /// # Errors
    /// `InvalidInput` that names the field.
    pub(super) fn check(&self) -> Result<()> {
        if self.at_once == 0 {
            return Err(Error::invalid("configure limit", "at_once", "give at least 1"));
        }
        Ok(())
    }
}

/// Whose call it is, where that is known.
pub type Whose = Option<TenantId>;

/// What becomes of somebody who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// They call.
    Go,
    /// They wait under this number; where the line was full, another gave way.
    Wait {
        /// Theirs.
        number: u64,
        /// The one who waits no more.
        instead_of: Option<u64>,
    },
    /// There is no room.
    Full,
}

/// Those who call and those who wait.
///
/// Whoever has fewest calls under way is next, so that one tenant's hundred questions do not keep back another's one. A full
/// line takes in somebody who waits less often than the one who waits most often, in whose place. Among equals the first
/// who came is next; but once the line is more than half full, the last: when there is more than can be done, those who
/// have just come still want their answer.
#[derive(Debug, Default)]
pub struct Line {
    calling: HashMap<Whose, usize>,
    total: usize,
    /// In the order in which they came.
    waiting: Vec<(u64, Whose)>,
    numbers: u64,
}

impl Line {
    /// How many call now.
    #[must_use]
    pub const fn calling(&self) -> usize {
        self.total
    }

    /// How many wait.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Somebody comes.
    pub fn enter(&mut self, policy: &LimitPolicy, whose: Whose) -> Entry {
        if self.total < policy.at_once {
            self.begin(whose);
            return Entry::Go;
        }
        let instead_of = if self.waiting.len() < policy.waiting {
            None
        } else {
            let Some(other) = self.gives_way_to(whose) else { return Entry::Full };
            self.give_up(other);
            Some(other)
        };
        self.numbers += 1;
        self.waiting.push((self.numbers, whose));
        Entry::Wait { number: self.numbers, instead_of }
    }

    fn begin(&mut self, whose: Whose) {
        self.total += 1;
        *self.calling.entry(whose).or_default() += 1;
    }

    fn waits(&self, whose: Whose) -> usize {
        self.waiting.iter().filter(|(_, other)| *other == whose).count()
    }

    /// The oldest of whoever waits most often, if that is more often than somebody who comes would.
    fn gives_way_to(&self, whose: Whose) -> Option<u64> {
        let (number, most) = self
            .waiting
            .iter()
            .rev()
            .map(|(number, other)| (*number, self.waits(*other)))
            .max_by_key(|(_, waits)| *waits)?;
        (most > self.waits(whose) + 1).then_some(number)
    }

    /// Somebody who waits does so no more. Whether they did.
    pub fn give_up(&mut self, number: u64) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|(other, _)| *other != number);
        self.waiting.len() < before
    }

    /// A call is over. Who calls now, if anybody waited.
    pub fn leave(&mut self, policy: &LimitPolicy, whose: Whose) -> Option<(u64, Whose)> {
        self.total = self.total.saturating_sub(1);
        if let Some(calls) = self.calling.get_mut(&whose) {
            *calls -= 1;
            if *calls == 0 {
                self.calling.remove(&whose);
            }
        }
        self.admit(policy)
    }

    /// Who calls now, if there is room and anybody waits: after a call is over, and when the limit was raised.
    pub fn admit(&mut self, policy: &LimitPolicy) -> Option<(u64, Whose)> {
        if self.total >= policy.at_once {
            return None;
        }
        let calls = |whose: Whose| self.calling.get(&whose).copied().unwrap_or(0);
        let places = self.waiting.iter().enumerate();
        let first = if self.waiting.len() * 2 > policy.waiting {
            places.rev().min_by_key(|(_, (_, whose))| calls(*whose))
        } else {
            places.min_by_key(|(_, (_, whose))| calls(*whose))
        };
        let place = first?.0;
        let next = self.waiting.remove(place);
        self.begin(next.1);
        Some(next)
    }
}
