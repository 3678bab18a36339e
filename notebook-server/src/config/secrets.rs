//! Where secrets come from that do not stand in the configuration itself: files, and Vault.
//!
//! In place of its text a secret setting may have `{ file = "PATH" }`, `{ vault = "PATH#FIELD" }` or `"vault:PATH#FIELD"`.
//! The environment says the same: `NOTEBOOK__STORAGE__POSTGRES__FILE=/run/secrets/postgres`.

use std::{collections::BTreeMap, path::PathBuf};

use figment::{
    Figment,
    value::{Dict, Value},
};
use notebook_core::{Secret, http::BaseUrl};
use serde::Deserialize;

/// Every setting that holds a secret; `*` stands for any name.
pub(super) const SECRET_SETTINGS: &[&str] = &[
    "storage.postgres",
    "storage.redis",
    "auth.secrets.*",
    "auth.oidc.*.client_secret",
    "chat.openai.api_key",
    "chat.openai.api_keys.*",
    "chat.openai.headers.*",
    "chat.google.api_key",
    "chat.google.api_keys.*",
    "chat.anthropic.api_key",
    "chat.azure.api_key",
    "chat.presets.*.api_key",
    "chat.presets.*.headers.*",
    "rerank.api_key",
    "mail.url",
    "mcp.servers.*.env.*",
    "mcp.servers.*.headers.*",
    "mcp.servers.*.token",
    "secrets.vault.token",
    "secrets.vault.secret_id",
];
/// What the settings of Vault begin with: they cannot come from Vault.
const OWN: &str = "secrets.vault.";
/// The most bytes of a file that holds a secret.
const MOST: u64 = 64 << 10;

/// Where secrets come from that do not stand in the configuration itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Secrets {
    /// HashiCorp Vault or OpenBao, of which secrets are read (KV version 2).
    pub vault: Vault,
}

/// HashiCorp Vault or OpenBao.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vault {
    /// Such as `https://vault.internal:8200`.
    pub address: Option<String>,
    /// A token. Give this, or `role_id` and `secret_id`.
    pub token: Option<Secret>,
    /// The role of an AppRole.
    pub role_id: Option<String>,
    /// The secret of an AppRole.
    pub secret_id: Option<Secret>,
    /// Where the AppRole method is mounted.
    pub approle_mount: String,
    /// Where the KV engine is mounted.
    pub mount: String,
    /// The namespace, where there are any.
    pub namespace: Option<String>,
    /// For how many seconds it is tried to reach it at the start.
    pub timeout_seconds: u32,
    /// Files with more certificate authorities to trust, as PEM.
    pub extra_roots: Vec<PathBuf>,
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            address: None,
            token: None,
            role_id: None,
            secret_id: None,
            approle_mount: "approle".to_owned(),
            mount: "secret".to_owned(),
            namespace: None,
            timeout_seconds: 30,
            extra_roots: Vec::new(),
        }
    }
}

impl Vault {
    /// What is wrong, as sentences.
    pub(super) fn errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        let Some(address) = &self.address else { return errors };
        if let Err(error) = BaseUrl::parse(address) {
            let fix = error.context("fix").unwrap_or_default();
            errors.push(format!("secrets.vault.address is the server's address: {fix}"));
        }
        let by_role = self.role_id.is_some() && self.secret_id.is_some();
        let any_role = self.role_id.is_some() || self.secret_id.is_some();
        if self.token.is_some() == any_role || any_role != by_role {
            errors.push(
                "secrets.vault needs either token, or role_id and secret_id: each may be { file = \"PATH\" }"
                    .to_owned(),
            );
        }
        if !(1..=600).contains(&self.timeout_seconds) {
            errors.push("secrets.vault.timeout_seconds must be from 1 to 600".to_owned());
        }
        for (name, value) in [("mount", &self.mount), ("approle_mount", &self.approle_mount)] {
            if !is_path(value) {
                errors.push(format!("secrets.vault.{name} must be a path such as \"kv/team\""));
            }
        }
        errors
    }
}

/// A field of a secret in Vault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Below the mount.
    pub(crate) path: String,
    /// Of what is kept there.
    pub(crate) field: String,
}

/// Where the text of a secret setting is.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Inline,
    File(PathBuf),
    Vault(Place),
}

/// What is known of the secret settings before any of them is read.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Those that are written in the configuration file itself.
    pub(super) in_file: Vec<String>,
    /// Texts from files, by setting.
    pub(super) read: BTreeMap<String, Secret>,
    /// What has to be asked of Vault, by setting.
    pub(super) asked: BTreeMap<String, Place>,
    /// What is wrong, by setting.
    pub(super) errors: BTreeMap<String, String>,
}

/// Looks at all secret settings, and reads those that lie in files.
pub(super) fn find(figment: &Figment) -> Found {
    let mut found = Found::default();
    let Ok(tree) = figment.extract::<Value>() else { return found };
    for pattern in SECRET_SETTINGS {
        let names: Vec<&str> = pattern.split('.').collect();
        leaves(&tree, &names, String::new(), &mut |setting, value| {
            found.look(figment, setting, value);
        });
    }
    found
}

impl Found {
    fn look(&mut self, figment: &Figment, setting: String, value: &Value) {
        if let Some(text) = misread(&setting, value) {
            self.read.insert(setting, text);
            return;
        }
        match source(&setting, value) {
            Ok(Source::Inline) => {
                let of_file = figment
                    .get_metadata(value.tag())
                    .and_then(|from| from.source.as_ref())
                    .is_some_and(|source| source.file_path().is_some());
                if of_file {
                    self.in_file.push(setting);
                }
            }
            Ok(Source::File(path)) => match read(&path) {
                Ok(secret) => drop(self.read.insert(setting, secret)),
                Err(why) => {
                    let error = format!("{setting} is to be read of {}: {why}", path.display());
                    self.errors.insert(setting, error);
                }
            },
            Ok(Source::Vault(place)) => drop(self.asked.insert(setting, place)),
            Err(error) => drop(self.errors.insert(setting, error)),
        }
    }
}

