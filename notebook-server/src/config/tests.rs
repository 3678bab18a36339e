use std::io::Write as _;

use super::{ConfigErrors, User, load};

fn errors(toml: &str) -> Vec<String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(toml.as_bytes()).unwrap();
    let ConfigErrors(errors) = load(Some(file.path())).unwrap_err();
    errors
}

#[test]
fn i2_all_errors_are_reported_at_once_with_their_names() {
    let errors = errors(
        "[server]\nbind = \"0.0.0.0\"\n[chat]\nprovider = \"skynet\"\ntemperature = 9\n[embedding]\nprovider = \"x\"\n",
    );
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert!(errors[0].contains("server.bind"));
    assert!(errors[1].contains("extractive"), "the compiled-in names are listed: {}", errors[1]);
}

#[test]
fn redis_is_for_servers_that_share_a_database() {
    let errors = errors("[storage]\nredis = \"redis://:hunter2@host\"\n");
    assert!(errors.len() == 1 && errors[0].contains("storage.postgres"), "{errors:?}");
    assert!(!errors[0].contains("hunter2"));
}

#[test]
fn i2_an_unknown_name_is_an_error() {
    let errors = errors("[server]\nprot = 1\n");
    assert!(errors[0].contains("prot"), "{errors:?}");
}

#[test]
fn i2_what_webhooks_are_given_is_checked() {
    let errors = errors(
        "[egress]\nallow = [\"hooks.internal\"]\n[webhooks]\nattempts = 0\ntimeout_seconds = 121\n",
    );
    assert_eq!(errors.len(), 3, "{errors:?}");
    for name in ["egress.allow", "webhooks.attempts", "webhooks.timeout_seconds"] {
        assert!(errors.iter().any(|error| error.contains(name)), "{name}: {errors:?}");
    }
}

#[test]
fn g6_rates_are_checked_by_name_and_a_part_leaves_the_rest() {
    let errors = errors(
        "[server]\ntrusted_proxies = [\"10.0.0.0/33\"]\nclient_address_header = \"x-real-ip\"\n\
         [rate_limits]\nstore = \"disk\"\ntier = \"gold\"\nuser.ask = { quota = 0, seconds = 60 }\n\
         tiers.own.ask = { quota = 1, seconds = 0 }\nworkspaces.mine = \"silver\"\n",
    );
    let expected = [
        "server.client_address_header",
        "server.trusted_proxies",
        "rate_limits.store",
        "rate_limits.tiers.own.ask.seconds",
        "rate_limits.user.ask.quota",
        "rate_limits.tier ",
        "rate_limits.workspaces.mine is \"silver\"",
        "rate_limits.workspaces.mine must be",
    ];
    for name in expected {
        assert!(errors.iter().any(|error| error.starts_with(name)), "{name}: {errors:#?}");
    }
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(
        b"[rate_limits]\nuser.ask = { quota = 5, seconds = 60 }\ntiers.own.ask = { quota = 9, seconds = 60 }\n",
    )
    .unwrap();
    let set = load(Some(file.path())).unwrap().rate_limits;
    assert_eq!(set.user, User { ask: set.user.ask, ..User::default() });
    assert_eq!(set.user.ask.map(|rate| rate.quota), Some(5));
    let tiers = set.all_tiers();
    let asks = |name: &str| tiers[name].ask.map(|rate| rate.quota);
    assert_eq!(
        [asks("free"), asks("own"), tiers["own"].read.map(|rate| rate.quota)],
        [Some(100), Some(9), None]
    );
    assert!(set.is_on(false) && !set.is_on(true));
}

/// All servers of a database need the same: given as the file and the environment give names, as texts.
#[test]
fn g9_secrets_are_named_by_numbers() {
    let secret = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "[auth.secrets]\n1 = \"{secret}\"\n20 = \"{secret}x\"\n").unwrap();
    let numbers: Vec<u32> = load(Some(file.path())).unwrap().auth.secrets.into_keys().collect();
    assert_eq!(numbers, [1, 20]);
    let wrong = errors(&format!("[auth.secrets]\none = \"{secret}\"\n"));
    assert!(wrong.len() == 1 && wrong[0].contains("auth.secrets.1"), "{wrong:?}");
    assert!(!wrong[0].contains(secret), "{wrong:?}");
}

