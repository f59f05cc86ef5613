SELECT mapping_id, source_system, source_field, target_system, target_field, transformation_rule, is_active, created_at
FROM integration.data_mapping
WHERE source_system = $1 AND ($2::text IS NULL OR target_system = $2)
ORDER BY target_system, created_at, mapping_id
