//! What Vault's answers mean. Nothing here shows a value: only paths, names, and what Vault says of an error.

use std::{collections::BTreeMap, fmt, time::Duration};

use notebook_core::{Error, Secret};
use serde::Deserialize;
use serde_json::Value;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    why: String,
    /// Whether it may be different in a moment.
    pub(super) may_pass: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Fault {
    fn lasting(why: impl Into<String>) -> Self {
        Self { why: why.into(), may_pass: false }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self { may_pass: error.is_retryable(), why: error.to_string() }
    }
}

/// What is kept at a path.
pub(super) struct Fields(BTreeMap<String, Value>);

impl Fields {
    /// The text of a field.
    pub(super) fn text(&self, field: &str) -> Result<Secret, String> {
        match self.0.get(field) {
            Some(Value::String(text)) if text.is_empty() => Err("the field is empty".to_owned()),
            Some(Value::String(text)) => Ok(Secret::new(text.as_str())),
            Some(_) => Err("the field is no text".to_owned()),
            None => {
                let names: Vec<_> = self.0.keys().map(String::as_str).collect();
                Err(format!("there is no such field, but: {}", names.join(", ")))
            }
        }
    }
}

/// A token and how long it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) token: Secret,
    /// None for one that does not end.
    pub(super) life: Option<Duration>,
    pub(super) renewable: bool,
}

#[derive(Deserialize)]
struct Read {
    data: Kept,
}

#[derive(Deserialize)]
struct Kept {
    data: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    deletion_time: String,
    #[serde(default)]
    destroyed: bool,
}

/// What reading a path of the KV engine came to.
pub(super) fn read(status: u16, body: &[u8], path: &str) -> Result<Fields, Fault> {
    let kept = serde_json::from_slice::<Read>(body).ok().map(|read| read.data);
    match (status, kept) {
        (200, Some(Kept { data: Some(fields), .. })) => Ok(Fields(fields)),
        // A version that was deleted is answered by 404 with what is known of it.
        (200 | 404, Some(Kept { metadata, .. })) => Err(Fault::lasting(if metadata.destroyed {
            "its newest version was destroyed: write it anew".to_owned()
        } else {
            format!(
                "its newest version was deleted at {}: undelete it, or write it anew",
                metadata.deletion_time
            )
        })),
        (200, None) => Err(Fault::lasting(
            "the answer is not that of the KV engine's version 2: check secrets.vault.mount",
        )),
        (404, None) => Err(Fault::lasting(format!(
            "there is nothing at {path}: check the path and secrets.vault.mount{}",
            said(body)
        ))),
        (403, _) => Err(Fault::lasting(format!(
            "permission denied: the token needs a policy with `path \"{path}\" {{ capabilities = [\"read\"] }}`, and may have expired",
        ))),
        _ => Err(other(status, body)),
    }
}

#[derive(Deserialize)]
struct SignedIn {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: Secret,
    lease_duration: u64,
    renewable: bool,
}

/// What a sign-in or a renewal came to.
pub(super) fn grant(status: u16, body: &[u8]) -> Result<Grant, Fault> {
    if status != 200 {
        return Err(match status {
            400 | 403 => Fault::lasting(format!("refused with status {status}{}", said(body))),
            _ => other(status, body),
        });
    }
    let signed: SignedIn = serde_json::from_slice(body)
        .map_err(|_| Fault::lasting("the answer is not that of a sign-in"))?;
    let Auth { client_token, lease_duration, renewable } = signed.auth;
    Ok(Grant { token: client_token, life: life(lease_duration), renewable })
}

#[derive(Deserialize)]
struct LookedUp {
    data: Token,
}

#[derive(Deserialize)]
struct Token {
    ttl: u64,
    #[serde(default)]
    renewable: bool,
}

