use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn desk(slots: usize, rules: &[(&str, HandlerRule)]) -> Desk<u32> {
    Desk::new(slots, rules.iter().map(|(kind, rule)| ((*kind).to_owned(), *rule)), true)
}

/// A desk whose runs of the kind `x` took so long.
fn desk_of(slots: usize, time: Duration, rule: HandlerRule, now: Instant) -> Desk<u32> {
    let mut desk = desk(slots, &[("x", rule)]);
    learn(&mut desk, "x", time, now);
    desk
}

fn learn(desk: &mut Desk<u32>, kind: &str, time: Duration, now: Instant) {
    assert!(desk.take_in(vec![ticket(kind, 0)], now).is_empty());
    let (number, _) = desk.begin(now).unwrap();
    desk.free(number, now + time);
}

fn ticket(kind: &str, claim: u32) -> Ticket<u32> {
    Ticket { kind: kind.into(), priority: Priority::Medium, is_suspect: false, claim }
}

fn tickets(count: u32) -> Vec<Ticket<u32>> {
    (0..count).map(|claim| ticket("x", claim)).collect()
}

fn begin_all(desk: &mut Desk<u32>, now: Instant) -> Vec<(u64, u32)> {
    std::iter::from_fn(|| desk.begin(now)).collect()
}

fn max(desk: &Desk<u32>, now: Instant, eagerly: bool) -> usize {
    desk.want(now, eagerly).map_or(0, |want| want.max)
}

#[test]
fn of_unknown_and_of_long_runs_no_more_is_claimed_than_there_are_free_slots() {
    let now = Instant::now();
    let mut unknown = desk(4, &[("x", HandlerRule::default())]);
    assert_eq!(max(&unknown, now, true), 4);
    unknown.take_in(tickets(3), now);
    assert_eq!(max(&unknown, now, true), 1, "three slots have something to begin");
    begin_all(&mut unknown, now);
    assert_eq!(max(&unknown, now, true), 1);
    unknown.take_in(tickets(1), now);
    begin_all(&mut unknown, now);
    assert_eq!(max(&unknown, now, true), 0);
    let long = desk_of(4, millis(51), HandlerRule::default(), now);
    assert_eq!(max(&long, now, true), 4);
}

#[test]
fn of_short_runs_as_many_are_held_as_the_slots_work_off_soon() {
    let now = Instant::now();
    let mut desk = desk_of(4, millis(10), HandlerRule::default(), now);
    // Four slots, five runs each in 50 ms.
    let want = desk.want(now, true).unwrap();
    assert_eq!((want.max, want.take["x"]), (24, 24));
    desk.take_in(tickets(24), now);
    assert_eq!(begin_all(&mut desk, now).len(), 4);
    assert_eq!(max(&desk, now, true), 0, "twenty are held");
    // One run in 40 ms ends at a time: more is asked for when half is used up, or when somebody rings.
    let mut held = 20;
    while held > 10 {
        assert_eq!(max(&desk, now, false), 0);
        let number = *desk.busy.keys().next().unwrap();
        desk.free(number, now + millis(10));
        desk.begin(now).unwrap();
        held -= 1;
        assert_eq!(max(&desk, now, true), 20 - held);
    }
    assert_eq!(max(&desk, now, false), 10);
    let tiny = desk_of(4, Duration::from_micros(3), HandlerRule::default(), now);
    assert_eq!(max(&tiny, now, true), 4 + MOST);
}

#[test]
fn slots_that_turned_slow_do_not_count() {
    let now = Instant::now();
    let mut desk = desk_of(2, millis(5), HandlerRule::default(), now);
    desk.take_in(tickets(2), now);
    begin_all(&mut desk, now);
    assert_eq!(max(&desk, now, true), 20);
    assert_eq!(max(&desk, now + millis(50), true), 0, "both are slower than they use to be");
    let number = *desk.busy.keys().next().unwrap();
    desk.free(number, now + SECOND);
    assert_eq!(max(&desk, now + SECOND, true), 1, "and now the average says so");
}

#[test]
fn one_long_run_among_short_ones_is_soon_forgotten() {
    let mut pace = Pace::default();
    assert_eq!(pace.short(), None);
    pace.took(millis(1));
    pace.took(SECOND);
    assert_eq!(pace.short(), None);
    for _ in 0..30 {
        pace.took(millis(1));
    }
    assert!(pace.short().unwrap() < millis(5), "{pace:?}");
}

