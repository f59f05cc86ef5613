UPDATE integration.batch_runs SET error = $4, calls = calls + $5, failures = failures + $6
WHERE run_id = $1 AND state = 'running'
    AND EXISTS (SELECT FROM integration.batch_leases WHERE operation = $2 AND token = $3)
