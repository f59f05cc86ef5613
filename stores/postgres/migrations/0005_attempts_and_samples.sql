-- Every attempt of a call, and what is measured.
CREATE TABLE integration.command_attempts (
    attempt_id uuid NOT NULL,
    at timestamptz NOT NULL,
    command_id text NOT NULL,
    event_id text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    site_id text NOT NULL,
    status text NOT NULL,
    attempt integer NOT NULL,
    http_status integer,
    error text,
    answer text,
    duration_ms double precision NOT NULL,
    event_timestamp timestamptz NOT NULL,
    superseded_by text,
    PRIMARY KEY (attempt_id, at)
) PARTITION BY RANGE (at);

-- Hashes: ids come from outside and may be longer than an ordered index takes.
CREATE INDEX command_attempts_site ON integration.command_attempts USING hash (site_id);
CREATE INDEX command_attempts_command ON integration.command_attempts USING hash (command_id);

CREATE TABLE integration.metric_samples (
    at timestamptz NOT NULL,
    name text NOT NULL,
    target text NOT NULL DEFAULT '',
    value double precision NOT NULL,
    labels jsonb,
    PRIMARY KEY (name, target, at)
) PARTITION BY RANGE (at);

INSERT INTO integration.partitioned VALUES
    ('command_attempts', 'day', '90 days'),
    ('metric_samples', 'day', '30 days');
