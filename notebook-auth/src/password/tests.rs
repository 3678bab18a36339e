use std::time::Duration;

use futures::future::join_all;

use super::*;

/// The least that is allowed: tests are not attacks.
const CHEAP: Cost = Cost { memory: 19 * 1024, passes: 1 };

fn passwords(config: PasswordConfig) -> Passwords {
    Passwords::new(config).unwrap()
}

fn cheap() -> PasswordConfig {
    PasswordConfig { cost: CHEAP, ..PasswordConfig::default() }
}

fn hasher(peppers: &[(&str, char)]) -> Hasher {
    Hasher::new(CHEAP, peppers.iter().map(|(id, secret)| pepper(id, *secret)).collect()).unwrap()
}

fn pepper(id: &str, letter: char) -> Pepper {
    Pepper { id: id.into(), secret: Secret::new(letter.to_string().repeat(32)) }
}

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

/// J19: argon2id with secret and associated data, of RFC 9106, 5.3; and a string that the reference implementation's
/// command made: `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32` (m = 65536), version 1.3.
#[test]
fn j19_known_answers() {
    let mut params = argon2::ParamsBuilder::new();
    params.m_cost(32).t_cost(3).p_cost(4).output_len(32);
    params.data(argon2::AssociatedData::new(&[4; 12]).unwrap());
    let argon2 = argon2::Argon2::new_with_secret(
        &[3; 8],
        argon2::Algorithm::Argon2id,
        argon2::Version::V0x13,
        params.build().unwrap(),
    )
    .unwrap();
    let mut tag = [0; 32];
    argon2.hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
    let known = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";
    assert_eq!(notebook_core::hex(tag), known);

    let stored =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let hasher = hasher(&[]);
    assert_eq!(hasher.verify(&secret("password"), stored).unwrap(), Verdict::Outdated);
    assert_eq!(hasher.verify(&secret("passwords"), stored).unwrap(), Verdict::Wrong);
}

/// J20: more work, another function, and bcrypt's hashes of the versions that are about.
#[test]
fn j20_outdated_hashes_verify_and_say_so() {
    let right = secret("correct horse");
    let now = hasher(&[]);
    let own = now.hash(&right).unwrap();
    assert!(own.starts_with("$argon2id$v=19$m=19456,t=1,p=1$"), "{own}");
    assert_eq!(now.verify(&right, &own).unwrap(), Verdict::Right);
    assert_eq!(now.verify(&secret("wrong horse"), &own).unwrap(), Verdict::Wrong);
    assert_ne!(now.hash(&right).unwrap(), own, "salted");
    let more = Hasher::new(Cost { passes: 2, ..CHEAP }, vec![]).unwrap();
    assert_eq!(more.verify(&right, &own).unwrap(), Verdict::Outdated);
    assert_eq!(more.verify(&secret("wrong horse"), &own).unwrap(), Verdict::Wrong);
    // A known answer of crypt_blowfish, and one of each version's mark.
    let known = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    assert_eq!(now.verify(&secret("U*U"), known).unwrap(), Verdict::Outdated);
    assert_eq!(now.verify(&secret("U*U*"), known).unwrap(), Verdict::Wrong);
    let made = bcrypt::hash_with_salt("correct horse", 4, [7; 16]).unwrap();
    for version in [bcrypt::Version::TwoA, bcrypt::Version::TwoB, bcrypt::Version::TwoY] {
        let stored = made.format_for_version(version);
        assert_eq!(now.verify(&right, &stored).unwrap(), Verdict::Outdated, "{stored}");
        assert_eq!(now.verify(&secret("x"), &stored).unwrap(), Verdict::Wrong);
    }
}

/// J21
#[tokio::test]
async fn j21_long_and_unicode_passwords() {
    let passwords = passwords(cheap());
    // Unlike bcrypt, all of it counts.
    let (long, other) = ("x".repeat(71) + "ab", "x".repeat(71) + "ac");
    let stored = passwords.hash(&secret(&long)).await.unwrap();
    assert_eq!(passwords.check(&secret(&other), Some(&stored)).await.unwrap(), Checked::Wrong);
    // An upgraded hash of a long password is of all of it, too.
    let old = bcrypt::hash_with_salt(&long, 4, [7; 16]).unwrap().to_string();
    let Checked::Right { upgrade: Some(new) } =
        passwords.check(&secret(&long), Some(&old)).await.unwrap()
    else {
        panic!("not recognised");
    };
    assert_eq!(passwords.check(&secret(&other), Some(&new)).await.unwrap(), Checked::Wrong);
    // One letter or two characters: the same letter.
    let stored = passwords.hash(&secret("caf\u{e9} \u{1f511} \u{5bc6}")).await.unwrap();
    let typed = secret("cafe\u{301} \u{1f511} \u{5bc6}");
    assert_eq!(
        passwords.check(&typed, Some(&stored)).await.unwrap(),
        Checked::Right { upgrade: None }
    );
    assert_eq!(
        passwords.check(&secret("cafe \u{1f511} \u{5bc6}"), Some(&stored)).await.unwrap(),
        Checked::Wrong
    );
}

