//! `notebook audit`: what was done, and whether the log of it is whole.

use std::sync::Arc;

use clap::{Args, Subcommand};
use notebook_auth::ActiveTenants;
use notebook_core::{
    TenantScope, Tenants as _,
    identity::{Identity, audit::verify},
};

use super::{Outcome, out};
use crate::{access, compose, config::Config};

/// Check the audit logs.
#[derive(Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the chains of all logs: an entry that was changed, taken out, put in or moved shows. Ends with 1 if one does.
    Verify,
}

impl Audit {
    pub(super) async fn run(self, config: Config) -> Outcome {
        let Command::Verify = self.command;
        let store = Arc::new(compose::open_rows(&config).await?);
        let identity = access::identity(&config, &store)?;
        let keys = access::audit_keys(&config)?;
        let mut broken = 0;
        let own = [notebook_auth::installation(), notebook_auth::single_user()];
        for scope in own {
            broken += check(&identity, &scope, keys.as_ref()).await?;
        }
        let tenants = ActiveTenants(Arc::clone(&identity));
        let mut last = None;
        loop {
            let some = tenants.after(last).await?;
            let Some(end) = some.last() else { break };
            last = Some(end.tenant());
            for scope in some {
                broken += check(&identity, &scope, keys.as_ref()).await?;
            }
        }
        store.close().await?;
        if broken > 0 {
            Err(format!("{broken} logs are not what was written").into())
        } else {
            Ok(())
        }
    }
}

/// Says what was found; 1 for a chain that does not hold.
async fn check(
    identity: &Arc<dyn Identity>,
    scope: &TenantScope,
    keys: Option<&notebook_core::identity::audit::AuditKeys>,
) -> notebook_core::Result<usize> {
    let found = verify(&**identity, scope, None, keys).await?;
    let name = if *scope == notebook_auth::installation() {
        "installation".to_owned()
    } else {
        scope.tenant().to_string()
    };
    let head: String = found.head.hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    match found.broken {
        None => {
            out::line(format!("✓ {name}: {} entries, head {head}", found.head.seq));
            Ok(0)
        }
        Some(at) => {
            out::line(format!("✗ {name}: entry {} {}", at.seq, at.fault));
            Ok(1)
        }
    }
}
