UPDATE integration.batch_leases SET expires_at = now() + $3::float8 * interval '1 second'
WHERE operation = $1 AND token = $2 RETURNING true
