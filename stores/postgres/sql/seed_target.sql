INSERT INTO integration.data_mapping_seeds (target_system, config_id) VALUES ($1, $2)
ON CONFLICT DO NOTHING RETURNING target_system
