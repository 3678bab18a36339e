//! Who may act on which tenant: single-user mode, and the one place that makes a tenant scope.
