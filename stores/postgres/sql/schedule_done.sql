UPDATE integration.watermarks SET scheduled_from = $2 WHERE operation = $1 AND scheduled_from < $2 RETURNING true
