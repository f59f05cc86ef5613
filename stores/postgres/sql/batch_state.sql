SELECT watermark, snapshot, scheduled_from,
    (snapshot IS NULL OR pg_snapshot_xmax(snapshot::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot())) AS is_foreign
FROM integration.watermarks WHERE operation = $1
