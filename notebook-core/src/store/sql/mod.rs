//! The statements of the store and the run log, in the SQL that SQLite and PostgreSQL share.
//!
//! Parameters are written `$1`, `$2`, … as PostgreSQL has them. SQLite takes them for names
//! and numbers them as they first appear, so in each statement they first appear in rising
//! order: a test holds them to it.
//!
//! Ids are 16 bytes, big-endian; times are milliseconds; flags are 0 or 1; nested values are
//! JSON as text; enums are their names on the wire. Every primary key begins with the tenant,
//! and every statement names it.

pub(crate) mod codec;
#[cfg(feature = "sqlite")]
pub(crate) mod conversations;
#[cfg(feature = "sqlite")]
pub(crate) mod layout;
#[cfg(feature = "sqlite")]
pub(crate) mod notebooks;
#[cfg(feature = "sqlite")]
pub(crate) mod runs;
#[cfg(feature = "sqlite")]
pub(crate) mod sources;

#[cfg(feature = "sqlite")]
/// An id after every id that is made: where a list from the newest begins.
pub(crate) const AFTER_ALL: [u8; 16] = [0xff; 16];

/// A limit as the database counts.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;

    fn all() -> Vec<&'static str> {
        [notebooks::ALL, sources::ALL, conversations::ALL, runs::ALL].concat()
    }

    fn parameters(sql: &str) -> Vec<u32> {
        let parts = sql.split('$').skip(1);
        parts
            .map(|part| part.chars().take_while(char::is_ascii_digit).collect::<String>())
            .map(|digits| digits.parse().unwrap())
            .collect()
    }

    #[test]
    fn parameters_first_appear_in_rising_order() {
        for sql in all() {
            let mut highest = 0;
            for number in parameters(sql) {
                assert!(number <= highest + 1, "${number} too early in: {sql}");
                highest = highest.max(number);
            }
            assert!(highest > 0, "no parameter in: {sql}");
        }
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
        ];
        let written: usize = sources.iter().map(|s| s.matches(": &str =").count()).sum();
        assert_eq!(written, all().len());
    }
}
