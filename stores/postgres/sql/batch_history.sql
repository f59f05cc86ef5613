SELECT run_id, operation, cause, actor, since, state, requested_at, started_at, ended_at, holder, watermark_from,
    position_time, pages, rows_expected, rows_done, rows_rejected, calls, failures, attempts, error
FROM integration.batch_runs
WHERE $1::text IS NULL OR operation = $1
ORDER BY requested_at DESC LIMIT $2
