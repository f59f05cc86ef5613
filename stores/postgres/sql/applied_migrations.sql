SELECT version, name, checksum, applied_at FROM integration.migrations ORDER BY version
