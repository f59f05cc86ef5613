SELECT * FROM (
    SELECT at, actor, action, entity_type, entity_id, site_id, before, after, correlation_id, source, config_id,
           day, chain, position, log_offset
    FROM integration.audit_log
    WHERE ($1::text IS NULL OR site_id = $1)
      AND ($2::text IS NULL OR actor = $2 OR starts_with(actor, $2 || ':'))
      AND ($3::text IS NULL OR action = $3)
      AND ($4::timestamptz IS NULL OR at >= $4)
      AND ($5::timestamptz IS NULL OR at < $5)
    ORDER BY at DESC, chain, position DESC
    LIMIT $6
) AS newest
ORDER BY at, chain, position
