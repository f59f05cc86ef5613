SELECT * FROM integration.batch_runs WHERE run_id = $1
