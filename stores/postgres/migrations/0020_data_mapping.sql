-- Targets whose mapping has come into integration.data_mapping: from then on its active rows are the whole of it.
CREATE TABLE integration.data_mapping_seeds (
    target_system varchar(100) PRIMARY KEY,
    config_id text NOT NULL,
    seeded_at timestamptz NOT NULL DEFAULT now()
);

-- Workers listen: a change need not wait until they look again.
CREATE FUNCTION integration.notify_data_mapping() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('sitehub_data_mapping', '');
    RETURN NULL;
END $$;

CREATE TRIGGER notify_data_mapping AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON integration.data_mapping
FOR EACH STATEMENT EXECUTE FUNCTION integration.notify_data_mapping();

CREATE TRIGGER notify_data_mapping AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON integration.data_mapping_seeds
FOR EACH STATEMENT EXECUTE FUNCTION integration.notify_data_mapping();
