INSERT INTO public.customer_sites AS site (
    site_id, site_name, address, territory_id, status, attributes, contract_info, version,
    created_at, updated_at, deleted_at, last_event_id, last_event_timestamp
)
SELECT
    site_id, site_name, address::jsonb, territory_id, status, attributes::jsonb, contract_info::jsonb, version,
    created_at, updated_at, deleted_at, last_event_id, last_event_timestamp
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::bigint[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::text[], $15::timestamptz[]
) AS new (
    site_id, site_name, address, territory_id, status, attributes, contract_info, contract_type, billing_cycle,
    version, created_at, updated_at, deleted_at, last_event_id, last_event_timestamp
)
ON CONFLICT (site_id) DO UPDATE SET
    site_name = excluded.site_name,
    address = excluded.address,
    territory_id = excluded.territory_id,
    status = excluded.status,
    attributes = excluded.attributes,
    contract_info = excluded.contract_info,
    version = excluded.version,
    created_at = excluded.created_at,
    updated_at = excluded.updated_at,
    deleted_at = excluded.deleted_at,
    last_event_id = excluded.last_event_id,
    last_event_timestamp = excluded.last_event_timestamp
