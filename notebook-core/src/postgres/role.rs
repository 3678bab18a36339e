//! The role that the tables are used by: not their owner, and not exempt from row security.
//!
//! Whoever the URL names makes and owns the tables. What the program reads and writes, it does by another role, which
//! it takes on as each connection begins, and which may do no more than that. Where such a role cannot be made, as in
//! many hosted databases, the owner itself is bound by row security too: the tables force it.

use serde::Serialize;
use sqlx::PgConnection;
use tracing::{info, warn};

use super::{migrate::script, transaction::rows};
use crate::{
    Error, ErrorKind, Result,
    sql::{MIGRATE, Row, values},
};

/// Who reads and writes the rows, and whether PostgreSQL keeps tenants apart for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RowSecurity {
    /// The role.
    pub role: String,
    /// Whether row security holds for it: it is neither a superuser nor has BYPASSRLS.
    pub holds: bool,
    /// Whether it owns the tables, and so could take row security away.
    pub owns: bool,
}

/// What the URL's role is and may.
struct Own {
    name: String,
    superuser: bool,
    /// May make roles.
    makes_roles: bool,
    /// Such as 150017.
    version: i64,
}

/// From this version on, being a member of a role and taking it on are granted apart.
const SET_OPTION: i64 = 160_000;
const OWN: &str = "SELECT rolname::text, rolsuper::int::bigint, rolcreaterole::int::bigint,
        current_setting('server_version_num')::bigint
    FROM pg_roles WHERE rolname = current_user";
const EXISTS: &str = "SELECT 1::bigint FROM pg_roles WHERE rolname = $1";
/// Whether the role may be taken on.
const MAY_BE: &str = "SELECT pg_has_role(current_user, $1::name, 'MEMBER')::int::bigint";
const MAY_BE_16: &str = "SELECT pg_has_role(current_user, $1::name, 'SET')::int::bigint";
/// The tables that the role lacks something of.
const LACKING: &str = "SELECT c.relname::text FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname <> 'schema_migrations'
    AND NOT (has_table_privilege($2::name, c.oid, 'SELECT') AND has_table_privilege($2::name, c.oid, 'INSERT')
        AND (c.relname = 'audit_entries' OR has_table_privilege($2::name, c.oid, 'UPDATE')
            AND has_table_privilege($2::name, c.oid, 'DELETE')))
    ORDER BY c.relname";
const MAY_ENTER: &str = "SELECT has_schema_privilege($2::name, $1, 'USAGE')::int::bigint";
/// Whether row security holds where it is on, and whether the tables are one's own.
const STANDING: &str = "SELECT current_user::text,
        COALESCE(bool_and(row_security_active(c.oid)) FILTER (WHERE c.relrowsecurity), true)::int::bigint,
        COALESCE(bool_or(c.relowner = r.oid), false)::int::bigint
    FROM pg_roles r LEFT JOIN pg_namespace n ON n.nspname = $1
    LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r'
    WHERE r.rolname = current_user GROUP BY r.oid";

/// The role to take on, with all that it needs; none when the URL's own role is used. `wanted` must be possible; without
/// it, a role named after the schema is used if it can be.
///
/// # Errors
/// `Unauthorized` when the role that is wanted does not exist and cannot be made, or cannot be taken on.
pub(super) async fn prepare(
    connection: &mut PgConnection,
    schema: &str,
    wanted: Option<&str>,
) -> Result<Option<String>> {
    let own = own(connection).await?;
    let role = wanted.map_or_else(|| format!("{schema}_app"), str::to_owned);
    if role == own.name {
        return Ok(None);
    }
    if let Some(fix) = obstacle(connection, &own, &role).await? {
        if wanted.is_some() {
            return Err(Error::new(ErrorKind::Unauthorized, MIGRATE)
                .with("field", "role")
                .with("fix", format!("as an administrator: {fix}")));
        }
        info!(role = own.name, fix, "the tables are used by the role that owns them");
        return Ok(None);
    }
    grant(connection, schema, &role).await?;
    Ok(Some(role))
}

