//! Which role may do what: the one table.

use notebook_core::identity::Role;

/// Something that somebody may be allowed to do in a workspace. API keys name them as their scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// See notebooks, sources, conversations and answers.
    NotebookRead,
    /// Make, rename and archive notebooks.
    NotebookWrite,
    /// Delete notebooks.
    NotebookDelete,
    /// Add and delete sources.
    SourceWrite,
    /// Ask, and write conversations.
    Chat,
    /// Take conversations and notebooks out.
    Export,
    /// See who is in the workspace.
    MemberRead,
    /// Add and remove members and change their roles.
    MemberManage,
    /// Make API keys of one's own.
    ApiKeyCreate,
    /// See and end everybody's API keys.
    ApiKeyManage,
    /// Read the audit log.
    AuditRead,
    /// Rename the workspace and change its settings.
    WorkspaceManage,
    /// See what was used.
    UsageRead,
    /// Act on any workspace of the installation.
    Operate,
}

use Permission as P;

/// The table. What is not in it is not allowed.
const TABLE: [(Role, &[P]); 5] = [
    (Role::Viewer, &[P::NotebookRead, P::MemberRead]),
    (Role::Analyst, &[P::NotebookRead, P::MemberRead, P::Chat, P::Export, P::ApiKeyCreate]),
    (
        Role::DataScientist,
        &[
            P::NotebookRead,
            P::MemberRead,
            P::Chat,
            P::Export,
            P::ApiKeyCreate,
            P::NotebookWrite,
            P::NotebookDelete,
            P::SourceWrite,
            P::UsageRead,
        ],
    ),
    (
        Role::Admin,
        &[
            P::NotebookRead,
            P::MemberRead,
            P::Chat,
            P::Export,
            P::ApiKeyCreate,
            P::NotebookWrite,
            P::NotebookDelete,
            P::SourceWrite,
            P::UsageRead,
            P::MemberManage,
            P::ApiKeyManage,
            P::AuditRead,
            P::WorkspaceManage,
        ],
    ),
    (Role::System, &P::ALL),
];

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 14] = [
        P::NotebookRead,
        P::NotebookWrite,
        P::NotebookDelete,
        P::SourceWrite,
        P::Chat,
        P::Export,
        P::MemberRead,
        P::MemberManage,
        P::ApiKeyCreate,
        P::ApiKeyManage,
        P::AuditRead,
        P::WorkspaceManage,
        P::UsageRead,
        P::Operate,
    ];

    /// The name: stable, for scopes of API keys and for errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            P::NotebookRead => "notebook.read",
            P::NotebookWrite => "notebook.write",
            P::NotebookDelete => "notebook.delete",
            P::SourceWrite => "source.write",
            P::Chat => "chat",
            P::Export => "export",
            P::MemberRead => "member.read",
            P::MemberManage => "member.manage",
            P::ApiKeyCreate => "api_key.create",
            P::ApiKeyManage => "api_key.manage",
            P::AuditRead => "audit.read",
            P::WorkspaceManage => "workspace.manage",
            P::UsageRead => "usage.read",
            P::Operate => "operate",
        }
    }

    /// The permission of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == name)
    }
}

/// Whether a role may do something.
#[must_use]
pub fn may(role: Role, permission: Permission) -> bool {
    let row = TABLE.iter().find(|(of, _)| *of == role);
    row.is_some_and(|(_, permissions)| permissions.contains(&permission))
}

/// Whether somebody may give a member (or somebody who is none yet) a role, or take it: only with the permission,
/// and only where neither role is above their own. Nobody is made `system`.
#[must_use]
pub fn may_set_role(own: Role, before: Option<Role>, after: Option<Role>) -> bool {
    let within = |role: Option<Role>| role.is_none_or(|role| role <= own);
    may(own, Permission::MemberManage)
        && within(before)
        && within(after)
        && after != Some(Role::System)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 5] =
        [Role::Viewer, Role::Analyst, Role::DataScientist, Role::Admin, Role::System];

    #[test]
    fn each_role_may_what_the_lower_ones_may() {
        for pair in ROLES.windows(2) {
            for permission in Permission::ALL {
                assert!(!may(pair[0], permission) || may(pair[1], permission), "{permission:?}");
            }
        }
        assert!(!may(Role::Viewer, Permission::Chat));
        assert!(!may(Role::Analyst, Permission::SourceWrite));
        assert!(!may(Role::DataScientist, Permission::MemberManage));
        assert!(!may(Role::Admin, Permission::Operate));
    }

    #[test]
    fn every_permission_is_somebodys_and_has_a_name() {
        for permission in Permission::ALL {
            assert!(may(Role::System, permission));
            assert_eq!(Permission::named(permission.name()), Some(permission));
        }
        assert_eq!(Permission::named("everything"), None);
    }

    #[test]
    fn a_role_manages_only_lower_or_equal_ones() {
        for own in ROLES {
            for before in ROLES.map(Some).into_iter().chain([None]) {
                for after in ROLES.map(Some).into_iter().chain([None]) {
                    let allowed = may_set_role(own, before, after);
                    let manages = own >= Role::Admin;
                    let low = before.is_none_or(|role| role <= own)
                        && after.is_none_or(|role| role <= own);
                    assert_eq!(allowed, manages && low && after != Some(Role::System));
                }
            }
        }
    }
}
