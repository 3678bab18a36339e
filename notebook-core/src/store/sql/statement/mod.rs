//! The statements of the store and the run log. Every primary key begins with the tenant, and every
//! statement names it.

pub(super) mod approvals;
pub(super) mod conversations;
pub(super) mod notebooks;
pub(super) mod recordings;
pub(super) mod runs;
pub(super) mod sources;
pub(super) mod tenants;
pub(super) mod usage;
pub(super) mod webhooks;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::check_statements;

    fn all() -> Vec<&'static str> {
        let ours = [notebooks::ALL, sources::ALL, conversations::ALL, runs::ALL];
        let erasing = tenants::TABLES.iter().flat_map(|table| [table.erase, table.count]);
        let others = [usage::ALL, webhooks::ALL, approvals::ALL, recordings::ALL];
        let rest = [&ours[..], &others].concat().concat();
        rest.into_iter().chain(erasing).collect()
    }

    #[test]
    fn parameters_first_appear_in_rising_order() {
        check_statements(&all());
    }

    #[test]
    fn every_statement_names_the_tenant() {
        for sql in all() {
            assert!(sql.contains("tenant_id"), "{sql}");
        }
    }

    #[test]
    fn every_statement_is_listed() {
        let sources = [
            include_str!("notebooks.rs"),
            include_str!("sources.rs"),
            include_str!("conversations.rs"),
            include_str!("runs.rs"),
            include_str!("webhooks.rs"),
            include_str!("usage.rs"),
            include_str!("approvals.rs"),
            include_str!("recordings.rs"),
        ];
        let written: usize = sources.iter().map(|s| s.matches(": &str =").count()).sum();
        assert_eq!(written + 2 * tenants::TABLES.len(), all().len());
    }
}
