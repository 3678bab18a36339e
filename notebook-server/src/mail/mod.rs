//! Mail that people are sent: links to set a forgotten password, and invitations.
//!
//! Sent by jobs, so that a mail server that is away holds up nobody and loses nothing. No job has a token in it: the job
//! that sends makes it, and the same one at each try. Links begin with `auth.public_url`, whatever host a request named.

mod send;
mod text;

use std::{sync::Arc, time::Duration};

use notebook_core::{
    InvitationId, Result, Secret, TenantScope, hex,
    mail::{
        Address, Mailer,
        smtp::{Encryption, SmtpConfig, SmtpMailer},
    },
    queue::{
        NewJob, Queue,
        runner::{HandlerRule, Handlers},
    },
};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use crate::{
    access::Accounts,
    config::{Config, Language},
};

/// The kinds of the jobs.
const RESET: &str = "mail.reset";
const INVITATION: &str = "mail.invitation";
/// How many are sent at once in a process.
pub(crate) const SLOTS: usize = 4;
/// How often it is tried: for a quarter of an hour, which is less than a link to set a password is good, and more than
/// servers take that want to see whether a sender comes again.
const ATTEMPTS: u32 = 10;

/// Where mail is asked for.
pub(crate) struct Post {
    queue: Arc<dyn Queue>,
    bell: Arc<Notify>,
    mailer: Arc<dyn Mailer>,
    /// What links begin with.
    origin: String,
    language: Language,
}

/// The input of a job that sends a link to set a password.
#[derive(Serialize, Deserialize)]
struct Reset {
    /// As it was typed, in its one form: whether somebody has it is found out by the job.
    address: String,
}

/// The input of a job that sends an invitation.
#[derive(Serialize, Deserialize)]
struct Invitation {
    invitation: InvitationId,
}

impl Post {
    /// As the configuration says; none where no mail is sent.
    ///
    /// # Errors
    /// Those of the mailer.
    pub(crate) fn open(
        config: &Config,
        queue: Arc<dyn Queue>,
        bell: Arc<Notify>,
    ) -> Result<Option<Arc<Self>>> {
        let Some(origin) = config.auth.origin() else { return Ok(None) };
        let Some(mailer) = mailer(config)? else { return Ok(None) };
        let mailer = Arc::new(mailer);
        let language = config.mail.language;
        Ok(Some(Arc::new(Self { queue, bell, mailer, origin, language })))
    }

    /// Sends a link to set a forgotten password to an address, if somebody has it.
    ///
    /// # Errors
    /// Those of the queue.
    pub(crate) async fn send_reset(&self, address: String) -> Result<()> {
        let digest = hex(Sha256::digest(address.as_bytes()));
        let job = job(RESET, &digest, json!(Reset { address }));
        self.insert(&notebook_auth::installation(), job).await
    }

    /// Sends an invitation to its address.
    ///
    /// # Errors
    /// Those of the queue.
    pub(crate) async fn send_invitation(
        &self,
        scope: &TenantScope,
        invitation: InvitationId,
    ) -> Result<()> {
        let job = job(INVITATION, &invitation.to_string(), json!(Invitation { invitation }));
        self.insert(scope, job).await
    }

    async fn insert(&self, scope: &TenantScope, job: NewJob) -> Result<()> {
        self.queue.insert(scope, vec![job]).await?;
        self.bell.notify_one();
        Ok(())
    }

    /// What does the jobs.
    pub(crate) fn handlers(self: &Arc<Self>, accounts: &Arc<Accounts>) -> Handlers {
        let rule = HandlerRule {
            slots: Some(SLOTS / 2),
            timeout: Duration::from_secs(300),
            ..HandlerRule::default()
        };
        let of = || send::Sender { post: Arc::clone(self), accounts: Arc::clone(accounts) };
        Handlers::new().with(RESET, rule, send::Resets(of())).with(
            INVITATION,
            rule,
            send::Invitations(of()),
        )
    }
}

/// One that waits is enough, however often it is asked for.
fn job(kind: &str, what: &str, payload: serde_json::Value) -> NewJob {
    let unique_key = Some(format!("{kind}:{what}"));
    NewJob { unique_key, max_attempts: ATTEMPTS, ..NewJob::new(kind, payload) }
}

/// What hands mail over, where there is a server for it.
///
/// # Errors
/// `InvalidInput` that names the setting.
pub(crate) fn mailer(config: &Config) -> Result<Option<SmtpMailer>> {
    smtp(config).map(SmtpMailer::new).transpose()
}

/// The settings were checked when they were read.
fn smtp(config: &Config) -> Option<SmtpConfig> {
    let mail = &config.mail;
    let url = Url::parse(mail.url.as_ref()?.expose()).ok()?;
    let encryption = match (url.scheme(), url.query()) {
        ("smtps", _) => Encryption::Tls,
        (_, Some(_)) => Encryption::None,
        _ => Encryption::StartTls,
    };
    let usual = if encryption == Encryption::Tls { 465 } else { 587 };
    let plain = |text: &str| percent(text);
    let user = Some(url.username()).filter(|user| !user.is_empty());
    Some(SmtpConfig {
        host: url.host_str()?.trim_matches(['[', ']']).to_owned(),
        port: url.port().unwrap_or(usual),
        encryption,
        credentials: user
            .map(|user| (plain(user), Secret::new(plain(url.password().unwrap_or_default())))),
        from: Address::parse(mail.from.as_deref()?)?,
        timeout: Duration::from_secs(mail.timeout_seconds.into()),
        extra_roots: mail.extra_roots.clone(),
    })
}

/// A text of a URL as it was before it was put there.
fn percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        let two = others.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let code = two.filter(|_| *first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { others.get(2..).unwrap_or_default() } else { others };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> SmtpConfig {
        let mut config = Config::default();
        config.mail.url = Some(Secret::new(url));
        config.mail.from = Some("Notebook <notebook@example.org>".to_owned());
        smtp(&config).unwrap()
    }

    #[test]
    fn the_url_says_how_mail_is_handed_over() {
        let tls = of("smtps://ada%40example.org:p%2Fw@mail.example.org");
        assert_eq!((tls.port, tls.encryption), (465, Encryption::Tls));
        assert_eq!(tls.credentials, Some(("ada@example.org".to_owned(), Secret::new("p/w"))));
        let start = of("smtp://mail.example.org");
        assert_eq!((start.port, start.encryption), (587, Encryption::StartTls));
        assert!(start.credentials.is_none());
        let none = of("smtp://[::1]:2525?tls=none");
        assert_eq!((none.port, none.encryption), (2525, Encryption::None));
        assert_eq!(none.host, "::1");
    }
}
