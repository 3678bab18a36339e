//! Other programs whose tools models may be given, by the Model Context Protocol.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use axum::http::HeaderName;
use notebook_agent::mcp::{Endpoint, Program, Reach, ServerSettings, names, offer::Taking};
use notebook_core::{Error, ErrorKind, Result, Secret, TenantId, http::BaseUrl};
use serde::Deserialize;

/// The most servers: each is a process, and its tools stand in prompts.
const MOST: usize = 32;
/// What the protocol and HTTP say themselves in each call.
const RESERVED: &[&str] = &[
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "transfer-encoding",
];

/// Other programs whose tools models may be given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mcp {
    /// By names of your own: small letters, digits and `-`.
    pub servers: BTreeMap<String, McpServer>,
}

/// An MCP server: a program to start, or an address to call.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct McpServer {
    /// Whether it is used.
    pub enabled: bool,
    /// The program to start. Give this, or `url`.
    pub command: Option<String>,
    /// Its arguments: no secrets, other users of the machine can read them.
    pub args: Vec<String>,
    /// What it gets in its environment beside `PATH`, `HOME`, `LANG` and `TMPDIR`.
    pub env: BTreeMap<String, Secret>,
    /// The address of a server that speaks streamable HTTP.
    pub url: Option<String>,
    /// Headers of each call, such as `authorization`.
    pub headers: BTreeMap<String, Secret>,
    /// Sent with each call as `Authorization: Bearer`.
    pub token: Option<Secret>,
    /// Files with more certificate authorities to trust, as PEM.
    pub extra_roots: Vec<PathBuf>,
    /// Its tools that only read, by your word: they are called without a person, also in a run that has read untrusted text. `*` for all.
    pub read_only_tools: BTreeSet<String>,
    /// Only these of its tools; all when absent.
    pub tools: Option<BTreeSet<String>>,
    /// The workspaces that it is there for, by their ids; all when absent. For the others there is no such server.
    pub workspaces: Option<BTreeSet<String>>,
    /// How many seconds a call may take: 1 to 600.
    pub timeout_seconds: u32,
}

impl Default for McpServer {
    fn default() -> Self {
        Self {
            enabled: true,
            command: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            url: None,
            headers: BTreeMap::new(),
            token: None,
            extra_roots: Vec::new(),
            read_only_tools: BTreeSet::new(),
            tools: None,
            workspaces: None,
            timeout_seconds: 30,
        }
    }
}

impl Mcp {
    /// What is wrong, as sentences.
    pub(super) fn errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        if self.servers.len() > MOST {
            errors.push(format!("mcp.servers has more than {MOST} servers: take some out"));
        }
        for (name, server) in &self.servers {
            if !names::is_server(name) {
                errors.push(format!(
                    "mcp.servers.{name} must be called by up to 24 small letters, digits and -, beginning with a letter"
                ));
            }
            errors.extend(
                server.errors().into_iter().map(|error| format!("mcp.servers.{name}{error}")),
            );
        }
        errors
    }

    /// Those that are used.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be said where this program or the data folder lies.
    pub(crate) fn settings(&self, folder: &Path) -> Result<Vec<ServerSettings>> {
        let lost =
            |error| Error::new(ErrorKind::Unavailable, "set up MCP servers").caused_by(error);
        let own = std::env::current_exe().map_err(lost)?;
        let folder = std::path::absolute(folder).map_err(lost)?;
        let used = self.servers.iter().filter(|(_, server)| server.enabled);
        Ok(used.filter_map(|(name, server)| server.settings(name, &own, &folder)).collect())
    }

    /// What is called with a secret: the setting, the address, and whether there is one.
    pub(super) fn secret_calls(&self) -> impl Iterator<Item = (String, Option<&str>, bool)> {
        self.servers.iter().map(|(name, server)| {
            let has_secret = !server.headers.is_empty() || server.token.is_some();
            (format!("mcp.servers.{name}.url"), server.url.as_deref(), has_secret)
        })
    }
}

