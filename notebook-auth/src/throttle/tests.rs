use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn address(i: u32) -> IpAddr {
    IpAddr::V4(i.into())
}

fn throttle() -> Throttle {
    Throttle::new(ThrottlePolicy::default())
}

fn admitted(throttle: &mut Throttle, account: &str, from: IpAddr, tries: u32) -> u32 {
    (0..tries).filter(|_| throttle.admit(account, from, NOW).is_ok()).count() as u32
}

#[test]
fn j26_one_address_tries_one_account_and_many_accounts_so_often() {
    let mut throttle = throttle();
    assert_eq!(admitted(&mut throttle, "ada", address(1), 50), 10);
    let wait = throttle.admit("ada", address(1), NOW).unwrap_err();
    assert_eq!(wait, Duration::from_secs(900));
    assert!(throttle.admit("ada", address(1), NOW.after(wait)).is_ok());
    let mut throttle = self::throttle();
    let all: u32 =
        (0..1_000).map(|i| admitted(&mut throttle, &format!("user{i}"), address(2), 1)).sum();
    assert_eq!(all, 100, "stuffing lists of passwords from one address");
}

#[test]
fn j26_nobody_is_locked_out_by_others() {
    let mut throttle = throttle();
    let (home, new) = (address(7), address(8));
    throttle.admit("ada", home, NOW).unwrap();
    throttle.succeeded("ada", home, NOW);
    let tried: u32 = (1_000..3_000).map(|i| admitted(&mut throttle, "ada", address(i), 20)).sum();
    // 5 addresses with 10 each make it an attack; the others have 3 each.
    assert_eq!(tried, 50 + 1_995 * 3);
    assert_eq!(admitted(&mut throttle, "ada", home, 20), 10, "from home as ever");
    assert_eq!(admitted(&mut throttle, "ada", new, 20), 3, "from elsewhere less, but not none");
    assert_eq!(admitted(&mut throttle, "bob", new, 20), 10);
}

#[test]
fn a_right_password_takes_its_try_back() {
    let mut throttle = throttle();
    for _ in 0..1_000 {
        throttle.admit("ada", address(1), NOW).unwrap();
        throttle.succeeded("ada", address(1), NOW);
    }
    assert_eq!(admitted(&mut throttle, "bob", address(1), 1), 1);
}

#[test]
fn networks_of_version_6_count_as_one_and_mapped_addresses_as_themselves() {
    let mut throttle = throttle();
    let all: u32 = (0..50_u128)
        .map(|i| admitted(&mut throttle, "ada", IpAddr::V6((0x2001_0db8_u128 << 96 | i).into()), 1))
        .sum();
    assert_eq!(all, 10);
    let mapped = IpAddr::V6(std::net::Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
    let plain = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(admitted(&mut throttle, "bob", mapped, 10), 10);
    assert_eq!(admitted(&mut throttle, "bob", plain, 1), 0);
}

#[test]
fn what_is_remembered_is_bounded() {
    let policy = ThrottlePolicy { most: 100, ..ThrottlePolicy::default() };
    let mut throttle = Throttle::new(policy);
    for i in 0..10_000 {
        let now = NOW.after(Duration::from_millis(i.into()));
        let _ = throttle.admit(&format!("user{i}"), address(i), now);
        throttle.succeeded(&format!("user{i}"), address(i), now);
        assert!(throttle.remembered() <= 400);
    }
    // The newest is kept.
    let last = NOW.after(Duration::from_secs(10));
    for _ in 0..10 {
        throttle.admit("eve", address(1), last).unwrap();
    }
    assert!(throttle.admit("eve", address(1), last).is_err());
}

/// An office behind one address: a stranger there who tries all accounts holds nobody up who has signed in from it.
#[test]
fn j26_an_address_that_is_used_up_still_lets_in_whom_it_knows() {
    let mut throttle = throttle();
    throttle.admit("ada", address(1), NOW).unwrap();
    throttle.succeeded("ada", address(1), NOW);
    let tried: u32 =
        (0..1_000).map(|i| admitted(&mut throttle, &format!("user{i}"), address(1), 1)).sum();
    assert_eq!(tried, 100);
    assert_eq!(admitted(&mut throttle, "bob", address(1), 1), 0);
    assert_eq!(admitted(&mut throttle, "ada", address(1), 20), 10, "as often as ever, no more");
}

#[test]
fn what_is_tried_alone_is_counted_alone() {
    let mut throttle = throttle();
    let alone = |throttle: &mut Throttle, what: &str| {
        (0..50).filter(|_| throttle.admit_alone(what, address(0), NOW).is_ok()).count()
    };
    for i in 0..100 {
        assert_eq!(alone(&mut throttle, &format!("session {i}")), 10, "{i}");
    }
    let wait = throttle.admit_alone("session 1", address(0), NOW).unwrap_err();
    throttle.admit_alone("session 1", address(0), NOW.after(wait)).unwrap();
    throttle.forgive_alone("session 2", address(0));
    assert_eq!(alone(&mut throttle, "session 2"), 10);
    assert_eq!(admitted(&mut throttle, "ada", address(0), 20), 10);
}
