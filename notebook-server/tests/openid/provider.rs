//! A real OpenID provider in a process of its own, and a browser that goes through its pages.
#![allow(dead_code, unreachable_pub, reason = "tests of two crates use parts of this")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use reqwest::{Client, Method, Response, Url, header, redirect::Policy};
use serde_json::{Value, json};

/// Who we are at the provider.
pub const CLIENT: &str = "notebook";
/// How we prove it. What a header needs to be escaped is in it.
pub const SECRET: &str = "s3cret+of/the=client:0123456789";

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The provider's process. It ends with its standard input, so also when the test is killed.
pub struct OpenId {
    child: Child,
    _stdin: ChildStdin,
    settings: Value,
    pub issuer: String,
    http: Client,
}

impl OpenId {
    /// For a client whose browsers come back to `redirect`.
    pub fn start(redirect: &str, more: Value) -> Self {
        let mut settings = json!({
            "port": free_port(),
            "clients": [{ "id": CLIENT, "secret": SECRET, "redirect": redirect }],
            "accounts": {
                "ada": { "email": "ada@example.org", "email_verified": true, "name": "Ada Lovelace" },
                "bob": { "email": "bob@example.org", "email_verified": true },
                "eve": { "email": "eve@example.com", "email_verified": false },
                "nobody": {},
            },
        });
        for (name, value) in more.as_object().unwrap() {
            settings[name] = value.clone();
        }
        Self::run(settings)
    }

    fn run(settings: Value) -> Self {
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../notebook-server/web");
        assert!(
            web.join("node_modules/oidc-provider").is_dir(),
            "the page's packages are missing: run `make web`"
        );
        let mut child = Command::new("node")
            .arg("e2e/openid-provider.mjs")
            .current_dir(&web)
            .env("SETTINGS", settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        let stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = "provider is ready at ";
        let issuer = lines
            .find_map(|line| line.ok()?.strip_prefix(ready).map(str::to_owned))
            .expect("the provider says that it is ready");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, _stdin: stdin, settings, issuer, http: client() }
    }

    /// Another process at the same place: what the first one knew is gone, its keys too.
    pub fn restarted(mut self) -> Self {
        self.stop();
        Self::run(self.settings.clone())
    }

    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What the next ID tokens say instead.
    pub async fn tamper(&self, claims: Value) {
        let url = format!("{}/test/tamper", self.issuer);
        let done = self.http.put(url).json(&claims).send().await.unwrap();
        assert_eq!(done.status(), 200);
    }

    /// How often a path was asked for.
    pub async fn count(&self, path: &str) -> u64 {
        let url = format!("{}/test/counts", self.issuer);
        let counts: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        counts[path].as_u64().unwrap_or(0)
    }

    /// What the token endpoint says to a code.
    pub async fn exchange(&self, code: &str, redirect: &str, verifier: Option<&str>) -> Value {
        let mut form =
            vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect)];
        form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        let mut body = Url::parse("http://form.invalid").unwrap();
        body.query_pairs_mut().extend_pairs(form);
        let escaped = |text: &str| {
            let mut url = Url::parse("http://form.invalid").unwrap();
            url.query_pairs_mut().append_pair("", text);
            url.query().unwrap()[1..].to_owned()
        };
        let request = self
            .http
            .post(format!("{}/token", self.issuer))
            .basic_auth(escaped(CLIENT), Some(escaped(SECRET)))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.query().unwrap().to_owned());
        request.send().await.unwrap().json().await.unwrap()
    }
}

impl Drop for OpenId {
    fn drop(&mut self) {
        self.stop();
    }
}

#[allow(clippy::disallowed_methods, reason = "a test's client talks to the test's own servers")]
fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().redirect(Policy::none()).build().unwrap()
}

/// Somebody's browser: cookies by host and port, no scripts.
#[derive(Clone)]
pub struct Browser {
    http: Client,
    jars: BTreeMap<String, BTreeMap<String, String>>,
}

impl Browser {
    pub fn new() -> Self {
        Self { http: client(), jars: BTreeMap::new() }
    }

    fn place(url: &Url) -> String {
        format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap())
    }

    /// The cookie of a name at a server.
    pub fn cookie(&self, server: &str, name: &str) -> Option<&String> {
        self.jars.get(&Self::place(&Url::parse(server).unwrap()))?.get(name)
    }

    /// Forgets all that a server has it keep.
    pub fn forget(&mut self, server: &str) {
        self.jars.remove(&Self::place(&Url::parse(server).unwrap()));
    }

    /// Keeps a cookie as it was before.
    pub fn set_cookie(&mut self, server: &str, name: &str, value: &str) {
        let place = Self::place(&Url::parse(server).unwrap());
        self.jars.entry(place).or_default().insert(name.to_owned(), value.to_owned());
    }

    /// A request with the cookies of its place, whose answer's cookies are kept.
    pub async fn send(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&'static str, String)],
        body: Option<(&str, String)>,
    ) -> Response {
        let place = Self::place(&Url::parse(url).unwrap());
        let jar = self.jars.entry(place).or_default();
        let pairs: Vec<_> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = self.http.request(method, url).header(header::COOKIE, pairs.join("; "));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some((kind, body)) = body {
            request = request.header(header::CONTENT_TYPE, kind).body(body);
        }
        let response = request.send().await.unwrap();
        for line in response.headers().get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            let gone = line.to_lowercase().contains("max-age=0") || value.is_empty();
            if gone {
                jar.remove(name)
            } else {
                jar.insert(name.to_owned(), value.to_owned())
            };
        }
        response
    }

    pub async fn get(&mut self, url: &str) -> Response {
        self.send(Method::GET, url, &[], None).await
    }

    /// Goes through the provider's pages as `name`, until it sends back to `server`; gives the address that it sends to.
    pub async fn at_provider(&mut self, mut url: String, server: &str, name: &str) -> String {
        let mut form: Option<String> = None;
        for _ in 0..20 {
            if url.starts_with(server) {
                return url;
            }
            let response = match form.take() {
                None => self.get(&url).await,
                Some(body) => {
                    let body = Some(("application/x-www-form-urlencoded", body));
                    self.send(Method::POST, &url, &[], body).await
                }
            };
            let from = response.url().clone();
            if let Some(place) = location(&response) {
                url = from.join(&place).unwrap().into();
                continue;
            }
            let page = response.text().await.unwrap();
            let action = between(&page, "action=\"", "\"");
            let prompt = between(&page, "name=\"prompt\" value=\"", "\"");
            form = Some(format!("prompt={prompt}&login={name}&password=any"));
            url = from.join(action).unwrap().into();
        }
        panic!("the provider does not come to an end at {url}");
    }
}

pub fn location(response: &Response) -> Option<String> {
    response.headers().get(header::LOCATION).map(|place| place.to_str().unwrap().to_owned())
}

/// The parameter of an address.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The address with another value of a parameter.
pub fn replaced(url: &str, name: &str, value: &str) -> String {
    let mut url = Url::parse(url).unwrap();
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(key, _)| key != name)
        .map(|(k, v)| (k.into(), v.into()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
    url.into()
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let from = text.find(start).unwrap_or_else(|| panic!("{start} is not in {text}")) + start.len();
    let length = text[from..].find(end).unwrap();
    &text[from..from + length]
}