#[test]
fn secrets_do_not_print() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(
        b"[storage]\npostgres = \"postgres://u:pg-secret\"\nredis = \"redis://:r-secret\"\n[chat.openai]\napi_key = \"sk-verysecret\"\nheaders = { x-token = \"tok-secret\" }\n",
    )
    .unwrap();
    let shown = format!("{:?}", load(Some(file.path())).unwrap());
    for secret in ["pg-secret", "r-secret", "verysecret", "tok-secret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// G4: what is wrong with a provider names its field.
#[test]
fn g4_openid_providers_are_checked_by_field() {
    let head = "[auth]\nmode = \"accounts\"\npublic_url = \"https://notebook.example.org\"\n";
    let named = |name: &str, lines: &str| {
        let good = [("issuer", "\"https://accounts.example.org\""), ("client_id", "\"a\"")];
        let rest = good.iter().filter(|(name, _)| !lines.contains(&format!("{name} =")));
        let rest: String = rest.map(|(name, value)| format!("{name} = {value}\n")).collect();
        format!("[auth.oidc.{name:?}]\n{rest}{lines}\n")
    };
    let provider = |lines: &str| named("example", lines);
    for (lines, field) in [
        ("label = \" \"", "auth.oidc.example.label"),
        ("issuer = \"accounts.example.org\"", "auth.oidc.example.issuer"),
        ("issuer = \"http://accounts.example.org\"", "auth.oidc.example.issuer"),
        ("issuer = \"https://accounts.example.org/?a\"", "auth.oidc.example.issuer"),
        ("client_id = \" \"", "auth.oidc.example.client_id"),
        ("client_secret = \"\"", "auth.oidc.example.client_secret"),
        ("scopes = [\"email profile\"]", "auth.oidc.example.scopes"),
        ("allowed_domains = [\"@example.org\"]", "auth.oidc.example.allowed_domains"),
        (
            "registration = \"open\"\nlink_verified_email = true",
            "auth.oidc.example.link_verified_email",
        ),
        ("secret = \"x\"", "unknown field"),
    ] {
        let errors = errors(&format!("{head}{}", provider(lines)));
        assert!(errors.len() == 1 && errors[0].contains(field), "{lines}: {errors:?}");
    }
    let spaced = errors(&format!("{head}{}", named("Example Inc", "")));
    assert!(spaced.len() == 1 && spaced[0].contains("auth.oidc.Example Inc"), "{spaced:?}");
    let alone = errors(&provider("client_secret = \"hunter2\""));
    for field in ["auth.mode", "auth.public_url"] {
        assert!(alone.iter().any(|error| error.contains(field)), "{field}: {alone:?}");
    }
    assert!(!format!("{alone:?}").contains("hunter2"));
}

#[test]
fn b3_what_reranks_is_checked() {
    for (toml, wanted) in [
        ("provider = \"skynet\"", "compiled in are: none, candle, http"),
        ("provider = \"candle\"", "rerank.model or rerank.folder"),
        ("provider = \"http\"\nbase_url = \"http://127.0.0.1:1/v1\"", "rerank.model"),
        ("provider = \"http\"\nmodel = \"m\"", "rerank.base_url"),
        ("dialect = \"latin\"", "rerank.dialect"),
        ("candidates = 0", "rerank.candidates"),
        ("candidates = 101", "rerank.candidates"),
        ("millis = 0", "rerank.millis"),
        ("seconds = 1", "seconds"),
    ] {
        let errors = errors(&format!("[rerank]\n{toml}\n"));
        assert!(errors.len() == 1 && errors[0].contains(wanted), "{toml}: {errors:?}");
    }
}

/// A key on its way to another machine goes encrypted.
#[test]
fn b3_a_key_is_not_sent_in_the_clear() {
    let of = |url: &str, key: &str| {
        let toml =
            format!("[rerank]\nprovider = \"http\"\nmodel = \"m\"\nbase_url = \"{url}\"\n{key}\n");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(toml.as_bytes()).unwrap();
        let loaded = super::read(Some(file.path())).unwrap();
        assert!(!format!("{:?}", loaded.config).contains("rr-secret"));
        loaded.unsafe_settings.iter().any(|what| what.contains("rerank.base_url"))
    };
    let key = "api_key = \"rr-secret\"";
    assert!(of("http://rerank.example.org/v1", key));
    assert!(!of("https://rerank.example.org/v1", key));
    assert!(!of("http://rerank.example.org/v1", ""));
    assert!(!of("http://127.0.0.1:8080/v1", key));
}
