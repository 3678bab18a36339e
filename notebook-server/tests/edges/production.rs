//! I2, G9: what production refuses, all at once, and what it takes.

use std::os::unix::fs::PermissionsExt as _;

use crate::{
    SECRET,
    common::{Setup, folder},
    notebook,
};

/// All that can be wrong at once. The secret is of an example, and lies in a file that everybody can read.
const WRONG: &str = r#"
profile = "production"
[server]
bind = "0.0.0.0"
trusted_proxies = ["0.0.0.0/0"]
cors.origins = ["http://app.example"]
[auth]
mode = "accounts"
public_url = "http://localhost:8080"
secrets.1 = "change-me-0123456789abcdefghijklmnop"
[rate_limits]
enabled = false
[storage]
postgres = "postgres://u:hunter2-pg@db.internal/notebook"
redis = "redis://:hunter2-redis@cache.internal"
[chat.openai]
base_url = "http://models.internal/v1"
api_key = "hunter2-openai"
[mail]
url = "smtp://u:hunter2-mail@mail.internal?tls=none"
from = "Notebook <notebook@example.org>"
"#;

const NAMES: [&str; 10] = [
    "auth.secrets.1 is of an example",
    "auth.public_url is without encryption",
    "rate_limits.enabled is false",
    "server.trusted_proxies has 0.0.0.0/0",
    "server.cors.origins has http://app.example",
    "chat.openai.base_url is called with a secret",
    "mail.url sends mail without encryption",
    "storage.postgres goes on without encryption",
    "storage.redis sends its password",
    "is open to everybody on this machine (mode 644)",
];

fn config(text: &str, mode: u32) -> (tempfile::TempDir, String) {
    let folder = folder();
    let file = folder.path().join("notebook.toml");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}

#[test]
fn i2_g9_production_refuses_everything_unsafe_at_once() {
    let data = folder();
    let (_kept, file) = config(WRONG, 0o644);
    let (started, said) = notebook(data.path(), &["serve", "--port", "0", "--config", &file], &[]);
    assert!(!started);
    for name in NAMES {
        assert!(said.contains(name), "{name}:\n{said}");
    }
    let lines = said.lines().filter(|line| line.starts_with("  - ")).count();
    assert_eq!(lines, NAMES.len(), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    // Nothing was made, and the doctor says the same.
    assert!(!data.path().join("notebook.db").exists());
    let (good, told) = notebook(data.path(), &["doctor", "--config", &file], &[]);
    assert!(!good);
    for name in NAMES {
        assert!(told.contains(name), "{name}:\n{told}");
    }
    assert!(!told.contains("hunter2"), "{told}");

    // What is missing is unsafe too.
    let bare = "profile = \"production\"\n[auth]\nmode = \"accounts\"\n";
    let (_kept, file) = config(bare, 0o644);
    let (started, said) = notebook(data.path(), &["serve", "--port", "0", "--config", &file], &[]);
    assert!(!started);
    for name in [
        "auth.secrets is missing",
        "auth.public_url is missing",
        "server.trusted_proxies is empty",
        "auth.password_reset is on, but mail.url is missing",
    ] {
        assert!(said.contains(name), "{name}:\n{said}");
    }
    assert_eq!(said.lines().filter(|line| line.starts_with("  - ")).count(), 4, "{said}");
    let weak = [("NOTEBOOK__AUTH__SECRETS__1", "too-short"), ("NOTEBOOK__PROFILE", "production")];
    let (started, said) = notebook(data.path(), &["serve", "--port", "0"], &weak);
    assert!(!started && said.contains("at least 32 random characters"), "{said}");
}

/// What is safe starts; and before production the rest is only told.
#[test]
fn i2_production_starts_with_what_is_safe() {
    let data = folder();
    let secret = data.path().join("secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let server = Setup::new(data.path())
        .with("NOTEBOOK__PROFILE", "production")
        .with("NOTEBOOK__AUTH__MODE", "accounts")
        .with("NOTEBOOK__AUTH__PUBLIC_URL", "https://notebook.example.org")
        .with("NOTEBOOK__AUTH__SECRETS__1__FILE", secret.display())
        .with("NOTEBOOK__AUTH__PASSWORD_RESET", "false")
        .with("NOTEBOOK__SERVER__TRUSTED_PROXIES", "[\"127.0.0.1\"]")
        .start();
    assert!(server.terminate().success());
    // The key came from the file: none was made.
    assert!(!data.path().join("auth-secret").exists());

    let (_kept, file) = config(&WRONG.replace("\"production\"", "\"dev\""), 0o600);
    let (_, told) = notebook(
        data.path(),
        &["doctor", "--config", &file],
        &[
            ("NOTEBOOK__STORAGE__REDIS", "redis://127.0.0.1:1"),
            ("NOTEBOOK__MAIL__URL", "smtp://127.0.0.1:1?tls=none"),
        ],
    );
    assert!(told.contains("not for production: rate_limits.enabled is false"), "{told}");
    assert!(!told.contains("open to everybody") && !told.contains("storage.redis sends"), "{told}");
}

/// G9: a secret of a file; one that is not there, or is given twice, is told by the setting's name.
#[test]
fn g9_secrets_of_files() {
    let data = folder();
    let told = |settings: &[(&str, &str)]| {
        let (good, said) = notebook(data.path(), &["serve", "--port", "0"], settings);
        assert!(!good, "{said}");
        said
    };
    let said = told(&[
        ("NOTEBOOK__CHAT__OPENAI__API_KEY__FILE", "/no/such/file"),
        ("NOTEBOOK__CHAT__GOOGLE__API_KEY", "{ file = \"/a\", vault = \"b#c\" }"),
        ("NOTEBOOK__SECRETS__VAULT__TOKEN", "vault:a#b"),
        ("NOTEBOOK__STORAGE__REDIS", "vault:a#b"),
        ("NOTEBOOK__JOBS__LEASE_SECONDS", "1"),
    ]);
    for part in [
        "chat.openai.api_key is to be read of /no/such/file",
        "chat.google.api_key must be the text itself, { file",
        "secrets.vault.token cannot come from Vault itself",
        "secrets.vault.address is missing, and storage.redis",
        "jobs.lease_seconds",
    ] {
        assert!(said.contains(part), "{part}:\n{said}");
    }
}

/// G9: a secret of the environment is its text, whatever it looks like.
#[test]
fn g9_a_secret_may_look_like_a_number() {
    let data = folder();
    let settings = [
        ("NOTEBOOK__AUTH__MODE", "accounts"),
        ("NOTEBOOK__AUTH__SECRETS__1", "00123456789012345678901234567890"),
        ("NOTEBOOK__CHAT__OPENAI__API_KEY", "007"),
        ("NOTEBOOK__CHAT__GOOGLE__API_KEY", "[1, 2]"),
        ("NOTEBOOK__SECRETS__VAULT__TOKEN", "true"),
        ("NOTEBOOK__JOBS__LEASE_SECONDS", "1"),
    ];
    let (good, said) = notebook(data.path(), &["serve", "--port", "0"], &settings);
    assert!(!good && said.contains("jobs.lease_seconds must"), "{said}");
    assert!(!said.contains("secrets") && !said.contains("api_key"), "{said}");
}
