//! Webhooks, and what they are sent.

pub(super) const V8: &str = r#"
CREATE TABLE webhooks (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    url TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    events TEXT COLLATE "C" NOT NULL,
    enabled BIGINT NOT NULL,
    disabled TEXT COLLATE "C",
    failing_since BIGINT,
    secret TEXT COLLATE "C" NOT NULL,
    previous_secret TEXT COLLATE "C",
    previous_until BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE webhook_deliveries (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    webhook_id BYTEA NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    attempts TEXT COLLATE "C" NOT NULL,
    tried BIGINT NOT NULL,
    job_id BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (tenant_id, webhook_id, id);
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (tenant_id, id)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (tenant_id, updated_at)
    WHERE state <> 'pending';
"#;
