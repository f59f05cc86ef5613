INSERT INTO integration.data_mapping
    (source_system, target_system, source_field, target_field, transformation_rule, created_at)
VALUES ($1, $2, $3, $4, $5, clock_timestamp())
