//! How mail is sent.

use std::path::PathBuf;

use notebook_core::{Secret, mail::Address};
use reqwest::Url;
use serde::{Deserialize, Serialize};

/// How mail is sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// An SMTP server: `smtps://user:password@host` (TLS from the first byte), or `smtp://user:password@host` (TLS by
    /// STARTTLS, without which nothing is sent). `smtp://host?tls=none` is without any. No mail is sent when absent.
    pub url: Option<Secret>,
    /// Whom mail is from, such as `Notebook <notebook@example.org>`.
    pub from: Option<String>,
    /// The language of mail: `en` or `de`.
    pub language: Language,
    /// How many seconds a server may take for a step.
    pub timeout_seconds: u32,
    /// Files with more certificate authorities to trust, as PEM.
    pub extra_roots: Vec<PathBuf>,
}

/// A language that there are texts in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// German.
    De,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            url: None,
            from: None,
            language: Language::En,
            timeout_seconds: 30,
            extra_roots: Vec::new(),
        }
    }
}

impl Mail {
    /// What is wrong, as sentences.
    pub(super) fn errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        if let Some(url) = &self.url
            && let Err(why) = check_url(url.expose())
        {
            errors.push(format!("mail.url {why}"));
        }
        match &self.from {
            None if self.url.is_some() => {
                errors.push("mail.from is needed: whom mail is from, such as \"Notebook <notebook@example.org>\"".to_owned());
            }
            Some(from) if Address::parse(from).is_none() => errors.push(format!(
                "mail.from is {from:?}, which is no address: give such as \"Notebook <notebook@example.org>\""
            )),
            _ => {}
        }
        if !(1..=120).contains(&self.timeout_seconds) {
            errors.push("mail.timeout_seconds must be from 1 to 120".to_owned());
        }
        errors
    }

    /// Whether it goes to another machine in the clear.
    pub(super) fn is_in_the_clear(&self) -> bool {
        let url = self.url.as_ref().and_then(|url| Url::parse(url.expose()).ok());
        url.is_some_and(|url| {
            let none = url.query_pairs().any(|(name, value)| name == "tls" && value == "none");
            none && !super::profile::is_here(url.host_str().unwrap_or_default())
        })
    }
}

/// The text is a secret and not repeated.
fn check_url(text: &str) -> Result<(), &'static str> {
    let url = Url::parse(text)
        .map_err(|_| "must be a URL such as smtps://user:password@mail.example.org")?;
    if !matches!(url.scheme(), "smtp" | "smtps") || url.host_str().is_none_or(str::is_empty) {
        return Err("must begin with smtps:// or smtp:// and name a host");
    }
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err(
            "must end with the host or port; write / # and ? in a password as %2F, %23 and %3F",
        );
    }
    let known = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
        name == "tls" && value == "none"
    };
    if !url.query_pairs().all(known) || (url.query().is_some() && url.scheme() == "smtps") {
        return Err("knows ?tls=none alone, with smtp://");
    }
    Ok(())
}
