WITH held AS (
    SELECT operation FROM integration.batch_leases WHERE operation = $2 AND token = $3 FOR UPDATE
), seen AS (
    UPDATE integration.watermarks
    SET watermark = coalesce(watermark, run.watermark_from), snapshot = run.snapshot, updated_at = now()
    FROM held, integration.batch_runs run
    WHERE watermarks.operation = held.operation AND run.run_id = $1 AND run.since IS NULL
)
UPDATE integration.batch_runs SET state = 'completed', ended_at = now(), error = NULL
FROM held WHERE run_id = $1 AND batch_runs.operation = held.operation RETURNING true
