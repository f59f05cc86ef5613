-- The integration schema of the configuration guide, to the letter.
CREATE SCHEMA IF NOT EXISTS integration;

CREATE TABLE integration.sync_status (
    sync_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    source_system VARCHAR(100) NOT NULL,
    target_system VARCHAR(100) NOT NULL,
    entity_type VARCHAR(100) NOT NULL,
    entity_id VARCHAR(100) NOT NULL,
    sync_timestamp TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    sync_status VARCHAR(20) NOT NULL,
    error_message TEXT,
    retry_count INTEGER DEFAULT 0
);

CREATE TABLE integration.data_mapping (
    mapping_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    source_system VARCHAR(100) NOT NULL,
    source_field VARCHAR(200) NOT NULL,
    target_system VARCHAR(100) NOT NULL,
    target_field VARCHAR(200) NOT NULL,
    transformation_rule TEXT,
    is_active BOOLEAN DEFAULT TRUE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

CREATE INDEX idx_sync_status_entity ON integration.sync_status(entity_type, entity_id);
CREATE INDEX idx_sync_status_timestamp ON integration.sync_status(sync_timestamp);
CREATE INDEX idx_data_mapping_source ON integration.data_mapping(source_system, source_field);
