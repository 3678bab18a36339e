//! An SMTP server (RFC 5321, 3207, 4954) that keeps what it is given, and behaves as a test wants.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// How it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Plain,
    StartTls,
    Tls,
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// The letter is taken.
    Take,
    /// After it was read: come again.
    Later,
    /// Its receiver is refused for good.
    Never,
    /// Nothing is said any more once there is a connection.
    Stall,
}

/// A letter as it came.
#[derive(Debug, Clone)]
pub struct Letter {
    pub to: String,
    pub text: String,
    pub encrypted: bool,
    pub credentials: Option<String>,
    pub taken: bool,
}

impl Letter {
    pub fn header(&self, name: &str) -> String {
        let start = format!("{}: ", name.to_lowercase());
        let heads = self.text.split("\r\n\r\n").next().unwrap();
        let found = heads.lines().find(|line| line.to_lowercase().starts_with(&start));
        found.unwrap_or_else(|| panic!("no {name}: {heads}"))[start.len()..].to_owned()
    }

    /// The body, without the marks of quoted-printable.
    pub fn body(&self) -> String {
        let body = self.text.split_once("\r\n\r\n").unwrap().1;
        match self.header("content-transfer-encoding").as_str() {
            "quoted-printable" => body.replace("=\r\n", "").replace("=3D", "="),
            _ => body.to_owned(),
        }
    }

    /// The link in it.
    pub fn link(&self) -> String {
        let body = self.body();
        body.lines()
            .find(|line| line.starts_with("http"))
            .unwrap_or_else(|| panic!("{body}"))
            .to_owned()
    }
}

#[derive(Default)]
struct Inner {
    letters: Vec<Letter>,
    answers: VecDeque<Answer>,
    connections: usize,
}

#[derive(Clone)]
pub struct Smtp {
    pub address: SocketAddr,
    pub authority: PathBuf,
    inner: Arc<Mutex<Inner>>,
}

impl Smtp {
    /// Its certificate, for `localhost`, lies in the folder.
    pub async fn start(mode: Mode, folder: &std::path::Path) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let authority = folder.join("authority.pem");
        std::fs::write(&authority, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(made.cert.der().to_vec())], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, authority, inner: Arc::default() };
        let of = server.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (of, acceptor) = (of.clone(), acceptor.clone());
                // Who goes away in the middle is no failure of the test.
                tokio::spawn(async move { of.serve(mode, socket, acceptor).await });
            }
        });
        server
    }

    /// What becomes of the next connections.
    pub fn answers(&self, answers: &[Answer]) {
        self.inner.lock().unwrap().answers.extend(answers);
    }

    pub fn letters(&self) -> Vec<Letter> {
        self.inner.lock().unwrap().letters.clone()
    }

    pub fn connections(&self) -> usize {
        self.inner.lock().unwrap().connections
    }

    /// The letters, once there are so many.
    pub async fn received(&self, count: usize) -> Vec<Letter> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let letters = self.letters();
            if letters.len() >= count {
                return letters;
            }
            assert!(Instant::now() < deadline, "{} of {count} letters came", letters.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn serve(&self, mode: Mode, socket: TcpStream, acceptor: TlsAcceptor) -> Option<()> {
        let answer = {
            let mut inner = self.inner.lock().unwrap();
            inner.connections += 1;
            inner.answers.pop_front().unwrap_or(Answer::Take)
        };
        if let Answer::Stall = answer {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        if mode == Mode::Tls {
            let mut stream = BufReader::new(acceptor.accept(socket).await.ok()?);
            say(&mut stream, "220 test").await?;
            return self.talk(stream, answer, true, true).await.map(drop);
        }
        let mut socket = BufReader::new(socket);
        say(&mut socket, "220 test").await?;
        let socket = self.talk(socket, answer, mode == Mode::StartTls, false).await?;
        // After STARTTLS the client speaks first.
        let stream = BufReader::new(acceptor.accept(socket).await.ok()?);
        self.talk(stream, answer, true, true).await.map(drop)
    }

    /// Gives the stream back when it is to be encrypted.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: BufReader<S>,
        answer: Answer,
        can_tls: bool,
        encrypted: bool,
    ) -> Option<S> {
        let (mut to, mut credentials) = (String::new(), None);
        loop {
            let line = line(&mut stream).await?;
            let (verb, rest) = line.split_at(line.len().min(4));
            match verb.to_uppercase().as_str() {
                "EHLO" if encrypted => say(&mut stream, "250-test\r\n250 AUTH PLAIN").await?,
                "EHLO" if can_tls => say(&mut stream, "250-test\r\n250 STARTTLS").await?,
                "EHLO" => say(&mut stream, "250 test").await?,
                "STAR" => {
                    say(&mut stream, "220 go on").await?;
                    return Some(stream.into_inner());
                }
                "AUTH" => {
                    credentials = Some(rest.trim_start_matches(" PLAIN ").to_owned());
                    say(&mut stream, "235 welcome").await?;
                }
                "MAIL" => say(&mut stream, "250 ok").await?,
                "RCPT" if matches!(answer, Answer::Never) => {
                    say(&mut stream, "550 5.1.1 no such user").await?;
                }
                "RCPT" => {
                    to = rest.split_once('<')?.1.split('>').next()?.to_owned();
                    say(&mut stream, "250 ok").await?;
                }
                "DATA" => {
                    say(&mut stream, "354 go on").await?;
                    let mut text = String::new();
                    loop {
                        let line = self::line(&mut stream).await?;
                        if line == "." {
                            break;
                        }
                        text += line.strip_prefix('.').unwrap_or(&line);
                        text += "\r\n";
                    }
                    let taken = !matches!(answer, Answer::Later);
                    let letter = Letter {
                        to: to.clone(),
                        text,
                        encrypted,
                        credentials: credentials.clone(),
                        taken,
                    };
                    self.inner.lock().unwrap().letters.push(letter);
                    say(&mut stream, if taken { "250 taken" } else { "451 4.3.0 come again" })
                        .await?;
                }
                "QUIT" => {
                    say(&mut stream, "221 bye").await?;
                    return None;
                }
                _ => say(&mut stream, "502 what?").await?,
            }
        }
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    text: &str,
) -> Option<()> {
    stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await.ok()?;
    stream.get_mut().flush().await.ok()
}

async fn line<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    let count = stream.read_line(&mut line).await.ok()?;
    (count > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}
