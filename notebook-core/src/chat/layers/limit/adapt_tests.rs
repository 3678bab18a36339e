//! A provider that serves so many calls at once and lets the others wait, callers who go away after a time, and between them a line
//! with a limit: played in milliseconds.

use std::collections::{HashMap, VecDeque};

use super::{adapt::*, *};
use crate::chat::layers::dice::Dice;

/// What the callers' patience is, and how long a call takes at the provider, about.
const PATIENCE: u64 = 1_000;
const TAKES: u64 = 200;
const SECOND: u64 = 1_000;

struct House {
    dice: Dice,
    most: usize,
    adapting: Option<(AdaptPolicy, Adaptive)>,
    line: Line,
    now: u64,
    /// Those who wait in the line, with the moment at which they came.
    came: HashMap<u64, u64>,
    /// At the provider: when each was let in, and how long it will take.
    queue: VecDeque<(u64, u64)>,
    served: Vec<(u64, u64)>,
    slots: usize,
    /// Answered within the callers' patience, and how long each took since it was let in.
    good: Vec<u64>,
}

impl House {
    fn new(most: usize, adapts: bool, seed: u64) -> Self {
        let adapting = adapts.then(|| (AdaptPolicy::default(), Adaptive::new(most)));
        Self {
            dice: Dice::seeded(seed),
            most,
            adapting,
            line: Line::default(),
            now: 0,
            came: HashMap::new(),
            queue: VecDeque::new(),
            served: Vec::new(),
            slots: 20,
            good: Vec::new(),
        }
    }

    fn policy(&self) -> LimitPolicy {
        let at_once = self.adapting.as_ref().map_or(self.most, |(_, adaptive)| adaptive.limit());
        LimitPolicy { at_once, waiting: 32 }
    }

    fn let_in(&mut self) {
        let takes = TAKES / 2 + self.dice.roll() % TAKES;
        self.queue.push_back((self.now, takes));
    }

    /// So many come in a second, for some seconds; gives how many were answered in time in the last half of them, a second.
    fn play(&mut self, rate: u64, seconds: u64) -> u64 {
        let (begin, end) = (self.now, self.now + seconds * SECOND);
        let half = begin + seconds * SECOND / 2;
        self.good.clear();
        let mut in_time = 0;
        while self.now < end {
            let before = self.good.len();
            self.tick(rate);
            if self.now >= half {
                in_time += (self.good.len() - before) as u64;
            }
            self.now += 1;
        }
        in_time * SECOND / (end - half)
    }

    fn tick(&mut self, rate: u64) {
        let policy = self.policy();
        for _ in 0..(rate * (self.now + 1) / SECOND - rate * self.now / SECOND) {
            match self.line.enter(&policy, None) {
                Entry::Go => self.let_in(),
                Entry::Wait { number, instead_of } => {
                    self.came.insert(number, self.now);
                    instead_of.map(|other| self.came.remove(&other));
                }
                Entry::Full => {}
            }
        }
        // Nobody waits in line for ever.
        let late: Vec<u64> = self
            .came
            .iter()
            .filter(|(_, came)| self.now - **came >= 200)
            .map(|(n, _)| *n)
            .collect();
        for number in late {
            self.line.give_up(number);
            self.came.remove(&number);
        }
        while self.served.len() < self.slots
            && let Some((since, takes)) = self.queue.pop_front()
        {
            self.served.push((since, self.now + takes));
        }
        let now = self.now;
        let (over, served): (Vec<_>, Vec<_>) =
            self.served.drain(..).partition(|(_, until)| *until <= now);
        self.served = served;
        for (since, _) in over {
            self.ended(now - since);
        }
    }

    fn ended(&mut self, took: u64) {
        let is_late = took > PATIENCE;
        if !is_late {
            self.good.push(took);
        }
        if let Some((policy, adaptive)) = &mut self.adapting {
            let took = Duration::from_millis(took);
            let sample = if is_late { Sample::Overloaded } else { Sample::Began(took) };
            let now = Duration::from_millis(self.now);
            adaptive.step((policy, self.most), sample, self.line.calling(), now);
        }
        let mut next = self.line.leave(&self.policy(), None);
        while let Some((number, _)) = next {
            self.came.remove(&number);
            self.let_in();
            next = self.line.admit(&self.policy());
        }
    }

    fn p99(&self) -> u64 {
        let mut good = self.good.clone();
        good.sort_unstable();
        good[good.len() * 99 / 100]
    }
}

/// Z11: five times as many calls as the provider can do, by a limit that allows far too many: they find out by themselves how many it
/// can do, so that as many are answered in time as ever could be, and none takes long. With the same limit that stays as it
/// is, hardly anybody is answered in time.
#[test]
fn z11_the_limit_finds_what_a_provider_can_do() {
    let peak = 20 * SECOND / TAKES;
    for seed in 0..20 {
        let mut house = House::new(512, true, seed);
        let good = house.play(5 * peak, 60);
        assert!(good * 10 >= peak * 9, "seed {seed}: {good} of {peak} a second");
        assert!(house.p99() <= PATIENCE, "seed {seed}: {}", house.p99());
        let limit = house.policy().at_once;
        assert!((20..=80).contains(&limit), "seed {seed}: {limit}");
        let fixed = House::new(512, false, seed).play(5 * peak, 60);
        assert!(fixed * 2 < peak, "seed {seed}: {fixed} of {peak} without");
    }
}

