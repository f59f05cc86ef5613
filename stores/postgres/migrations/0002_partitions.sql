-- Tables that grow with time are partitioned by it. The application's role may not own them, so what it must do to
-- their partitions it does through functions that run with the owner's rights.
CREATE TABLE integration.partitioned (
    table_name text PRIMARY KEY,
    step text NOT NULL CHECK (step IN ('day', 'month')),
    keep interval NOT NULL
);

COMMENT ON TABLE integration.partitioned IS 'How long a partition is and how long it is kept after its end, in UTC.';

-- Make the partitions that hold the moments from `first` to `last`. Attached, not created in place: that does not
-- wait for writers, nor they for it.
CREATE FUNCTION integration.ensure_partitions(parent text, first timestamptz, last timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    unit text;
    begins timestamptz;
    ends timestamptz;
    name text;
BEGIN
    SELECT step INTO STRICT unit FROM integration.partitioned WHERE table_name = parent;
    begins := date_trunc(unit, first);
    WHILE begins <= last LOOP
        ends := begins + ('1 ' || unit)::interval;
        name := parent || to_char(begins, '_YYYYMMDD');
        IF to_regclass(format('integration.%I', name)) IS NULL THEN
            PERFORM pg_advisory_xact_lock(hashtext('integration.' || parent));
            IF to_regclass(format('integration.%I', name)) IS NULL THEN
                EXECUTE format('CREATE TABLE integration.%I (LIKE integration.%I INCLUDING ALL)', name, parent);
                EXECUTE format('ALTER TABLE integration.%I ATTACH PARTITION integration.%I FOR VALUES FROM (%L) TO (%L)',
                    parent, name, begins, ends);
                EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON integration.%I FROM CURRENT_USER', name);
            END IF;
        END IF;
        begins := ends;
    END LOOP;
END $$;

-- Drop the partitions that are kept no longer; their names.
CREATE FUNCTION integration.drop_expired_partitions() RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
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
        EXECUTE format('DROP TABLE integration.%I', expired.name);
        RETURN NEXT expired.name;
    END LOOP;
END $$;
