INSERT INTO integration.command_attempts (
    attempt_id, at, command_id, event_id, action, target, site_id, status, attempt, http_status, error, answer,
    duration_ms, event_timestamp, superseded_by
)
SELECT * FROM unnest(
    $1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::integer[], $10::integer[], $11::text[], $12::text[], $13::double precision[], $14::timestamptz[], $15::text[]
)
ON CONFLICT DO NOTHING
