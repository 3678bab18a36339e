//! Keeps a token good while the server runs.

use std::time::Duration;

use super::{answer::Grant, client::Client};
use crate::config::Vault;

/// The least time between two tries.
const LEAST: Duration = Duration::from_secs(1);
/// The most time between two tries after one failed.
const MOST: Duration = Duration::from_secs(60);

/// A token and where it came from.
#[derive(Debug)]
pub(crate) struct Session {
    settings: Vault,
    grant: Grant,
}

impl Session {
    pub(super) const fn new(settings: Vault, grant: Grant) -> Self {
        Self { settings, grant }
    }

    /// Renews it again and again, and makes another where an AppRole can; ends where neither can be done.
    pub(crate) async fn keep(self) {
        let Self { settings, mut grant } = self;
        let client = match Client::new(&settings) {
            Ok(client) => client,
            Err(error) => return tracing::warn!(%error, "the token of Vault is not kept good"),
        };
        let role = settings.token.is_none();
        let (mut failed, mut whole) = (0, grant.life);
        while let Some(wait) = next(&grant, whole, role, failed) {
            tokio::time::sleep(wait).await;
            let renewed =
                if grant.renewable { Some(client.renew(&grant.token).await) } else { None };
            let got = match renewed {
                Some(Ok(renewed)) if !is_near_its_end(&renewed, whole) => Ok(renewed),
                // It lives as long as it may: another takes its place.
                Some(Ok(_)) | None if role => client.sign_in().await,
                // OpenBao says of one that is past its end that it could not be done just now (500).
                Some(Err(_)) if role => client.sign_in().await,
                Some(renewed) => renewed,
                None => return,
            };
            match got {
                Ok(got) => {
                    tracing::debug!(
                        seconds = got.life.map(|life| life.as_secs()),
                        "the token of Vault was renewed"
                    );
                    (grant, failed) = (got, 0);
                    whole = whole.max(grant.life);
                }
                Err(fault) => {
                    failed += 1;
                    tracing::warn!(%fault, "the token of Vault could not be renewed; it is tried again");
                    if !fault.may_pass && !role {
                        return;
                    }
                }
            }
        }
    }
}

/// Whether a renewal gave so little that the token comes to its last end: less than half of what it once had.
fn is_near_its_end(renewed: &Grant, whole: Option<Duration>) -> bool {
    matches!((renewed.life, whole), (Some(life), Some(whole)) if life < whole / 2)
}

/// How long to wait before the next try; none when there is nothing to be done. Two thirds of its life, which leaves time
/// for more tries; after a failure sooner.
fn next(grant: &Grant, whole: Option<Duration>, role: bool, failed: u32) -> Option<Duration> {
    let life = grant.life?;
    if !grant.renewable && !role {
        return None;
    }
    let wait = match failed {
        0 => life * 2 / 3,
        failed => {
            let sooner = whole.unwrap_or(life) / 20;
            sooner.saturating_mul(1 << failed.min(6)).min(MOST)
        }
    };
    Some(wait.max(LEAST))
}

#[cfg(test)]
mod tests {
    use notebook_core::Secret;

    use super::*;

    fn grant(seconds: u64, renewable: bool) -> Grant {
        let life = (seconds > 0).then(|| Duration::from_secs(seconds));
        Grant { token: Secret::new("t"), life, renewable }
    }

    #[test]
    fn g9_tokens_are_renewed_in_time() {
        let seconds = |grant: &Grant, role, failed| {
            next(grant, grant.life, role, failed).map(|wait| wait.as_secs())
        };
        assert_eq!(seconds(&grant(3_600, true), false, 0), Some(2_400));
        assert_eq!(seconds(&grant(3_600, false), false, 0), None, "it cannot be");
        assert_eq!(seconds(&grant(3_600, false), true, 0), Some(2_400), "another is made");
        assert_eq!(seconds(&grant(0, true), true, 0), None, "it does not end");
        assert_eq!(seconds(&grant(1, true), false, 0), Some(1), "no busy loop");
        assert_eq!(seconds(&grant(3_600, true), false, 1), Some(60));
        assert_eq!(seconds(&grant(60, true), false, 1), Some(6));
        assert!(seconds(&grant(u64::MAX / 8, true), false, 40).is_some_and(|wait| wait <= 60));
        let hour = Some(Duration::from_secs(3_600));
        assert!(is_near_its_end(&grant(600, true), hour));
        assert!(!is_near_its_end(&grant(3_600, true), hour));
    }
}
