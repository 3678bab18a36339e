use super::*;

fn policies() -> Vec<Policy> {
    use OutwardWhenTainted::{Ask as AskTainted, Lock};
    use WhenClean::{Allow, Ask};
    let mut all = Vec::new();
    for write in [Allow, Ask] {
        for outward in [Allow, Ask] {
            all.extend([Lock, AskTainted].map(|outward_when_tainted| Policy {
                write,
                outward,
                outward_when_tainted,
            }));
        }
    }
    all
}

/// P16: the whole table. Where anything untrusted is involved, nothing writes or reaches out without a person.
#[test]
fn p16_the_table_has_no_way_out() {
    let tainted = {
        let mut taint = Taint::default();
        taint.mark(Origin::web("example.org"));
        taint
    };
    for policy in policies() {
        for (taint, derived) in [(&tainted, false), (&tainted, true), (&Taint::default(), true)] {
            assert_eq!(decide(&policy, ToolClass::Read, taint, derived), Decision::Allowed);
            for class in [ToolClass::Write, ToolClass::Outward] {
                let decision = decide(&policy, class, taint, derived);
                assert_ne!(decision, Decision::Allowed, "{policy:?} {class:?} {derived}");
                if policy == Policy::default() && class == ToolClass::Outward {
                    assert_eq!(decision, Decision::Refused(Reason::Locked));
                }
            }
        }
    }
    assert_eq!(
        decide(&Policy::default(), ToolClass::Outward, &Taint::default(), false),
        Decision::NeedsApproval(Reason::Outward)
    );
}

#[test]
fn p16_taint_only_grows_and_survives_storage() {
    let mut taint = Taint::default();
    for number in 0..1_000 {
        taint.mark(Origin::tool(format!("tool-{number}")));
        assert!(!taint.is_clean());
    }
    assert_eq!(taint.origins().count(), NAMED);
    let stored = serde_json::to_string(&taint).unwrap();
    assert_eq!(serde_json::from_str::<Taint>(&stored).unwrap(), taint);
    let mut other = Taint::default();
    other.join(&taint);
    assert!(!other.is_clean());
    taint.join(&Taint::default());
    assert!(!taint.is_clean(), "nothing clean washes it");
}

/// A step of a run that is made up.
#[derive(Debug, Clone)]
enum Step {
    /// A value of the user's.
    User,
    /// What a tool or the web returned.
    Read { web: bool },
    /// A value made of others: joined, cut, summed up.
    Make(Vec<usize>),
    /// What another branch knows comes in.
    Branch { tainted: bool },
    /// A call with a value as its argument; the person says yes or no.
    Call { class: ToolClass, argument: usize, agrees: bool },
}

/// A generator with a seed: 100,000 runs are made in a second or two, and each can be made again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn steps(&mut self) -> Vec<Step> {
        let count = 1 + self.below(23);
        (0..count).map(|_| self.step()).collect()
    }

    fn step(&mut self) -> Step {
        let classes = [ToolClass::Read, ToolClass::Write, ToolClass::Outward];
        match self.below(9) {
            0 | 1 => Step::User,
            2 => Step::Read { web: self.below(2) == 0 },
            3 | 4 => {
                let count = 1 + self.below(3);
                Step::Make((0..count).map(|_| self.below(usize::MAX)).collect())
            }
            5 => Step::Branch { tainted: self.below(2) == 0 },
            _ => Step::Call {
                class: classes[self.below(3)],
                argument: self.below(usize::MAX),
                agrees: self.below(2) == 0,
            },
        }
    }
}

/// What was called, by the index of its argument.
struct Made {
    class: ToolClass,
    argument: usize,
    asked: bool,
    at: usize,
}

/// Runs the steps under a policy, as an engine does: values know whether they derive from untrusted text, the run what
/// it has read.
fn run(policy: &Policy, steps: &[Step]) -> Vec<Made> {
    let (mut values, mut taint, mut made) = (vec![false], Taint::default(), Vec::new());
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::User => values.push(false),
            Step::Read { web } => {
                taint.mark(if *web { Origin::web("w") } else { Origin::tool("t") });
                values.push(true);
            }
            Step::Make(of) => {
                let derived = of.iter().any(|index| values[index % values.len()]);
                values.push(derived);
            }
            Step::Branch { tainted } => {
                let mut other = Taint::default();
                if *tainted {
                    other.mark(Origin::web("b"));
                }
                taint.join(&other);
            }
            Step::Call { class, argument, agrees } => {
                let argument = argument % values.len();
                let asked = match decide(policy, *class, &taint, values[argument]) {
                    Decision::Allowed => false,
                    Decision::NeedsApproval(_) if *agrees => true,
                    _ => continue,
                };
                made.push(Made { class: *class, argument, asked, at });
            }
        }
    }
    made
}

/// The untrusted values, found the other way round: from each reading forward along what was made of it.
fn reached(steps: &[Step]) -> (Vec<bool>, Option<usize>) {
    let mut count = 1;
    let mut edges: Vec<(usize, usize)> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut first = None;
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::User => count += 1,
            Step::Read { .. } => {
                first.get_or_insert(at);
                open.push(count);
                count += 1;
            }
            Step::Make(of) => {
                edges.extend(of.iter().map(|index| (index % count, count)));
                count += 1;
            }
            Step::Branch { tainted: true } => {
                first.get_or_insert(at);
            }
            _ => {}
        }
    }
    let mut reached = vec![false; count];
    while let Some(value) = open.pop() {
        if !std::mem::replace(&mut reached[value], true) {
            open.extend(edges.iter().filter(|(from, _)| *from == value).map(|(_, to)| *to));
        }
    }
    (reached, first)
}

/// P16: in 100,000 runs no path leads from a tainted value, or from a tainted run, to an outward or writing tool without
/// a person who agreed; where outward tools lock, none leads to one at all.
#[test]
fn p16_no_path_from_a_tainted_value_outward() {
    let (mut dice, mut tainted_calls) = (Dice(0x5eed), 0);
    for case in 0..100_000 {
        let (before, policy) = (dice.0, policies()[case % 8]);
        let steps = dice.steps();
        let (untrusted, first) = reached(&steps);
        for call in run(&policy, &steps) {
            let tainted = untrusted[call.argument] || first.is_some_and(|first| first < call.at);
            if tainted && call.class != ToolClass::Read {
                tainted_calls += 1;
                let locked = policy.outward_when_tainted == OutwardWhenTainted::Lock;
                let out = locked && call.class == ToolClass::Outward;
                assert!(call.asked && !out, "case {case}, dice {before}: {policy:?} {steps:?}");
            }
        }
    }
    assert!(tainted_calls > 10_000, "the runs try: {tainted_calls}");
}