/// The text of a secret in the environment that looks like a number, a list or the like, and was read as one.
fn misread(setting: &str, value: &Value) -> Option<Secret> {
    if matches!(value, Value::String(..) | Value::Dict(..)) {
        return None;
    }
    let name = format!("NOTEBOOK__{}", setting.replace('.', "__"));
    let mut variables = std::env::vars_os();
    let (_, text) = variables.find(|(key, _)| key.eq_ignore_ascii_case(&name))?;
    text.into_string().ok().map(Secret::new)
}

/// Calls `each` with every value that the pattern names.
fn leaves(value: &Value, names: &[&str], at: String, each: &mut impl FnMut(String, &Value)) {
    let Some((name, rest)) = names.split_first() else { return each(at, value) };
    let Value::Dict(_, dict) = value else { return };
    for (key, value) in dict {
        if *name == "*" || key == name {
            let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            leaves(value, rest, at, each);
        }
    }
}

fn source(setting: &str, value: &Value) -> Result<Source, String> {
    let wrong = || {
        format!(
            "{setting} must be the text itself, {{ file = \"PATH\" }} or {{ vault = \"PATH#FIELD\" }}, and one of them"
        )
    };
    let (kind, text) = match value {
        Value::String(_, text) => match text.strip_prefix("vault:") {
            Some(place) => ("vault", place),
            None => return Ok(Source::Inline),
        },
        Value::Dict(_, dict) => one_text(dict).ok_or_else(wrong)?,
        // The types say what is wrong with it.
        _ => return Ok(Source::Inline),
    };
    match kind {
        "file" => Ok(Source::File(PathBuf::from(text))),
        "vault" if setting.starts_with(OWN) => {
            Err(format!("{setting} cannot come from Vault itself: give {{ file = \"PATH\" }}"))
        }
        "vault" => place(text).map(Source::Vault).ok_or_else(|| {
            format!("{setting}: name a place in Vault as PATH#FIELD, such as notebook/production#postgres")
        }),
        _ => Err(wrong()),
    }
}

fn one_text(dict: &Dict) -> Option<(&str, &str)> {
    let mut entries = dict.iter();
    let (name, value) = entries.next()?;
    if entries.next().is_some() {
        return None;
    }
    Some((name, value.as_str()?))
}

fn place(text: &str) -> Option<Place> {
    let (path, field) = text.split_once('#')?;
    let path = path.trim_matches('/');
    (is_path(path) && !field.is_empty())
        .then(|| Place { path: path.to_owned(), field: field.to_owned() })
}

/// Names between slashes that lead nowhere else in a URL.
fn is_path(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.@:+ ".contains(c);
    text.split('/').all(|part| !matches!(part, "" | "." | "..") && part.chars().all(good))
}

fn read(path: &std::path::Path) -> Result<Secret, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MOST {
        return Err(format!("it has more than {MOST} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(Secret::new(text)) }
}

/// The settings as a tree, to be laid over the others.
pub(super) fn tree(texts: &BTreeMap<String, Secret>) -> Dict {
    let mut all = Dict::new();
    for (setting, secret) in texts {
        let names: Vec<&str> = SECRET_SETTINGS
            .iter()
            .find(|pattern| matches(pattern, setting))
            // What a `*` stands for is the rest, dots included.
            .map(|pattern| setting.splitn(pattern.split('.').count(), '.').collect())
            .unwrap_or_default();
        put(&mut all, &names, secret);
    }
    all
}

/// What a `*` at the end stands for may have dots.
fn matches(pattern: &str, setting: &str) -> bool {
    let parts: Vec<&str> = pattern.split('.').collect();
    let names: Vec<&str> = setting.splitn(parts.len(), '.').collect();
    parts.len() == names.len()
        && parts.iter().zip(&names).all(|(part, name)| *part == "*" || part == name)
}

fn put(dict: &mut Dict, names: &[&str], secret: &Secret) {
    let Some((name, rest)) = names.split_first() else { return };
    if rest.is_empty() {
        dict.insert((*name).to_owned(), Value::from(secret.expose()));
        return;
    }
    let inner = dict.entry((*name).to_owned()).or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, inner) = inner {
        put(inner, rest, secret);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G9: a secret setting that is not in the list could not be given by file or Vault.
    #[test]
    fn g9_the_list_has_every_field_that_is_a_secret() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config");
        let files = std::fs::read_dir(folder).unwrap();
        let files: Vec<String> =
            files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
        let is_field = |line: &&str| line.starts_with("    pub ") && line.ends_with("Secret>,");
        let fields = files.iter().flat_map(|text| text.lines()).filter(is_field).count();
        assert_eq!(fields, SECRET_SETTINGS.len(), "put the new one into SECRET_SETTINGS");
    }

    #[test]
    fn places_in_vault_are_paths_with_a_field() {
        let at = |path: &str, field: &str| {
            Some(Place { path: path.to_owned(), field: field.to_owned() })
        };
        assert_eq!(place("a/b#c"), at("a/b", "c"));
        assert_eq!(place("/a/b/#c d"), at("a/b", "c d"));
        for wrong in ["a/b", "#c", "a#", "a/../b#c", "a//b#c", "a?x#c", "a%2fb#c", ""] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
