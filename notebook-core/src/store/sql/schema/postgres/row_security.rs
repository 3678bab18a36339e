//! Which rows PostgreSQL itself shows to a transaction.

/// PostgreSQL itself shows each transaction the rows of its tenant only, to the owner of the tables too.
///
/// A table made later needs the same two statements: a test looks for those that lack them. Data is migrated as before:
/// the migration lets the owner see all rows while it lasts.
pub(super) const V16: &str = r#"
-- Whoever forgets to say for whom gets no row, and a line in the log.
CREATE FUNCTION no_tenant() RETURNS BYTEA LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF current_setting('notebook.reach', true) IS DISTINCT FROM 'installation' THEN
        RAISE WARNING 'a statement was made for no tenant: it is shown no row'
            USING HINT = 'set notebook.tenant in the transaction, as 32 hexadecimal digits';
    END IF;
    RETURN NULL;
END $$;

-- The tenant of the transaction, or none.
CREATE FUNCTION own_tenant() RETURNS BYTEA STABLE PARALLEL SAFE
    RETURN CASE WHEN current_setting('notebook.tenant', true) <> ''
        THEN decode(current_setting('notebook.tenant', true), 'hex') ELSE no_tenant() END;

-- Whether this is one of the connections that work for all tenants.
CREATE FUNCTION whole_installation() RETURNS BOOLEAN STABLE PARALLEL SAFE
    RETURN current_setting('notebook.reach', true) IS NOT DISTINCT FROM 'installation';

DO $$
DECLARE
    name TEXT;
BEGIN
    -- What is in a workspace.
    FOREACH name IN ARRAY ARRAY['notebooks', 'sources', 'documents', 'text_segments', 'chunks', 'embeddings',
        'conversations', 'messages', 'runs', 'run_events', 'webhooks', 'webhook_deliveries',
        'usage_days', 'usage_closed']
    LOOP
        EXECUTE format('CREATE POLICY reach ON %I USING (tenant_id = own_tenant())', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    END LOOP;
    -- What the installation works on as a whole too.
    FOREACH name IN ARRAY ARRAY['jobs', 'workspaces', 'memberships', 'invitations', 'api_keys',
        'audit_chains', 'audit_entries']
    LOOP
        EXECUTE format('CREATE POLICY reach ON %I
            USING (whole_installation() OR tenant_id = own_tenant())', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    END LOOP;
    -- What is no tenant's.
    FOREACH name IN ARRAY ARRAY['users', 'password_resets', 'sessions', 'rate_limits']
    LOOP
        EXECUTE format('CREATE POLICY reach ON %I USING (whole_installation())', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    END LOOP;
END $$;
-- A workspace sees who is in it: the policy of memberships holds here too.
CREATE POLICY members ON users FOR SELECT
    USING (EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = users.id));
"#;
