//! What the conformance suites of all ports share: a named list of scenarios.
//!
//! A suite is a list of async functions over a `&dyn Port`. Each scenario makes its own
//! tenants, so that all may run against one adapter, in any order and side by side. A
//! scenario that finds a breach panics with what it saw: that is what a test wants.

pub mod twins;

use std::fmt;

use futures::future::BoxFuture;

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
