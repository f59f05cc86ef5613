UPDATE integration.data_mapping SET is_active = false
WHERE is_active AND source_system = $1 AND target_system = $2 AND target_field = $3
RETURNING source_field, transformation_rule
