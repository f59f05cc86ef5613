WITH held AS (
    SELECT operation FROM integration.batch_leases WHERE operation = $2 AND token = $3 FOR UPDATE
)
UPDATE integration.batch_runs
SET state = 'running', started_at = coalesce(started_at, now()), holder = $4, attempts = attempts + 1,
    watermark_from = coalesce(watermark_from, $5), newer_than = coalesce(newer_than, $6),
    unseen_by = coalesce(unseen_by, $7), snapshot = coalesce(batch_runs.snapshot, $8),
    rows_expected = coalesce(rows_expected, $9)
FROM held WHERE run_id = $1 AND batch_runs.operation = held.operation RETURNING true
