SELECT * FROM integration.batch_runs WHERE operation = $1 AND state <> 'completed'
ORDER BY state = 'running' DESC, requested_at LIMIT 1
