//! What the conformance suites of all ports share: named lists of scenarios, tenants of their own, and reports.
//!
//! A suite is a list of async functions over a `&dyn Port`. Each scenario makes its own
//! tenants, so that all may run against one adapter, in any order and side by side. A
//! scenario that finds a breach panics with what it saw: that is what a test wants.

pub(crate) mod index;
pub mod twins;

use std::{any::type_name, fmt};

use futures::future::BoxFuture;

use crate::{Error, ErrorKind, TenantId, TenantScope};

/// One promise of a port, as a function that checks it.
pub struct Scenario<P: ?Sized> {
    /// The function's name: what to call the promise in a report.
    pub name: &'static str,
    /// Checks the promise; panics when it does not hold.
    pub run: for<'p> fn(&'p P) -> BoxFuture<'p, ()>,
}

impl<P: ?Sized> fmt::Debug for Scenario<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scenario").field(&self.name).finish()
    }
}

/// Runs scenarios, one after the other; the log says which.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn run_all<P: ?Sized>(scenarios: Vec<Scenario<P>>, port: &P) {
    for scenario in scenarios {
        tracing::info!(scenario = scenario.name, port = type_name::<P>(), "conformance");
        (scenario.run)(port).await;
    }
}

/// What came of a suite some of whose scenarios an adapter need not promise.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One line for each scenario that failed.
    pub failures: Vec<String>,
    /// The scenarios that the adapter does not promise.
    pub skipped: Vec<&'static str>,
}

impl Report {
    /// Runs a scenario, if the adapter promises it.
    pub(crate) async fn add(
        &mut self,
        name: &'static str,
        promised: bool,
        scenario: impl Future<Output = Result<(), String>>,
    ) {
        if !promised {
            self.skipped.push(name);
        } else if let Err(reason) = scenario.await {
            self.failures.push(format!("{name}: {reason}"));
        }
    }
}

/// A tenant that nobody used before.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "a suite acts for tenants of its own")]
pub fn tenant() -> TenantScope {
    TenantScope::authenticated(TenantId::new())
}

/// Checks that a call failed with `kind`.
#[track_caller]
#[allow(clippy::expect_used, reason = "a suite speaks by panicking")]
pub(crate) fn refused<T: fmt::Debug>(result: Result<T, Error>, kind: ErrorKind) -> Error {
    let error = result.expect_err("the call must be refused");
    assert_eq!(error.kind(), kind, "{error:?}");
    error
}

/// The names of scenario functions in `source` that `listed` lacks.
///
/// A suite's completeness test calls it with `include_str!` of its own files: a scenario
/// is a line that starts with `pub async fn`, and `run_all` is none.
#[must_use]
pub fn unlisted<'s>(source: &'s str, listed: &[&str]) -> Vec<&'s str> {
    source
        .lines()
        .filter_map(|line| line.strip_prefix("pub async fn "))
        .filter_map(|rest| rest.split(['(', '<']).next())
        .filter(|name| *name != "run_all" && !listed.contains(name))
        .collect()
}

/// Lists scenario functions: `scenarios![dyn Port; first, second]` makes a vector of [`Scenario`]s.
#[macro_export]
macro_rules! scenarios {
    ($port:ty; $($name:ident),+ $(,)?) => {
        ::std::vec![$($crate::conformance::Scenario::<$port> {
            name: stringify!($name),
            run: |port| ::std::boxed::Box::pin($name(port)),
        }),+]
    };
}

#[cfg(test)]
mod tests {
    use super::unlisted;

    #[test]
    fn a_forgotten_scenario_is_named() {
        let source = "pub async fn kept(p: &dyn P) {}\npub async fn lost<P>(p: &P) {}\n    pub async fn inner() {}\npub async fn run_all() {}";
        assert_eq!(unlisted(source, &["kept"]), ["lost"]);
    }
}
