-- Days of which rows may be missing because their partition was dropped: expired, and there is none.
SELECT day
FROM (SELECT DISTINCT day FROM integration.audit_heads) AS days, integration.partitioned
WHERE table_name = 'audit_log'
  AND (date_trunc('month', day) + interval '1 month') AT TIME ZONE 'UTC' <= now() - keep
  AND to_regclass('integration.audit_log' || to_char(date_trunc('month', day), '_YYYYMMDD')) IS NULL
