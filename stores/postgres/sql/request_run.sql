INSERT INTO integration.batch_runs (operation, cause, actor, since) VALUES ($1, $2, $3, $4) RETURNING run_id
