//! How many calls a provider can do at once, found out from how long they take: without I/O, clock or randomness.

use std::time::Duration;

use crate::{Error, Result};

/// How a limit follows what the provider can do.
///
/// It begins at the most, and is only lowered by what is seen: calls that take much longer than they do while there are few,
/// or that the provider refuses for being too many. Each window it moves half of the way. How long calls take while there are
/// few is looked at now and then by allowing a third, which at a limit that fits is about what the provider can do at once, so
/// that hardly anything is lost by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdaptPolicy {
    /// It is never lower.
    pub least: usize,
    /// Calls may take so many hundredths of the usual time before there are too many.
    pub tolerance_percent: u32,
    /// It is looked at after this time,
    pub window: Duration,
    /// and not before so many calls have begun to be answered, or failed.
    pub samples: u32,
}

impl Default for AdaptPolicy {
    /// At least 4; twice the usual time; after a second and ten calls.
    fn default() -> Self {
        let window = Duration::from_secs(1);
        Self { least: 4, tolerance_percent: 200, window, samples: 10 }
    }
}

impl AdaptPolicy {
    /// # Errors
    /// `InvalidInput` that names the field.
    pub(super) fn check(&self, most: usize) -> Result<()> {
        let wrong = [
            ("least", !(1..=most).contains(&self.least), "give from 1 to the most at once"),
            ("tolerance_percent", self.tolerance_percent < 100, "give at least 100"),
            ("window", self.window.is_zero(), "give a time above 0"),
            ("samples", self.samples == 0, "give at least 1"),
        ];
        match wrong.iter().find(|(_, wrong, _)| *wrong) {
            Some((field, _, fix)) => Err(Error::invalid("configure limit", field, *fix)),
            None => Ok(()),
        }
    }
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// Its answer began after this time.
    Began(Duration),
    /// The provider did not answer, or not in time, or refused it for being too many.
    Overloaded,
}

/// A limit that moves.
#[derive(Debug, Clone)]
pub struct Adaptive {
    limit: f64,
    /// How long a call takes while there are few, in seconds.
    usual: Option<f64>,
    since: Option<Duration>,
    seen: Seen,
    /// Windows since it was looked at how long a call takes while there are few.
    windows: u32,
    probe: Option<Probe>,
}

/// A time with few calls.
#[derive(Debug, Clone, Copy)]
struct Probe {
    /// The limit after it.
    then: f64,
    /// Whether those are over that were under way when it began.
    is_drained: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    began: u32,
    seconds: f64,
    overloaded: u32,
    /// The most calls under way.
    busiest: usize,
}

/// How far the usual time follows a longer one in a window, and in a probe.
const LEARNED: f64 = 0.05;
const LEARNED_BY_PROBE: f64 = 0.25;
/// How many windows lie between probes.
const BETWEEN: u32 = 20;

impl Adaptive {
    /// One that allows the most.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            limit: most as f64,
            usual: None,
            since: None,
            seen: Seen::default(),
            windows: 0,
            probe: None,
        }
    }

    /// How many calls there may be.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is from 1 to a usize"
    )]
    pub fn limit(&self) -> usize {
        self.limit as usize
    }

    /// Something came of a call while `calling` were under way, this one too. `now` is the time since any moment that stays the
    /// same. How many calls there may be.
    pub fn step(
        &mut self,
        (policy, most): (&AdaptPolicy, usize),
        sample: Sample,
        calling: usize,
        now: Duration,
    ) -> usize {
        let since = *self.since.get_or_insert(now);
        let seen = &mut self.seen;
        seen.busiest = seen.busiest.max(calling);
        match sample {
            Sample::Began(took) => {
                seen.began += 1;
                seen.seconds += took.as_secs_f64();
            }
            Sample::Overloaded => seen.overloaded += 1,
        }
        let enough = seen.began + seen.overloaded >= policy.samples;
        if enough && now.saturating_sub(since) >= policy.window {
            let seen = std::mem::take(&mut self.seen);
            self.since = Some(now);
            self.move_by(policy, &seen);
            let most = most as f64;
            self.limit = self.limit.clamp((policy.least as f64).min(most), most);
        }
        self.limit()
    }

    fn move_by(&mut self, policy: &AdaptPolicy, seen: &Seen) {
        let is_overloaded = seen.overloaded * 10 > seen.began + seen.overloaded;
        let took = (seen.began > 0).then(|| (seen.seconds / f64::from(seen.began)).max(1e-6));
        if let Some(probe) = self.probe.take() {
            return self.probed(probe, took.filter(|_| !is_overloaded));
        }
        self.windows += 1;
        if is_overloaded {
            self.limit *= 0.75;
            return self.begin_probe(policy);
        }
        let Some(took) = took else { return };
        // Half of it is used at the most: more room would not be, and what calls take now is what they usually take.
        let is_idle = (seen.busiest as f64) < self.limit / 2.0;
        // While all places are taken, long times may be of our own making, and are learned from only where the limit can be no
        // lower: there the provider has become slower itself.
        let is_usual = is_idle || self.limit <= policy.least as f64;
        let usual = self.learn(took, if is_usual { LEARNED } else { 0.0 });
        let allowed = usual * f64::from(policy.tolerance_percent) / 100.0;
        let aim = self.limit * (allowed / took).clamp(0.5, 1.0) + self.limit.sqrt();
        if aim < self.limit || !is_idle {
            self.limit = f64::midpoint(self.limit, aim);
        }
        if self.windows >= BETWEEN && !is_idle {
            self.begin_probe(policy);
        }
    }

    /// Calls took so long: shorter times are the usual ones from now on, longer ones in part.
    fn learn(&mut self, took: f64, upwards: f64) -> f64 {
        let usual = self.usual.map_or(took, |usual| {
            if took < usual { took } else { (took - usual).mul_add(upwards, usual) }
        });
        self.usual = Some(usual);
        usual
    }

    fn begin_probe(&mut self, policy: &AdaptPolicy) {
        self.windows = 0;
        self.probe = Some(Probe { then: self.limit, is_drained: false });
        self.limit = (self.limit / 3.0).max(policy.least as f64);
    }

    /// A window of a probe is over. `None` where even few calls are too many: then it stays so low.
    fn probed(&mut self, probe: Probe, took: Option<f64>) {
        match took {
            _ if !probe.is_drained => self.probe = Some(Probe { is_drained: true, ..probe }),
            Some(took) => {
                self.learn(took, LEARNED_BY_PROBE);
                self.limit = probe.then;
            }
            None => {}
        }
    }
}
