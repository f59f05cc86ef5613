UPDATE integration.batch_leases SET expires_at = now() WHERE operation = $1 AND token = $2
