SELECT site_id, site_name, territory_id, status, attributes, contract_info, version, created_at, updated_at,
    deleted_at, last_event_id
FROM public.customer_sites
WHERE ($1::text IS NULL OR territory_id = $1)
  AND CASE WHEN $2::text IS NULL THEN status <> 'deleted' ELSE status = $2 END
  AND ($3::text IS NULL OR site_name ILIKE $3)
  AND ($4::timestamptz IS NULL OR updated_at >= $4)
  AND ($5::timestamptz IS NULL OR (updated_at, site_id) > ($5, $6::text))
ORDER BY updated_at, site_id
LIMIT $7