#[test]
fn rules_bound_what_is_held() {
    let now = Instant::now();
    let limited = HandlerRule { limit: Some(100), ..HandlerRule::default() };
    assert_eq!(max(&desk_of(4, millis(1), limited, now), now, true), 4);
    let slots = HandlerRule { slots: Some(6), ..HandlerRule::default() };
    let mut few = desk_of(4, millis(1), slots, now);
    assert_eq!(few.want(now, true).unwrap().take["x"], 6);
    few.take_in(tickets(5), now);
    begin_all(&mut few, now);
    assert_eq!(few.want(now, true).unwrap().take["x"], 1, "four run, one is held");
    let mut shared = Desk::<u32>::new(4, [("x".into(), HandlerRule::default())].into_iter(), false);
    learn(&mut shared, "x", millis(1), now);
    assert_eq!(max(&shared, now, true), 4, "tenants have a limit");
}

/// Kinds that are not known, or long, are claimed for the free slots beside short ones for the line.
#[test]
fn each_kind_is_claimed_by_its_own_time() {
    let now = Instant::now();
    let rule = HandlerRule::default();
    let mut desk = desk(2, &[("short", rule), ("long", rule), ("new", rule)]);
    learn(&mut desk, "short", millis(10), now);
    learn(&mut desk, "long", SECOND, now);
    let want = desk.want(now, true).unwrap();
    let take = [("long", 2), ("new", 2), ("short", 12)].map(|(kind, most)| (kind.into(), most));
    assert_eq!(want, Want { max: 12, take: take.into() });
    desk.take_in(vec![ticket("long", 1), ticket("long", 2), ticket("short", 3)], now);
    begin_all(&mut desk, now);
    assert_eq!(max(&desk, now, true), 0, "nothing is held behind long runs only");
}

#[test]
fn what_is_urgent_begins_first_and_the_rest_as_it_came() {
    let now = Instant::now();
    let mut desk = desk(1, &[("x", HandlerRule::default())]);
    desk.take_in(tickets(3), now);
    desk.take_in(vec![Ticket { priority: Priority::High, ..ticket("x", 9) }], now);
    let order = std::iter::from_fn(|| {
        let (number, claim) = desk.begin(now)?;
        assert!(desk.begin(now).is_none(), "there is one slot");
        desk.free(number, now);
        Some(claim)
    });
    assert_eq!(order.collect::<Vec<_>>(), [9, 0, 1, 2]);
    assert!(desk.is_empty());
}

#[test]
fn what_is_held_for_too_long_is_taken_out() {
    let now = Instant::now();
    let mut desk = desk_of(1, millis(1), HandlerRule::default(), now);
    desk.take_in(tickets(3), now);
    begin_all(&mut desk, now);
    desk.take_in(vec![ticket("x", 7)], now + OLD / 2);
    assert_eq!(desk.take_old(now + OLD - millis(1)), [0_u32; 0]);
    assert_eq!(desk.take_old(now + OLD), [1, 2]);
    assert_eq!(desk.take_all(), [7]);
    assert!(!desk.holds() && !desk.is_empty(), "one still runs");
    let kind = &desk.kinds["x"];
    assert_eq!((kind.held, kind.busy), (0, 1));
}

/// Q21: a job that takes its workers down is claimed beside no more jobs than there are slots.
#[test]
fn q21_nothing_is_held_beside_a_job_with_a_crash() {
    let now = Instant::now();
    let mut desk = desk_of(2, millis(1), HandlerRule::default(), now);
    desk.take_in(tickets(10), now);
    let running = begin_all(&mut desk, now);
    assert_eq!(running.len(), 2);
    let suspect = |claim| Ticket { is_suspect: true, ..ticket("x", claim) };
    let back = desk.take_in(vec![suspect(20), suspect(21)], now);
    assert_eq!(back, [2, 3, 4, 5, 6, 7, 8, 9, 20, 21], "no slot is free for any");
    for (number, _) in running {
        desk.free(number, now);
    }
    assert_eq!(max(&desk, now, true), 2, "there may be more of them");
    assert_eq!(desk.take_in(vec![suspect(20), ticket("x", 2), ticket("x", 3)], now), [3]);
    let running = begin_all(&mut desk, now);
    assert_eq!(max(&desk, now, true), 0);
    desk.free(running[0].0, now);
    assert_eq!(max(&desk, now, true), 1);
    desk.take_in(vec![ticket("x", 3)], now);
    assert!(max(&desk, now, true) > 1, "the suspect has ended, and no other was there");
}
