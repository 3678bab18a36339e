//! The port of mail: a message is handed over to a server that sends it on, or it is said why not.
//!
//! Adapters: [`MemoryMailer`](memory::MemoryMailer), [`SmtpMailer`](smtp::SmtpMailer) (feature `smtp`). Trying again is
//! not theirs: mail is sent by jobs.

pub mod memory;
#[cfg(feature = "smtp")]
pub mod smtp;

use async_trait::async_trait;

use crate::Result;

/// Whom a message is from or for: a name, if there is one, and an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Such as `Ada Lovelace`.
    pub name: Option<String>,
    /// Such as `ada@example.org`.
    pub email: String,
}

impl Address {
    /// An address without a name.
    #[must_use]
    pub fn new(email: impl Into<String>) -> Self {
        Self { name: None, email: email.into() }
    }

    /// Reads `ada@example.org` or `Ada Lovelace <ada@example.org>`.
    ///
    /// ```
    /// use notebook_core::mail::Address;
    ///
    /// let address = Address::parse("Notebook <notebook@example.org>").unwrap();
    /// assert_eq!(address.email, "notebook@example.org");
    /// assert_eq!(address.host(), "example.org");
    /// assert!(Address::parse("nobody").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (name, email) = match text.strip_suffix('>') {
            Some(rest) => {
                let (name, email) = rest.split_once('<')?;
                (Some(name.trim().trim_matches('"')), email)
            }
            None => (None, text),
        };
        let (local, host) = email.rsplit_once('@')?;
        let bad = |c: char| c.is_control() || c.is_whitespace() || "<>,;\"".contains(c);
        let good = !local.is_empty()
            && !host.is_empty()
            && email.len() <= 254
            && !email.chars().any(bad)
            && !text.chars().any(char::is_control);
        let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        good.then(|| Self { name, email: email.to_owned() })
    }

    /// What follows the `@`.
    #[must_use]
    pub fn host(&self) -> &str {
        self.email.rsplit_once('@').map_or("", |(_, host)| host)
    }
}

/// A message of plain text. Its `Debug` shows neither subject nor text, which may hold a secret link.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The same for every try of the same message: a reader's program knows by it that there is one.
    pub id: String,
    /// Whom it is for.
    pub to: Address,
    /// One line.
    pub subject: String,
    /// Lines.
    pub text: String,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Sends mail.
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Hands a message over to who sends it on.
    ///
    /// - Good: they took it, which does not mean that it arrives.
    /// - Repeated: it is handed over again, under the same id.
    /// - Cancelled: it may have been handed over or not.
    ///
    /// # Errors
    /// `Unavailable` or `Timeout`, which may pass, when they cannot be reached or want to be asked later; `InvalidInput`
    /// when they refuse the message for good; `Unauthorized` when they refuse us. None holds what is in the message.
    async fn send(&self, message: &Message) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_a_name() {
        let named = Address::parse(" \"Ada L.\" <ada@example.org> ").unwrap();
        assert_eq!(
            (named.name.as_deref(), named.email.as_str()),
            (Some("Ada L."), "ada@example.org")
        );
        assert_eq!(Address::parse("<ada@example.org>").unwrap().name, None);
        for wrong in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "a b@example.org",
            "ada@example.org, bob@example.org",
            "Ada <ada@example.org",
            "Ada\r\nBcc: bob <ada@example.org>",
        ] {
            assert_eq!(Address::parse(wrong), None, "{wrong:?}");
        }
    }
}
