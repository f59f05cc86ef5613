-- The audit log as it is written: nothing has written to the table of step 4.
--
-- Each day has a chain of rows for each partition of the topic: a row names the one before it by its hash, the first
-- one what was newest in the partition's former chain. JSON is kept as text, byte by byte: it is part of the hash.
DROP TABLE integration.audit_log;

CREATE TABLE integration.audit_log (
    day date NOT NULL,
    chain integer NOT NULL,
    log_offset bigint NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    entity_type text NOT NULL,
    entity_id text NOT NULL,
    site_id text,
    before json NOT NULL,
    after json NOT NULL,
    correlation_id text NOT NULL,
    source text NOT NULL,
    config_id text NOT NULL,
    position bigint NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (day, chain, position, at)
) PARTITION BY RANGE (at);

COMMENT ON COLUMN integration.audit_log.day IS 'Of `at`, in UTC.';
COMMENT ON COLUMN integration.audit_log.chain IS 'Partition of the topic audit-log.';
COMMENT ON COLUMN integration.audit_log.log_offset IS 'Of the record in that partition.';
COMMENT ON COLUMN integration.audit_log.position IS 'In the chain of that day, from 1 on.';
COMMENT ON COLUMN integration.audit_log.hash IS 'SHA-256 over previous_hash and the columns from day to config_id as a JSON array.';

CREATE INDEX audit_log_at ON integration.audit_log (at);
CREATE INDEX audit_log_site ON integration.audit_log USING hash (site_id);

-- Where each chain ends: rows that were cut off at its end are missed.
CREATE TABLE integration.audit_heads (
    chain integer NOT NULL,
    day date NOT NULL,
    number bigint NOT NULL,
    rows bigint NOT NULL,
    hash bytea NOT NULL,
    last_offset bigint NOT NULL,
    begins bytea NOT NULL,
    after_day date,
    after_rows bigint NOT NULL,
    PRIMARY KEY (chain, day),
    UNIQUE (chain, number)
);

COMMENT ON TABLE integration.audit_heads IS 'Kept for ever, also when the rows of the day are kept no longer.';
COMMENT ON COLUMN integration.audit_heads.number IS 'Of the chains of a partition, in the order in which they began, from 1 on.';
COMMENT ON COLUMN integration.audit_heads.begins IS 'What the first row names: the hash of row `after_rows` of the day `after_day`.';

-- Rights keep the application out; this keeps out mistakes of a role that owns the tables.
CREATE FUNCTION integration.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on %: the audit log is only added to', tg_op, tg_table_name USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON integration.audit_log
    FOR EACH ROW EXECUTE FUNCTION integration.refuse_change();
CREATE TRIGGER kept_for_ever BEFORE DELETE ON integration.audit_heads
    FOR EACH ROW EXECUTE FUNCTION integration.refuse_change();
CREATE TRIGGER only_grows BEFORE UPDATE ON integration.audit_heads
    FOR EACH ROW WHEN (NOT (
        new.rows > old.rows AND new.last_offset > old.last_offset
        AND (new.chain, new.day, new.number, new.begins, new.after_rows)
            = (old.chain, old.day, old.number, old.begins, old.after_rows)
        AND new.after_day IS NOT DISTINCT FROM old.after_day
    )) EXECUTE FUNCTION integration.refuse_change();