/// What is known of a token that was given. A policy may forbid to ask: then nothing is, and it is not renewed.
pub(super) fn looked_up(status: u16, body: &[u8], token: &Secret) -> Result<Grant, Fault> {
    match status {
        200 => {
            let found: LookedUp = serde_json::from_slice(body)
                .map_err(|_| Fault::lasting("the answer is not that of a token"))?;
            let Token { ttl, renewable } = found.data;
            Ok(Grant { token: token.clone(), life: life(ttl), renewable })
        }
        403 => Ok(Grant { token: token.clone(), life: None, renewable: false }),
        _ => Err(other(status, body)),
    }
}

fn life(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

fn other(status: u16, body: &[u8]) -> Fault {
    let (what, may_pass) = match status {
        300..=399 => {
            return Fault::lasting(
                "it redirects: set secrets.vault.address to that of the active server",
            );
        }
        429 => ("too many requests", true),
        503 => ("it is sealed or in maintenance", true),
        // 412: the standby server is not as far yet.
        408 | 412 | 500..=599 => ("it is not ready", true),
        _ => ("it refused", false),
    };
    Fault { why: format!("{what} (status {status}{})", said(body)), may_pass }
}

/// Vault's own words, which name paths and reasons.
fn said(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<String>,
    }
    let errors = serde_json::from_slice::<Errors>(body).map(|body| body.errors.join("; "));
    let text = errors.unwrap_or_default();
    let short: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
    if short.is_empty() { short } else { format!(": {short}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(status: u16, body: &str) -> (String, bool) {
        let fault = read(status, body.as_bytes(), "secret/data/a").err().unwrap();
        (fault.to_string(), fault.may_pass)
    }

    /// G9: each answer of the KV engine is told as what it is, and no value with it.
    #[test]
    fn g9_what_answers_mean() {
        let good = br#"{"data":{"data":{"key":"hunter2","n":1,"e":""},"metadata":{"version":3}}}"#;
        let fields = read(200, good, "a").unwrap();
        assert_eq!(fields.text("key").unwrap().expose(), "hunter2");
        assert_eq!(fields.text("other").unwrap_err(), "there is no such field, but: e, key, n");
        assert!(fields.text("n").unwrap_err().contains("no text"));
        assert!(fields.text("e").unwrap_err().contains("empty"));

        let deleted = r#"{"data":{"data":null,"metadata":{"deletion_time":"2026-01-02T03:04:05Z","destroyed":false}}}"#;
        assert!(why(404, deleted).0.contains("deleted at 2026-01-02"));
        let destroyed =
            r#"{"data":{"data":null,"metadata":{"deletion_time":"","destroyed":true}}}"#;
        assert!(why(404, destroyed).0.contains("destroyed"));
        assert!(why(404, r#"{"errors":[]}"#).0.contains("nothing at secret/data/a"));
        assert!(why(403, r#"{"errors":["permission denied"]}"#).0.contains("policy"));
        assert!(
            why(200, r#"{"data":{"key":"hunter2"}}"#).0.contains("deleted") || !why(200, "{}").1
        );
        for (status, passes) in [
            (403, false),
            (404, false),
            (400, false),
            (307, false),
            (429, true),
            (503, true),
            (500, true),
            (412, true),
        ] {
            let (text, may_pass) = why(status, r#"{"errors":["Vault is sealed"]}"#);
            assert_eq!(may_pass, passes, "{status}: {text}");
        }
        assert!(why(503, r#"{"errors":["Vault is sealed"]}"#).0.contains("Vault is sealed"));
    }

    #[test]
    fn a_token_that_may_not_be_looked_up_is_used_and_not_renewed() {
        let token = Secret::new("t");
        let grant = looked_up(403, b"{}", &token).unwrap();
        assert_eq!((grant.renewable, grant.life), (false, None));
        let grant = looked_up(200, br#"{"data":{"ttl":60,"renewable":true}}"#, &token).unwrap();
        assert_eq!((grant.renewable, grant.life), (true, Some(Duration::from_secs(60))));
        let root = looked_up(200, br#"{"data":{"ttl":0}}"#, &token).unwrap();
        assert_eq!((root.renewable, root.life), (false, None));
    }
}
