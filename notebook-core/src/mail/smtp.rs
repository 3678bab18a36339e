//! Mail by SMTP.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
        extension::ClientId,
    },
};

use super::{Address, Mailer, Message};
use crate::{Error, ErrorKind, Result, Retry, Secret};

const SET_UP: &str = "set up mail";
const SEND: &str = "send mail";

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// From the first byte.
    Tls,
    /// After STARTTLS; a server that does not offer it is sent nothing.
    StartTls,
    /// Not at all.
    None,
}

/// Where mail is handed over.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// The server's name, which its certificate must have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// Name and password.
    pub credentials: Option<(String, Secret)>,
    /// Whom mail is from.
    pub from: Address,
    /// How long handing over a message may take, all its steps together.
    pub timeout: Duration,
    /// Files with more certificate authorities to trust, as PEM.
    pub extra_roots: Vec<PathBuf>,
}

/// Hands mail over to an SMTP server; a connection for each message.
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    host: String,
    timeout: Duration,
}

impl SmtpMailer {
    /// Makes ready; nothing is called yet.
    ///
    /// # Errors
    /// `InvalidInput` when the sender is no address, or a certificate file cannot be read.
    pub fn new(config: SmtpConfig) -> Result<Self> {
        let from = mailbox(SET_UP, "from", &config.from)?;
        let tls = || tls(&config.host, &config.extra_roots);
        let tls = match config.encryption {
            Encryption::Tls => Tls::Wrapper(tls()?),
            Encryption::StartTls => Tls::Required(tls()?),
            Encryption::None => Tls::None,
        };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(config.host.as_str())
            .port(config.port)
            .timeout(Some(config.timeout))
            .hello_name(ClientId::Domain(config.from.host().to_owned()))
            .tls(tls);
        let builder = match config.credentials {
            None => builder,
            Some((name, password)) => {
                builder.credentials(Credentials::new(name, password.expose().to_owned()))
            }
        };
        Ok(Self { transport: builder.build(), from, host: config.host, timeout: config.timeout })
    }

    /// Whether the server answers, and takes our credentials.
    ///
    /// # Errors
    /// As [`send`](Mailer::send).
    pub async fn check(&self) -> Result<()> {
        match tokio::time::timeout(self.timeout, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(Error::new(ErrorKind::Unavailable, "check mail")
                .with("server", self.host.as_str())
                .retry(Retry::Backoff)),
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => Err(self.too_slow()),
        }
    }

    fn too_slow(&self) -> Error {
        Error::new(ErrorKind::Timeout, SEND)
            .with("server", self.host.as_str())
            .with("limit", format!("{} s", self.timeout.as_secs()))
            .retry(Retry::Backoff)
    }

    fn letter(&self, message: &Message) -> Result<lettre::Message> {
        let id = format!("<{}@{}>", message.id, self.from.email.domain());
        let mut letter = lettre::Message::builder()
            .from(self.from.clone())
            .to(mailbox(SEND, "to", &message.to)?)
            .subject(message.subject.as_str())
            .message_id(Some(id))
            .header(ContentType::TEXT_PLAIN)
            .body(message.text.clone())
            .map_err(|error| Error::new(ErrorKind::InvalidInput, SEND).caused_by(error))?;
        // So that no machine answers it (RFC 3834).
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        letter.headers_mut().insert_raw(HeaderValue::new(automatic, "auto-generated".to_owned()));
        Ok(letter)
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, message: &Message) -> Result<()> {
        let letter = self.letter(message)?;
        match tokio::time::timeout(self.timeout, self.transport.send(letter)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => Err(self.too_slow()),
        }
    }
}

impl SmtpMailer {
    fn failed(&self, error: lettre::transport::smtp::Error) -> Error {
        let code = error.status().map(u16::from);
        let (kind, retry, fix) = match code {
            // 530, 534, 535, 538: we are to sign in, or otherwise.
            Some(530 | 534 | 535 | 538) => {
                (ErrorKind::Unauthorized, Retry::Never, "check user and password in mail.url")
            }
            Some(500..) => {
                (ErrorKind::InvalidInput, Retry::Never, "the server refuses it for good")
            }
            Some(_) => {
                (ErrorKind::Unavailable, Retry::Backoff, "the server wants to be asked later")
            }
            None if error.is_timeout() => {
                (ErrorKind::Timeout, Retry::Backoff, "check mail.url and the way to it")
            }
            None if error.is_client() => (
                ErrorKind::Unsupported,
                Retry::Never,
                "the server does not do what is needed: for smtp:// STARTTLS, for a password AUTH",
            ),
            None => (ErrorKind::Unavailable, Retry::Backoff, "check mail.url and the way to it"),
        };
        let mut told = Error::new(kind, SEND).with("server", self.host.as_str());
        if let Some(code) = code {
            told = told.with("status", code.to_string());
        }
        told.with("fix", fix).retry(retry).caused_by(error)
    }
}

impl std::fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpMailer").field("host", &self.host).finish_non_exhaustive()
    }
}

fn mailbox(operation: &'static str, field: &str, address: &Address) -> Result<Mailbox> {
    let email = address
        .email
        .parse()
        .map_err(|_| Error::invalid(operation, field, "give an address such as ada@example.org"))?;
    Ok(Mailbox::new(address.name.clone(), email))
}

fn tls(host: &str, extra_roots: &[PathBuf]) -> Result<TlsParameters> {
    // The machine's own list, where companies add theirs; Mozilla's on a bare machine.
    let store = match rustls_native_certs::load_native_certs().certs.is_empty() {
        true => CertificateStore::WebpkiRoots,
        false => CertificateStore::Default,
    };
    let mut builder = TlsParameters::builder(host.to_owned()).certificate_store(store);
    for file in extra_roots {
        let unreadable = || {
            Error::invalid(SET_UP, "mail.extra_roots", "name a readable file of PEM certificates")
                .with("file", file.display().to_string())
        };
        let pem = std::fs::read(file).map_err(|error| unreadable().caused_by(error))?;
        let certificate =
            Certificate::from_pem(&pem).map_err(|error| unreadable().caused_by(error))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| {
        Error::invalid(SET_UP, "mail.url", "give a host that can have a certificate")
            .caused_by(error)
    })
}