/// How the connection stands: asked of one that is used as it is.
pub(super) async fn standing(connection: &mut PgConnection, schema: &str) -> Result<RowSecurity> {
    let read = &mut |row: &Row<'_>| {
        Ok(RowSecurity { role: row.get(0)?, holds: row.get(1)?, owns: row.get(2)? })
    };
    let found = rows(connection, MIGRATE, STANDING, None, values![schema], read).await?;
    found.into_iter().next().ok_or_else(|| Error::new(ErrorKind::Internal, MIGRATE))
}

/// Refuses a role that row security does not hold for, where there are many tenants, and warns of it else.
pub(super) fn check(standing: &RowSecurity, required: bool) -> Result<()> {
    if standing.holds {
        return Ok(());
    }
    let fix = "leave storage.role out or name a role there that is neither a superuser nor has BYPASSRLS, and that the \
               URL's role may take on: CREATE ROLE notebook_app NOLOGIN; GRANT notebook_app TO <the URL's role>";
    if required {
        return Err(Error::new(ErrorKind::Unauthorized, MIGRATE)
            .with("field", "role")
            .with("reason", format!("row security does not hold for {}", standing.role))
            .with("fix", fix));
    }
    warn!(
        role = standing.role,
        fix,
        "row security does not hold for the role that uses the tables; the program alone keeps tenants apart"
    );
    Ok(())
}

async fn own(connection: &mut PgConnection) -> Result<Own> {
    let read = &mut |row: &Row<'_>| {
        let superuser: bool = row.get(1)?;
        Ok(Own {
            name: row.get(0)?,
            superuser,
            makes_roles: superuser || row.get(2)?,
            version: row.get(3)?,
        })
    };
    let found = rows(connection, MIGRATE, OWN, None, &[], read).await?;
    found.into_iter().next().ok_or_else(|| Error::new(ErrorKind::Internal, MIGRATE))
}

/// Makes the role if it is missing; what an administrator has to do where that is not possible. It is asked beforehand: a
/// statement that fails would undo the migration around it.
async fn obstacle(connection: &mut PgConnection, own: &Own, role: &str) -> Result<Option<String>> {
    let (name, to) = (quoted(role), quoted(&own.name));
    let found = rows(connection, MIGRATE, EXISTS, None, values![role], &mut |_| Ok(())).await?;
    if !found.is_empty() {
        let may = if own.version < SET_OPTION { MAY_BE } else { MAY_BE_16 };
        let yes = &mut |row: &Row<'_>| row.get::<bool>(0);
        let may = rows(connection, MIGRATE, may, None, values![role], yes).await?;
        return Ok((may != [true]).then(|| format!("GRANT {name} TO {to}")));
    }
    if !own.makes_roles {
        return Ok(Some(format!("CREATE ROLE {name} NOLOGIN; GRANT {name} TO {to}")));
    }
    script(connection, format!("CREATE ROLE {name} NOLOGIN")).await?;
    info!(role, "the role that the tables are used by is made");
    if !own.superuser {
        let how = if own.version < SET_OPTION { "" } else { " WITH SET TRUE, INHERIT FALSE" };
        script(connection, format!("GRANT {name} TO {to}{how}")).await?;
    }
    Ok(None)
}

/// Gives the role what it needs and lacks: rows, and no more; what is logged it cannot change.
async fn grant(connection: &mut PgConnection, schema: &str, role: &str) -> Result<()> {
    let values = values![schema, role];
    let to = quoted(role);
    let yes = &mut |row: &Row<'_>| row.get::<bool>(0);
    if rows(connection, MIGRATE, MAY_ENTER, None, values, yes).await? != [true] {
        script(connection, format!("GRANT USAGE ON SCHEMA {schema} TO {to}")).await?;
    }
    let table = &mut |row: &Row<'_>| row.get::<String>(0);
    for table in rows(connection, MIGRATE, LACKING, None, values, table).await? {
        let what = match table.as_str() {
            "audit_entries" => "SELECT, INSERT",
            _ => "SELECT, INSERT, UPDATE, DELETE",
        };
        let table = quoted(&table);
        script(connection, format!("GRANT {what} ON {schema}.{table} TO {to}")).await?;
    }
    Ok(())
}

/// A name that may hold anything.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
