SELECT day, chain, log_offset, at, actor, action, entity_type, entity_id, site_id, before, after, correlation_id, source,
       config_id, position, previous_hash, hash
FROM integration.audit_log
ORDER BY day, chain, position
