use proptest::prelude::*;

use super::*;

const JWT: &str =
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA0123456789abcdefABCDEF\nMIIEpAIBAAKCAQEA0123456789abcdefABCDEF\nQx3f\n-----END RSA PRIVATE KEY-----";

/// Secrets, and what must not be left of them.
fn secrets() -> Vec<(String, &'static str)> {
    let keys = [
        "sk-ant-api03-AbCdEf0123456789AbCdEf0123456789",
        "sk-proj-AbCdEf0123456789AbCdEf0123456789",
        "sk-0123456789abcdefABCDEF0123456789",
        "ghp_0123456789abcdefABCDEF0123456789abcd",
        "github_pat_11ABCDEFG0123456789_abcdefABCDEF",
        "AKIAIOSFODNN7EXAMPL3",
        "AIzaSyA0123456789abcdefABCDEF0123456789",
        "xoxb-123456789012-abcdefABCDEF0123",
        "sk_live_0123456789abcdefABCDEF",
        "hf_0123456789abcdefABCDEF0123456789",
        "glpat-0123456789abcdefABCD",
        "nvapi-0123456789abcdefABCDEF0123456789",
        "gsk_0123456789abcdefABCDEF0123456789",
        JWT,
    ];
    let mut all: Vec<(String, &'static str)> = keys.map(|key| (key.to_owned(), key)).to_vec();
    all.extend([
        ("postgres://app:s3cretPa55@db.example/x".to_owned(), "s3cretPa55"),
        ("password=hunter2hunter2".to_owned(), "hunter2hunter2"),
        ("PASSWORD: \"Tr0ub4dor&3x\"".to_owned(), "Tr0ub4dor"),
        ("the password is Tr0ub4dor3x".to_owned(), "Tr0ub4dor3x"),
        ("{\"api_key\":\"abcdef123456\"}".to_owned(), "abcdef123456"),
        ("client_secret = q1w2e3r4t5".to_owned(), "q1w2e3r4t5"),
        ("https://e.example/?access_token=abc123def456&x=1".to_owned(), "abc123def456"),
        ("Authorization: Bearer abcdef0123456789ABCDEF".to_owned(), "abcdef0123456789ABCDEF"),
        (PEM.to_owned(), "MIIEpAIBAAKCAQEA"),
        ("/home/anna/letters/tax.txt".to_owned(), "anna"),
        ("C:\\Users\\anna\\tax.txt".to_owned(), "anna"),
        ("/srv/notebook-data/rows.db".to_owned(), "notebook-data"),
        ("canary-5eedcafe".to_owned(), "5eedcafe"),
    ]);
    all
}

fn redactor() -> Redactor {
    let config = RedactConfig::default()
        .canaries(["canary-5eedcafe".to_owned()])
        .unwrap()
        .folders(["/srv/notebook-data".to_owned()]);
    Redactor::new(&config, None, ["See /home/shared/readme.txt for more."])
}

fn run(pieces: &[&str]) -> (String, usize) {
    let mut redactor = redactor();
    let mut out: String = pieces.iter().map(|piece| redactor.push(piece)).collect();
    out.push_str(&redactor.finish());
    (out, redactor.count())
}

#[test]
fn p12_secrets_are_taken_out_whole() {
    for (text, secret) in secrets() {
        for around in ["It is {} there.", "{}", "`{}`, said she", "(see {})", "a\n\n{}\n\nb"] {
            let text = around.replace("{}", &text);
            let (out, count) = run(&[&text]);
            assert!(!out.contains(secret), "{text} became {out}");
            assert!(count >= 1 && out.contains("[redacted"), "{text} became {out}");
        }
    }
}

#[test]
fn d6_what_stands_around_secrets_stays() {
    for (text, expected) in [
        (
            "Use ghp_0123456789abcdefABCDEF0123456789abcd, please.",
            "Use [redacted: API key], please.",
        ),
        (
            "postgres://app:s3cretPa55@db.example/x",
            "postgres://app:[redacted: password]@db.example/x",
        ),
        ("the password is Tr0ub4dor3x.", "the password is [redacted: password]."),
        ("?access_token=abc123def456&x=1", "?access_token=[redacted: password]&x=1"),
        ("at /home/anna/tax.txt. Then", "at [redacted: path]. Then"),
        ("Bearer abcdef0123456789ABCDEF\nand", "Bearer [redacted: token]\nand"),
    ] {
        assert_eq!(run(&[text]).0, expected);
    }
    let (out, _) = run(&[&format!("Here:\n{PEM}\nKeep it.")]);
    assert_eq!(out, "Here:\n[redacted: private key]\nKeep it.");
}

#[test]
fn d6_ordinary_text_is_left_alone() {
    for text in [
        "The password must be long: eight characters at least.",
        "A token is a word. The key is under the mat. Secret: nobody knows.",
        "Tokens: 1,024 of 8,000 [2][3].",
        "See https://example.org/home/anna and http://example.org:8080/a@b.",
        "risk-taking-in-the-year-2020-and-after-it-was-over",
        "sk-learn is a library; task-oriented-dialogue-systems-of-2020",
        "password = os.environ['DB_PASSWORD'], or password=<your-password>",
        "/home/shared/readme.txt is what the passage says.",
        "/etc/nginx/nginx.conf and /usr/share/doc stay",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----",
        "Der Schlüssel: 🔑 — ключ: слово, 密码：很长",
        "key: value, public key: abc; monkey=banana1",
        "the UUID 0191a1b2-c3d4-7e5f-8a9b-0123456789ab and sha 9f86d081884c7d659a2feaa0c55ad015",
        "  leading and trailing   \n\n spaces \t stay  ",
    ] {
        assert_eq!(run(&[text]), (text.to_owned(), 0));
    }
}

#[test]
fn d6_what_hides_in_a_secret_comes_off_with_it() {
    let key = "ghp_0123456789abcdefABCDEF0123456789abcd";
    for hidden in ["\u{200b}", "[1]", "[2,3]", "\u{e0041}", "\u{0}", "\u{1b}"] {
        for at in [2, 5, 20] {
            let (head, tail) = key.split_at(at);
            let (out, _) = run(&[&format!("It is {head}{hidden}{tail} now")]);
            assert_eq!(out, "It is [redacted: API key] now", "{hidden:?} at {at}");
        }
    }
    // Marks in ordinary words stay for the citations.
    assert_eq!(run(&["It rains[1]. Wet [2][3]."]).0, "It rains[1]. Wet [2][3].");
}

/// P12: nothing is held back longer than the word that it is in, nor beyond a limit.
#[test]
fn p12_the_hold_back_is_bounded() {
    let mut redactor = redactor();
    assert_eq!(redactor.push("One two thr"), "One two thr");
    assert_eq!(redactor.push("ee (fo"), "ee ");
    assert_eq!(redactor.push("ur) gh"), "(four) ");
    assert_eq!(redactor.push("ost"), "ghost");
    assert_eq!(redactor.push("ly cana"), "ly ");
    assert_eq!(redactor.push("l"), "canal");
    assert_eq!(redactor.push(" C"), " ");
    for unit in ["a", "é", "sk-0123456789abcdefABCDEF", "-----BEGIN", "password=", "eyJ."] {
        let mut redactor = Redactor::default();
        for _ in 0..5_000 {
            let _ = redactor.push(unit);
            assert!(redactor.held.len() <= WINDOW, "{unit}");
        }
    }
    // A key without an end does not swallow the answer.
    let cut = "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA0123456789abcdef\nThat was the key. It has no end.";
    assert_eq!(run(&[cut]).0, "[redacted: private key]\nThat was the key. It has no end.");
}

#[test]
fn d6_canaries_are_checked() {
    for canary in ["short", "has white space"] {
        let error = RedactConfig::default().canaries([canary.to_owned()]).unwrap_err();
        assert_eq!(error.context("field"), Some("canaries"));
    }
    let mut redactor = Redactor::new(&RedactConfig::default(), Some("0123456789abcdef"), []);
    let out = redactor.push("The marker is 0123456789ABCDEF. ");
    assert_eq!(out, "The marker is [redacted]. ");
}

fn texts() -> impl Strategy<Value = String> {
    let secrets: Vec<String> = secrets().into_iter().map(|(text, _)| text).collect();
    let piece = prop_oneof![
        3 => prop::sample::select(secrets),
        2 => "[a-zA-Z0-9é🔑/:=._\\-]{0,12}",
        3 => prop::sample::select(vec![" ", "\n", " ", "[1]", "password", ":", "=", " is ", "Bearer ", "-----BEGIN", "-----END",
            "KEY-----", "PRIVATE ", "sk-", "ghp_", "eyJ", "://", "@", "/home/", "\u{200b}", "\u{0}", "\"", "canary-", "x1y2z3w4", "é"]).prop_map(str::to_owned),
        1 => (1_usize..4_000).prop_map(|n| "Ab3".repeat(n / 3)),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// P12: any cutting gives the same as the whole text.
    #[test]
    fn p12_cuts_do_not_matter(text in texts(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30)) {
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).filter(|at| text.is_char_boundary(*at)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let pieces: Vec<_> = at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        prop_assert_eq!(run(&pieces), run(&[&text]));
    }

    /// P12: cut at every character.
    #[test]
    fn p12_one_character_at_a_time(text in texts()) {
        let mut buffer = [0; 4];
        let mut redactor = redactor();
        let mut out = String::new();
        for c in text.chars() {
            out.push_str(&redactor.push(c.encode_utf8(&mut buffer)));
        }
        out.push_str(&redactor.finish());
        prop_assert_eq!((out, redactor.count()), run(&[&text]));
    }

    /// P12: a secret between words of any kind does not pass.
    #[test]
    fn p12_no_secret_passes(
        which in 0_usize..27, before in "([b-m]{1,9} ){0,4}", after in "( [b-m]{1,9}){0,4}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let secrets = secrets();
        let (text, secret) = &secrets[which % secrets.len()];
        let text = format!("{before}{text}{after}");
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).filter(|at| text.is_char_boundary(*at)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let pieces: Vec<_> = at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        let (out, _) = run(&pieces);
        prop_assert!(!out.contains(secret), "{} became {}", text, out);
    }
}
