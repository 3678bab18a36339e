//! Whose rows a call may reach.

use crate::{TenantId, TenantScope};

/// Whose rows a call may reach. PostgreSQL holds each call to it, whatever its statements say; in SQLite the statements
/// alone do.
///
/// # Example
/// ```text
/// database.read(scope, "read source", input, work)                // the tenant's rows
/// database.write(Reach::Installation, "rescue jobs", input, work) // the rows of what belongs to no tenant alone
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "SQLite does not look at it"))]
pub(crate) enum Reach {
    /// One tenant's.
    Tenant(TenantId),
    /// Those of the tables that the installation works on as a whole, in all tenants: jobs, users and what they sign in
    /// by. No other table shows a row. Which modules may say so stands in a test below.
    Installation,
}

impl From<&TenantScope> for Reach {
    fn from(scope: &TenantScope) -> Self {
        Self::Tenant(scope.tenant())
    }
}

impl From<TenantId> for Reach {
    fn from(tenant: TenantId) -> Self {
        Self::Tenant(tenant)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        fs,
        path::{Path, PathBuf},
    };

    /// Who works for all tenants at once, how often, and why. An entry more is a way across tenants more: it needs a
    /// reason that a reviewer believes.
    const CROSSING: &[(&str, usize, &str)] = &[
        ("breaker_setting/sql.rs", 1, "breakers are the installation's"),
        (
            "identity/sql/mod.rs",
            2,
            "users, sessions and keys are found before their workspace is known",
        ),
        ("key_usage/sql.rs", 1, "uses of providers' keys, which are the installation's"),
        ("postgres/client.rs", 3, "turns a reach into connections; `write_singly` has no other"),
        ("queue/sql/worklist.rs", 6, "a worker does the jobs of all tenants"),
    ];
    /// Who has no transaction that could carry a tenant, as above.
    const SINGLY: &[(&str, usize, &str)] = &[
        ("breaker_setting/sql.rs", 2, "as above"),
        ("key_usage/sql.rs", 3, "as above"),
        ("queue/sql/jobs.rs", 1, "hands it on"),
        ("queue/sql/worklist.rs", 3, "claims, inserts and ends of jobs of all tenants go together"),
        ("rate_limit/sql.rs", 2, "counts are of addresses, users and keys, which no tenant reads"),
        ("sql/database.rs", 1, "hands it on"),
    ];

    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }

    /// In which files, and in how many lines, the code outside tests says this.
    fn said(what: &str) -> BTreeMap<String, usize> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        files(&root, &mut found);
        let mut said = BTreeMap::new();
        for path in found {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let times = code.filter(|line| line.contains(what)).count();
            if times > 0 && name != "sql/reach.rs" && !name.ends_with("tests.rs") {
                said.insert(name, times);
            }
        }
        said
    }

    /// T7: the ways across tenants are those that are listed, and no others.
    #[test]
    fn t7_who_reaches_the_whole_installation_is_listed() {
        for (what, list) in [("Reach::Installation", CROSSING), (".write_singly(", SINGLY)] {
            let listed: BTreeMap<_, _> =
                list.iter().map(|(name, times, _)| ((*name).to_owned(), *times)).collect();
            assert_eq!(said(what), listed, "{what}");
        }
    }
}
