SELECT target_system, source_field, target_field, transformation_rule
FROM integration.data_mapping_seeds LEFT JOIN (
    SELECT * FROM integration.data_mapping WHERE is_active AND source_system = $1
) active USING (target_system)
ORDER BY target_system, created_at, mapping_id
