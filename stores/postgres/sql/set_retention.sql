UPDATE integration.partitioned SET keep = $2::text::interval
WHERE table_name = $1 AND keep IS DISTINCT FROM $2::text::interval
