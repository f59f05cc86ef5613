INSERT INTO integration.watermarks (operation) VALUES ($1) ON CONFLICT DO NOTHING