#[tokio::test]
async fn lengths_and_the_commonest_are_refused() {
    let passwords = passwords(cheap());
    for bad in ["", "1234567", "aaaaaaaaaaaa", "Password1", &"x y".repeat(86)] {
        let error = passwords.hash(&secret(bad)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
        assert_eq!(error.context("field"), Some("password"));
        assert!(bad.is_empty() || !format!("{error:?}").contains(bad));
    }
    passwords.hash(&secret(&"x y".repeat(85))).await.unwrap();
    // Of any length, it is checked without work or harm.
    let endless = secret(&"\u{1e9b}\u{323}".repeat(1 << 20));
    assert_eq!(passwords.check(&endless, None).await.unwrap(), Checked::Wrong);
}

/// J22: without a user, or without a password, as much work is done. That the work is the same is seen in what is
/// verified: a hash with the numbers of today, made like all others.
#[tokio::test]
async fn j22_unknown_users_cost_the_same() {
    let passwords = passwords(cheap());
    let stored = passwords.hash(&secret("correct horse")).await.unwrap();
    let numbers = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
    assert_eq!(numbers(&passwords.decoy), numbers(&stored));
    assert_eq!(passwords.decoy.len(), stored.len());
    assert_eq!(passwords.check(&secret("correct horse"), None).await.unwrap(), Checked::Wrong);
    // Nobody who looks into the memory finds a password for it: it is of random bytes. And it is verified.
    let verdict = passwords.hasher.verify(&secret("correct horse"), &passwords.decoy);
    assert_eq!(verdict.unwrap(), Verdict::Wrong);
}

/// J23: 1,000 at once are hashed a few at a time, and what else there is to do is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j23_a_thousand_at_once_stay_within_the_memory() {
    let config = PasswordConfig { most_memory: 2 * CHEAP.memory, most_at_once: 8, ..cheap() };
    let passwords = passwords(config);
    assert_eq!(passwords.places.available_permits(), 2, "the memory counts");
    let stored = passwords.hash(&secret("correct horse")).await.unwrap();
    let (passwords, right) = (&passwords, &secret("correct horse"));
    let (most, done) = (&AtomicUsize::new(0), &std::sync::atomic::AtomicBool::new(false));
    let watch = async {
        let mut turns = 0_u64;
        while !done.load(Ordering::Relaxed) {
            let taken = 2 - passwords.places.available_permits();
            most.fetch_max(taken, Ordering::Relaxed);
            turns += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        turns
    };
    let all = async {
        let checks = (0..1_000).map(|_| passwords.check(right, Some(&stored)));
        let results = join_all(checks).await;
        done.store(true, Ordering::Relaxed);
        results
    };
    let (turns, results) = futures::join!(watch, all);
    assert!(results.iter().all(|result| *result.as_ref().unwrap() != Checked::Wrong));
    assert_eq!(most.load(Ordering::Relaxed), 2);
    assert!(turns > 10, "others were served");

    // More than may wait are told to come again, and nothing is left behind.
    let few = Passwords { most_waiting: 5, ..passwords.clone() };
    let checks = (0..1_000).map(|_| few.check(right, Some(&stored)));
    let results = join_all(checks).await;
    let refused = results.iter().filter_map(|result| result.as_ref().err());
    let refused: Vec<_> = refused.map(|error| (error.kind(), error.is_retryable())).collect();
    assert_eq!(refused.len(), 995);
    assert!(refused.iter().all(|error| *error == (ErrorKind::RateLimited, true)));
    assert_eq!(few.waiting.load(Ordering::Relaxed), 0);
    assert_eq!(few.places.available_permits(), 2);
}

/// J24
#[test]
fn j24_stored_texts_that_are_no_hashes() {
    let hasher = hasher(&[]);
    let good = hasher.hash(&secret("correct horse")).unwrap();
    let (head, hash) = good.rsplit_once('$').unwrap();
    let (numbers, _) = head.rsplit_once('$').unwrap();
    let stored = [
        "".into(),
        "password".into(),
        "$".into(),
        "$argon2id$".into(),
        numbers.into(),
        head.into(),
        format!("{head}$"),
        format!("{head}$!!"),
        format!("{good}$x"),
        format!("{good}\0"),
        good.replace("m=19456", "m=4294967295"),
        good.replace("m=19456", "m=1048576"),
        good.replace("m=19456", "m=99999999999"),
        good.replace("m=19456", "m=0"),
        good.replace("t=1", "t=1000000"),
        good.replace("p=1", "p=0"),
        good.replace("v=19", "v=99"),
        good.replace("argon2id", "scrypt"),
        good.replace("m=19456", "m=19456,keyid=QUJD"),
        "$2y$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".into(),
        "$2y$05$CCCC".into(),
        "$2".into(),
        "$2y$05$\u{e9}CCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".into(),
        format!("$argon2id${}", "a=1,".repeat(100_000)),
    ];
    for stored in stored {
        let error = hasher.verify(&secret("correct horse"), &stored).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{:.80}", stored);
        assert!(!format!("{error:?}").contains(hash));
    }
}

/// J22, J24: where a stored hash says nothing, it is as if there was none.
#[tokio::test]
async fn j22_an_unreadable_hash_is_nobodys() {
    let [with, without] = [vec![pepper("a", 'x')], vec![]]
        .map(|peppers| passwords(PasswordConfig { peppers, ..cheap() }));
    let right = secret("correct horse");
    let stored = with.hash(&right).await.unwrap();
    assert_eq!(with.check(&right, Some(&stored)).await.unwrap(), Checked::Right { upgrade: None });
    for unreadable in [stored.as_str(), "", "$argon2id$", "$2y$05$CCCC"] {
        assert_eq!(without.check(&right, Some(unreadable)).await.unwrap(), Checked::Wrong);
    }
}

/// J27
#[test]
fn j27_peppers_take_turns() {
    let password = secret("correct horse");
    let plain = hasher(&[]);
    let (first, both, later) =
        (hasher(&[("a", 'x')]), hasher(&[("b", 'y'), ("a", 'x')]), hasher(&[("b", 'y')]));
    let stored = first.hash(&password).unwrap();
    assert!(stored.contains("keyid="), "{stored}");
    assert_eq!(first.verify(&password, &stored).unwrap(), Verdict::Right);
    assert_eq!(both.verify(&password, &stored).unwrap(), Verdict::Outdated);
    assert_eq!(both.verify(&secret("wrong horse"), &stored).unwrap(), Verdict::Wrong);
    let renewed = both.hash(&password).unwrap();
    assert_eq!(later.verify(&password, &renewed).unwrap(), Verdict::Right);
    // Without its pepper nothing can be said; with another secret by that name, it is wrong.
    for without in [&plain, &later] {
        let error = without.verify(&password, &stored).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    assert_eq!(hasher(&[("a", 'z')]).verify(&password, &stored).unwrap(), Verdict::Wrong);
    // A pepper that comes later: the hashes of before are outdated.
    let bare = plain.hash(&password).unwrap();
    assert_eq!(first.verify(&password, &bare).unwrap(), Verdict::Outdated);
    for (id, letters) in [("", 32), ("ninechars", 32), ("a b", 32), ("a", 31)] {
        let bad = Pepper { id: id.into(), secret: Secret::new("s".repeat(letters)) };
        assert_eq!(Hasher::new(CHEAP, vec![bad]).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert!(Hasher::new(CHEAP, vec![pepper("a", 'x'), pepper("a", 'y')]).is_err());
}

#[test]
fn a_cost_out_of_bounds_is_refused() {
    for cost in [
        Cost { memory: 19 * 1024 - 1, passes: 2 },
        Cost { memory: 1 << 20, passes: 2 },
        Cost { memory: 19 * 1024, passes: 0 },
        Cost { memory: 19 * 1024, passes: 17 },
    ] {
        assert_eq!(Hasher::new(cost, vec![]).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let small = PasswordConfig { most_memory: 1_024, ..cheap() };
    assert_eq!(Passwords::new(small).unwrap_err().context("field"), Some("most_memory"));
}

/// How long one takes with the default cost: `cargo nextest run -p notebook-auth default_cost --no-capture`.
#[test]
#[allow(clippy::print_stderr, reason = "the figure is of interest, whatever it is")]
fn the_default_cost_is_measured() {
    let hasher = Hasher::new(Cost::default(), vec![]).unwrap();
    let started = std::time::Instant::now();
    let stored = hasher.hash(&secret("correct horse")).unwrap();
    eprintln!("one hash: {:?}", started.elapsed());
    assert_eq!(hasher.verify(&secret("correct horse"), &stored).unwrap(), Verdict::Right);
}
