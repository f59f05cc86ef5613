SELECT nspname, relname FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE attname = $1 AND attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p')
