SELECT to_jsonb(run) FROM integration.batch_runs AS run
ORDER BY COALESCE(started_at, requested_at) DESC LIMIT 1