/// Z12: a provider that can do only a tenth for half a minute is given less; within half a minute after it all is as before.
#[test]
fn z12_the_limit_recovers() {
    let peak = 20 * SECOND / TAKES;
    for seed in 0..20 {
        let mut house = House::new(64, true, seed);
        house.play(2 * peak, 30);
        house.slots = 2;
        house.play(2 * peak, 30);
        assert!(house.policy().at_once <= 16, "seed {seed}: {}", house.policy().at_once);
        house.slots = 20;
        house.play(2 * peak, 30);
        let good = house.play(2 * peak, 4);
        assert!(good * 10 >= peak * 9, "seed {seed}: {good} of {peak} a second");
    }
}

/// Z11: few calls, however long each of them takes, lower nothing; and a provider that is slower for good is used as much as before, in
/// the end.
#[test]
fn z11_slow_is_not_overloaded() {
    let (policy, mut adaptive) = (AdaptPolicy::default(), Adaptive::new(64));
    let mut now = Duration::ZERO;
    let mut play = |adaptive: &mut Adaptive, millis: u64, calling: usize, windows: u32| {
        for _ in 0..windows * policy.samples {
            now += policy.window / policy.samples;
            let took = Duration::from_millis(millis);
            adaptive.step((&policy, 64), Sample::Began(took), calling, now);
        }
        adaptive.limit()
    };
    assert_eq!(play(&mut adaptive, 100, 5, 10), 64);
    let lowered = play(&mut adaptive, 2_000, 64, 15);
    assert!(lowered <= 16, "all places are taken, and calls are slow: {lowered}");
    // Fewer calls do not make it quicker: it is so.
    let limit = (0..20).map(|_| play(&mut adaptive, 2_000, 64, 12)).max();
    assert!(limit >= Some(60), "{limit:?}");
}

/// Z23: whatever is seen, it stays within its bounds, and does not move before there is something to go by.
#[test]
fn z23_the_limit_stays_within_its_bounds() {
    for seed in 0..2_000 {
        let dice = Dice::seeded(seed);
        let most = 1 + (dice.roll() % 100) as usize;
        let policy = AdaptPolicy {
            least: 1 + (dice.roll() as usize % most),
            samples: 1 + (dice.roll() % 20) as u32,
            ..AdaptPolicy::default()
        };
        policy.check(most).unwrap();
        let (mut adaptive, mut now, mut seen) = (Adaptive::new(most), Duration::ZERO, 0);
        for _ in 0..200 {
            now += Duration::from_millis(dice.roll() % 300);
            let took = Duration::from_millis(dice.roll() % 5_000);
            let sample = if dice.roll().is_multiple_of(5) {
                Sample::Overloaded
            } else {
                Sample::Began(took)
            };
            let calling = 1 + (dice.roll() as usize % most);
            let before = adaptive.limit();
            let after = adaptive.step((&policy, most), sample, calling, now);
            assert!((policy.least..=most).contains(&after), "seed {seed}: {after}");
            seen += 1;
            assert!(seen >= policy.samples || before == after, "seed {seed}: too early");
            if before != after {
                seen = 0;
            }
        }
    }
}

/// Z12: those who wait are let in at once when the limit is raised, as many as there is room for.
#[tokio::test(start_paused = true)]
async fn z12_a_raised_limit_lets_in_those_who_wait() {
    let adapt = AdaptPolicy { least: 1, samples: 1, ..AdaptPolicy::default() };
    let policy = LimitPolicy { at_once: 8, waiting: 32 };
    let limit = Limit::new(policy, Duration::from_secs(600)).unwrap();
    let limit = Arc::new(limit.adapting(adapt).unwrap());
    let failed = Error::new(ErrorKind::RateLimited, "start answer");
    for _ in 0..20 {
        let turn = limit.turn(None, None).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        turn.failed(&failed);
    }
    assert_eq!(limit.snapshot().at_once, 1, "the provider said that it was too much");
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let limit = limit.clone();
            tokio::spawn(async move {
                let mut turn = limit.turn(None, None).await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
                turn.began();
            })
        })
        .collect();
    let mut most = 0;
    tokio::task::yield_now().await;
    while limit.snapshot().waiting > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let seen = limit.snapshot();
        assert!(seen.calling <= seen.at_once);
        assert!(seen.calling == seen.at_once || seen.waiting == 0, "no place is empty: {seen:?}");
        most = most.max(seen.calling);
    }
    assert!(most >= 3, "{most}");
    for one in waiting {
        one.await.unwrap();
    }
    assert_eq!(limit.snapshot().calling, 0);
}

/// What nobody uses does not grow: a limit that was lowered stays as it is while there are few calls, and rises when its places are taken.
#[test]
fn a_limit_rises_only_where_it_is_used() {
    let (policy, most) = (AdaptPolicy::default(), 100);
    let mut adaptive = Adaptive::new(most);
    let mut now = Duration::ZERO;
    let mut window = |adaptive: &mut Adaptive, sample: Sample, calling: usize| {
        now += policy.window;
        for _ in 0..policy.samples {
            adaptive.step((&policy, most), sample, calling, now);
        }
        adaptive.limit()
    };
    let quick = Sample::Began(Duration::from_millis(50));
    for _ in 0..2 {
        window(&mut adaptive, Sample::Overloaded, 100);
    }
    // The probe after it, with its calls of before.
    for _ in 0..3 {
        window(&mut adaptive, quick, 1);
    }
    let lowered = adaptive.limit();
    assert!((50..100).contains(&lowered), "{lowered}");
    for _ in 0..100 {
        assert_eq!(window(&mut adaptive, quick, 1), lowered);
    }
    for _ in 0..10 {
        window(&mut adaptive, quick, lowered);
    }
    assert!(adaptive.limit() > lowered, "{}", adaptive.limit());
}