impl McpServer {
    fn errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        let mut need = |good: bool, error: &str| {
            if !good {
                errors.push(error.to_owned());
            }
        };
        need(self.command.is_some() != self.url.is_some(), " needs either command or url");
        need(
            self.command.as_ref().is_none_or(|command| !command.trim().is_empty()),
            ".command must name a program",
        );
        need(
            self.command.is_some() || (self.args.is_empty() && self.env.is_empty()),
            ".args and .env are for a program: give command, or take them out",
        );
        need(
            self.url.is_some()
                || (self.headers.is_empty() && self.token.is_none() && self.extra_roots.is_empty()),
            ".headers, .token and .extra_roots are for an address: give url, or take them out",
        );
        let has_own = self.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
        need(
            self.token.is_none() || !has_own,
            ".token is sent as the header authorization: give one of the two",
        );
        let is_token = |token: &Secret| {
            !token.is_empty() && token.expose().chars().all(|c| c.is_ascii_graphic())
        };
        need(
            self.token.as_ref().is_none_or(is_token),
            ".token must be the token alone, without the word Bearer and without spaces",
        );
        let ids = self.workspaces.iter().flatten();
        let unknown = ids.filter(|id| id.parse::<TenantId>().is_err()).map(String::as_str);
        let unknown: Vec<&str> = unknown.collect();
        need(
            unknown.is_empty(),
            &format!(
                ".workspaces has what is no id of a workspace: {} (GET /api/workspaces has them)",
                unknown.join(", ")
            ),
        );
        let bad = |text: &str| text.contains('\0');
        let args = self.args.iter().chain(&self.command).any(|text| bad(text));
        let env = self.env.iter().any(|(name, value)| {
            name.is_empty() || name.contains('=') || bad(name) || bad(value.expose())
        });
        need(!args, ".args must be text without null characters");
        need(!env, ".env must be names without = and texts without null characters");
        if let Some(Err(error)) = self.url.as_deref().map(BaseUrl::parse) {
            let fix = error.context("fix").unwrap_or_default();
            need(false, &format!(".url is the whole address: {fix}"));
        }
        for name in self.headers.keys() {
            let known = HeaderName::from_bytes(name.as_bytes());
            let good = known.is_ok_and(|name| {
                !RESERVED.contains(&name.as_str()) && !name.as_str().starts_with("mcp-")
            });
            need(
                good,
                &format!(".headers.{name} is no header that can be set: use such as authorization"),
            );
        }
        need((1..=600).contains(&self.timeout_seconds), ".timeout_seconds must be from 1 to 600");
        errors
    }

    fn settings(&self, name: &str, own: &Path, folder: &Path) -> Option<ServerSettings> {
        let reach = match (&self.command, &self.url) {
            (Some(command), _) => Reach::Program(Program {
                command: command.clone(),
                args: self.args.clone(),
                env: self.env.clone(),
                folder: folder.join("mcp").join(name),
                keeper: Some((own.to_owned(), vec![crate::cli::KEEPER.to_owned()])),
            }),
            (None, Some(url)) => Reach::Http(Endpoint {
                url: url.trim().to_owned(),
                headers: self.headers.clone(),
                token: self.token.clone(),
            }),
            (None, None) => return None,
        };
        let taking = Taking {
            server: name.to_owned(),
            read_only: self.read_only_tools.clone(),
            tools: self.tools.clone(),
            time: Duration::from_secs(self.timeout_seconds.into()),
        };
        let ids = |ids: &BTreeSet<String>| ids.iter().filter_map(|id| id.parse().ok()).collect();
        let workspaces = self.workspaces.as_ref().map(ids);
        Some(ServerSettings { taking, reach, extra_roots: self.extra_roots.clone(), workspaces })
    }
}

#[cfg(test)]
mod tests {
    use figment::providers::Format as _;

    use super::*;

    fn mcp(toml: &str) -> Mcp {
        figment::Figment::from(figment::providers::Toml::string(toml)).extract().unwrap()
    }

