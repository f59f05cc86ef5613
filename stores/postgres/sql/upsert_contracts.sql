-- A site that never had a contract has no row here; one that lost it has an empty one. A contract that is as it was
-- keeps the time of its change.
INSERT INTO public.contracts AS contract (
    site_id, contract_type, billing_cycle, contract_info, updated_at, deleted_at
)
SELECT site_id, contract_type, billing_cycle, contract_info::jsonb, updated_at, deleted_at
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::boolean[], $8::boolean[]
) AS new (
    site_id, contract_type, billing_cycle, contract_info, updated_at, deleted_at, is_new, is_contract
)
WHERE is_contract OR EXISTS (SELECT FROM public.contracts AS old WHERE old.site_id = new.site_id)
ON CONFLICT (site_id) DO UPDATE SET
    contract_type = excluded.contract_type,
    billing_cycle = excluded.billing_cycle,
    contract_info = excluded.contract_info,
    updated_at = excluded.updated_at,
    deleted_at = excluded.deleted_at
WHERE (contract.contract_info, contract.deleted_at) IS DISTINCT FROM (excluded.contract_info, excluded.deleted_at)
   OR excluded.site_id IN (SELECT site_id FROM unnest($1::text[], $7::boolean[]) AS run (site_id, is_new) WHERE is_new)
