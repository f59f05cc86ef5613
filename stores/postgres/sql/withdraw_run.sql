DELETE FROM integration.batch_runs WHERE run_id = $1 AND state = 'requested' RETURNING true
