-- As in step 2, but a table that is being read is left for the next time: a check of the audit log may read for long,
-- and who writes must not fail because of it, nor because another worker was first.
CREATE OR REPLACE FUNCTION integration.drop_expired_partitions() RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '1s' AS $$
DECLARE
    expired record;
BEGIN
    FOR expired IN
        SELECT child.relname AS name
        FROM integration.partitioned
        JOIN pg_inherits ON inhparent = format('integration.%I', table_name)::regclass
        JOIN pg_class child ON child.oid = inhrelid
        WHERE to_timestamp(right(child.relname, 8), 'YYYYMMDD') + ('1 ' || step)::interval <= now() - keep
        ORDER BY child.relname
    LOOP
        BEGIN
            EXECUTE format('DROP TABLE IF EXISTS integration.%I', expired.name);
            RETURN NEXT expired.name;
        EXCEPTION WHEN lock_not_available THEN
            CONTINUE;
        END;
    END LOOP;
END $$;
