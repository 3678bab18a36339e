//! `notebook user`: who has an account. Works beside a running server.

use std::{io::IsTerminal as _, sync::Arc};

use clap::{Args, Subcommand};
use notebook_auth::{Auth, NewAccount, Operator};
use notebook_core::{Secret, clock::SystemClock, identity::Identity};

use super::{Outcome, out};
use crate::{access, compose, config::Config};

/// How many users are read at once.
const PAGE: usize = 500;

/// Make, list and change the accounts of this server.
#[derive(Args)]
pub(super) struct User {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make an account. The password is asked for, or read from the first line of the standard input.
    Add {
        /// The address that they sign in with.
        email: String,
        /// What to call them; the address when absent.
        #[arg(long)]
        name: Option<String>,
        /// Print a link by which they set their password themselves, good for an hour.
        #[arg(long)]
        link: bool,
    },
    /// List the accounts.
    List,
    /// Print a link by which a user sets their password anew, good for an hour.
    Reset {
        /// Whose.
        email: String,
    },
    /// Let a user sign in no more, and end their sessions.
    Disable {
        /// Whose account.
        email: String,
    },
    /// Let a user sign in again.
    Enable {
        /// Whose account.
        email: String,
    },
    /// End all sessions of a user.
    SignOut {
        /// Whose.
        email: String,
    },
}

impl User {
    pub(super) async fn run(self, config: Config) -> Outcome {
        let store = Arc::new(compose::open_rows(&config).await?);
        let identity = access::identity(&config, &store)?;
        let policy = access::policy(&config);
        let auth =
            access::auth(&config, Arc::clone(&identity), policy, Arc::new(SystemClock)).await?;
        let done = Accounts { config, identity, auth }.run(self.command).await;
        store.close().await?;
        done
    }
}

struct Accounts {
    config: Config,
    identity: Arc<dyn Identity>,
    auth: Auth,
}

impl Accounts {
    async fn run(&self, command: Command) -> Outcome {
        let operator = Operator::console();
        match command {
            Command::Add { email, name, link } => {
                let password = if link { None } else { Some(ask_password()?) };
                let name = name.unwrap_or_else(|| email.clone());
                let new = NewAccount { email: email.clone(), name, password };
                let user = self.auth.create_user(&operator, new).await?;
                out::line(format!("{} has an account", user.email));
                if link { self.link(&operator, &email).await } else { Ok(()) }
            }
            Command::List => self.list(&operator).await,
            Command::Reset { email } => self.link(&operator, &email).await,
            Command::Disable { email } => self.set_active(&operator, &email, false).await,
            Command::Enable { email } => self.set_active(&operator, &email, true).await,
            Command::SignOut { email } => {
                let user = self.user(&email).await?;
                let ended = self.auth.end_sessions_of(&operator, user).await?;
                out::line(format!("{ended} sessions of {email} have ended"));
                Ok(())
            }
        }
    }

    async fn list(&self, operator: &Operator) -> Outcome {
        let mut last = None;
        loop {
            let users = self.auth.users(operator, last, PAGE).await?;
            let Some(end) = users.last() else { return Ok(()) };
            last = Some(end.id);
            for user in users {
                let state = if user.active { "active  " } else { "disabled" };
                out::line(format!("{state}  {}  {}", user.email, user.name));
            }
        }
    }

    async fn set_active(&self, operator: &Operator, email: &str, active: bool) -> Outcome {
        let user = self.user(email).await?;
        self.auth.set_user_active(operator, user, active).await?;
        let what = if active { "may sign in" } else { "may sign in no more" };
        out::line(format!("{email} {what}"));
        Ok(())
    }

    async fn user(
        &self,
        email: &str,
    ) -> Result<notebook_core::UserId, Box<dyn std::error::Error + Send + Sync>> {
        let found = self.identity.user_by_email(&email.trim().to_lowercase()).await?;
        found.map(|user| user.id).ok_or_else(|| format!("nobody has the address {email}").into())
    }

    async fn link(&self, operator: &Operator, email: &str) -> Outcome {
        let (_, token) = self.auth.reset_for(operator, email).await?;
        let base = self
            .config
            .auth
            .origin()
            .unwrap_or_else(|| format!("http://localhost:{}", self.config.server.port));
        // After the hash: no server on the way sees or logs it.
        out::line(format!("{base}/#reset={}", token.expose()));
        Ok(())
    }
}

/// Asked for twice at a terminal; else the first line of what is piped in.
fn ask_password() -> Result<Secret, Box<dyn std::error::Error + Send + Sync>> {
    if !std::io::stdin().is_terminal() {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        let password = line.trim_end_matches(['\r', '\n']);
        return Ok(Secret::new(password));
    }
    let first = Secret::new(rpassword::prompt_password("Password: ")?);
    let again = Secret::new(rpassword::prompt_password("Again: ")?);
    if first == again { Ok(first) } else { Err("the two passwords differ".into()) }
}
