INSERT INTO integration.data_mapping
    (source_system, target_system, source_field, target_field, transformation_rule, created_at)
SELECT $1, $2, source_field, target_field, transformation_rule, now() + place * interval '1 microsecond'
FROM unnest($3::text[], $4::text[], $5::text[]) WITH ORDINALITY
    AS entry (source_field, target_field, transformation_rule, place)
