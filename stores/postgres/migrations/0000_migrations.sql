-- Which steps were applied, with the checksum of their text.
CREATE SCHEMA IF NOT EXISTS integration;

CREATE TABLE integration.migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
