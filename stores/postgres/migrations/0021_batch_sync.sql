-- Batch sync: what has come through, who may work at it, and every run. Where a run is stands in its own row.
ALTER TABLE integration.watermarks
    DROP COLUMN page_state,
    ADD COLUMN snapshot text,
    ADD COLUMN scheduled_from timestamptz NOT NULL DEFAULT now();

COMMENT ON COLUMN integration.watermarks.watermark IS 'Rows with an older time of their own are delivered, but for those that the snapshot did not see.';
COMMENT ON COLUMN integration.watermarks.snapshot IS 'pg_snapshot of the last completed run: what it did not see is yet to be delivered.';
COMMENT ON COLUMN integration.watermarks.scheduled_from IS 'Times of the crontab up to this one are done with.';

CREATE TABLE integration.batch_leases (
    operation text PRIMARY KEY,
    holder text NOT NULL,
    token bigint NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE integration.batch_runs (
    run_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    operation text NOT NULL,
    cause text NOT NULL CHECK (cause IN ('schedule', 'operator')),
    actor text NOT NULL,
    since timestamptz,
    state text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'running', 'completed')),
    requested_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz,
    holder text,
    watermark_from timestamptz,
    newer_than timestamptz,
    unseen_by text,
    snapshot text,
    position_time timestamptz,
    position_key text,
    pages bigint NOT NULL DEFAULT 0,
    rows_expected bigint,
    rows_done bigint NOT NULL DEFAULT 0,
    rows_rejected bigint NOT NULL DEFAULT 0,
    calls bigint NOT NULL DEFAULT 0,
    failures bigint NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    error text
);

CREATE UNIQUE INDEX batch_runs_unfinished ON integration.batch_runs (operation) WHERE state = 'running';
CREATE INDEX batch_runs_requested ON integration.batch_runs (operation, requested_at);

-- The 64-bit id of a transaction from a row's xmin, which has 32 bits; `latest` is the end of a snapshot that sees the row.
CREATE FUNCTION integration.whole_xid(xmin xid, latest xid8) RETURNS xid8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT greatest(0, candidate - CASE WHEN candidate >= latest::text::numeric THEN 4294967296 ELSE 0 END)::text::xid8
    FROM (SELECT div(latest::text::numeric, 4294967296) * 4294967296 + xmin::text::numeric AS candidate) AS guess
$$;
