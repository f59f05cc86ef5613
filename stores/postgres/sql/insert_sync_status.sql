INSERT INTO integration.sync_status (
    sync_id, source_system, target_system, entity_type, entity_id, sync_timestamp, sync_status, error_message,
    retry_count
)
SELECT sync_id, $2, target, $4, entity_id, at, status, error, retries
FROM unnest($1::uuid[], $3::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[], $9::integer[]) AS new (
    sync_id, target, entity_id, at, status, error, retries
)
ON CONFLICT DO NOTHING
