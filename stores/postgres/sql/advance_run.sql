WITH held AS (
    SELECT operation FROM integration.batch_leases WHERE operation = $2 AND token = $3 FOR UPDATE
), moved AS (
    UPDATE integration.watermarks SET watermark = greatest(watermark, $4), updated_at = now()
    FROM held, integration.batch_runs run
    WHERE watermarks.operation = held.operation AND run.run_id = $1 AND run.since IS NULL
)
UPDATE integration.batch_runs
SET position_time = $4, position_key = $5, pages = $6, rows_done = rows_done + $7, rows_rejected = rows_rejected + $8,
    calls = calls + $9, failures = failures + $10, error = NULL
FROM held WHERE run_id = $1 AND batch_runs.operation = held.operation RETURNING true
