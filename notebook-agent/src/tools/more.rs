//! Tools that come and go while the program runs.

use std::time::Duration;

use async_trait::async_trait;
use notebook_core::TenantScope;

use super::Registry;

/// Tools of other programs, by the name of the program. One that is not there for a workspace is, for it, no program at all.
#[async_trait]
pub trait MoreTools: Send + Sync + 'static {
    /// Waits until it is known of each of these programs what it offers or why it does not, so long at most. What was not begun yet is begun.
    async fn settled(&self, scope: &TenantScope, programs: &[String], wait: Duration);

    /// What these programs offer now. Those that are gone for a while offer what they did last; calls fail then.
    fn offered(&self, scope: &TenantScope, programs: &[String]) -> Registry;

    /// Those of these programs that cannot be called now.
    fn away(&self, scope: &TenantScope, programs: &[String]) -> Vec<String>;
}
