-- Give the application's role and the readers' role what they need and no more; a role that does not exist is left
-- out. Called at the end of every migration, so that new tables are covered. The names of the roles that got rights.
CREATE FUNCTION integration.grant_rights(application text, reader text) RETURNS SETOF text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    role text;
    relation record;
BEGIN
    FOR role IN SELECT rolname FROM pg_roles WHERE rolname IN (application, reader) LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA public, integration TO %I', role);
        FOR relation IN
            SELECT relname, nspname || '.' || quote_ident(relname) AS name FROM pg_class
            JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE nspname IN ('public', 'integration') AND relkind IN ('r', 'p', 'v') AND NOT relispartition
        LOOP
            EXECUTE format('GRANT SELECT ON %s TO %I', relation.name, role);
            IF role = application AND relation.relname NOT IN ('audit_log', 'migrations', 'partitioned') THEN
                EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %s TO %I', relation.name, role);
            END IF;
        END LOOP;
        IF role = application THEN
            EXECUTE format('GRANT INSERT ON integration.audit_log TO %I', role);
            EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON integration.audit_log FROM %I', role);
        END IF;
        RETURN NEXT role;
    END LOOP;
END $$;