    #[test]
    fn d4_all_that_is_wrong_with_servers_is_told_by_name() {
        let good = "[servers.a-1]\ncommand = \"npx\"\nargs = [\"x\"]\nenv = { TOKEN = \"t\" }\n[servers.b]\nurl = \"http://10.0.0.5/mcp/\"\nheaders = { authorization = \"x\" }\n";
        assert_eq!(mcp(good).errors(), Vec::<String>::new());
        for (toml, wrong) in [
            ("[servers.A]\nurl = \"http://h/\"", ".A must be called"),
            ("[servers.a]", ".a needs either command or url"),
            ("[servers.a]\nurl = \"http://h/\"\ncommand = \"x\"", ".a needs either command or url"),
            ("[servers.a]\ncommand = \" \"", ".a.command"),
            ("[servers.a]\nurl = \"http://h/\"\nargs = [\"x\"]", ".a.args and .env"),
            (
                "[servers.a]\ncommand = \"x\"\nheaders = { x = \"y\" }",
                ".a.headers, .token and .extra_roots",
            ),
            ("[servers.a]\nurl = \"h/mcp\"", ".a.url"),
            ("[servers.a]\nurl = \"http://h/?key=1\"", ".a.url"),
            (
                "[servers.a]\nurl = \"http://h/\"\nheaders = { mcp-session-id = \"y\" }",
                ".a.headers.mcp-session-id",
            ),
            ("[servers.a]\nurl = \"http://h/\"\nheaders = { \"a b\" = \"y\" }", ".a.headers.a b"),
            ("[servers.a]\ncommand = \"x\"\nenv = { \"A=B\" = \"y\" }", ".a.env"),
            ("[servers.a]\ncommand = \"x\"\ntimeout_seconds = 0", ".a.timeout_seconds"),
            ("[servers.a]\ncommand = \"x\"\ntoken = \"y\"", ".a.headers, .token"),
            (
                "[servers.a]\nurl = \"http://h/\"\ntoken = \"y\"\nheaders = { Authorization = \"x\" }",
                ".a.token is sent as",
            ),
            ("[servers.a]\nurl = \"http://h/\"\ntoken = \"Bearer y\"", ".a.token must be"),
            ("[servers.a]\nurl = \"http://h/\"\ntoken = \"\"", ".a.token must be"),
            ("[servers.a]\ncommand = \"x\"\nworkspaces = [\"mine\"]", ".a.workspaces has"),
        ] {
            let errors = mcp(toml).errors();
            assert!(
                errors.len() == 1 && errors[0].starts_with(&format!("mcp.servers{wrong}")),
                "{toml}: {errors:?}"
            );
        }
    }

    #[test]
    fn d4_what_is_switched_off_is_not_begun_and_no_secret_prints() {
        let mcp = mcp(
            "[servers.a]\ncommand = \"x\"\nenabled = false\n[servers.b]\ncommand = \"y\"\nenv = { T = \"hunter2\" }\n[servers.c]\nurl = \"https://h/mcp\"\ntoken = \"hunter4\"\nheaders = { x-key = \"hunter3\" }",
        );
        let settings = mcp.settings(Path::new("data")).unwrap();
        let names: Vec<_> =
            settings.iter().map(|settings| settings.taking.server.as_str()).collect();
        assert_eq!(names, ["b", "c"]);
        let shown = format!("{mcp:?}{settings:?}");
        assert!(!shown.contains("hunter"), "{shown}");
    }

    /// An empty list is nobody, and not everybody.
    #[test]
    fn d4_workspaces_are_those_that_are_named() {
        let id = "01980000-0000-7000-8000-000000000001";
        let toml = format!(
            "[servers.a]\ncommand = \"x\"\n[servers.b]\ncommand = \"x\"\nworkspaces = [\"{id}\"]\n[servers.c]\ncommand = \"x\"\nworkspaces = []"
        );
        let mcp = mcp(&toml);
        assert_eq!(mcp.errors(), Vec::<String>::new());
        let settings = mcp.settings(Path::new("data")).unwrap();
        let workspaces: Vec<_> = settings.into_iter().map(|settings| settings.workspaces).collect();
        let one = BTreeSet::from([id.parse::<TenantId>().unwrap()]);
        assert_eq!(workspaces, [None, Some(one), Some(BTreeSet::new())]);
    }
}
