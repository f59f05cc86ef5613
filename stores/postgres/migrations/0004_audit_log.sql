-- Who did what. Append-only for the application's role, see integration.grant_rights.
CREATE TABLE integration.audit_log (
    audit_id uuid NOT NULL,
    day date NOT NULL,
    sequence bigint,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    entity_type text NOT NULL,
    entity_id text NOT NULL,
    before jsonb,
    after jsonb,
    correlation_id text,
    source_topic text,
    source_partition integer,
    source_offset bigint,
    source_http text,
    previous_hash bytea,
    hash bytea,
    PRIMARY KEY (audit_id, at)
) PARTITION BY RANGE (at);

CREATE INDEX audit_log_at ON integration.audit_log (at);
CREATE INDEX audit_log_entity ON integration.audit_log USING hash (entity_id);
CREATE INDEX audit_log_actor ON integration.audit_log USING hash (actor);

INSERT INTO integration.partitioned VALUES ('audit_log', 'month', '13 months');
