"""Rows of the read model, as if events had made them."""

from typing import Any

INSERT = """
INSERT INTO public.customer_sites (site_id, site_name, address, status, attributes, contract_info, version, created_at,
    updated_at, last_event_id, last_event_timestamp)
SELECT 'site-' || lpad(number::text, 5, '0'), 'Garage ' || number, '{"street": "1 Main St", "city": "Denver"}',
    'active', jsonb_build_object('name', 'Garage ' || number), '{"contract_type": "lease"}', 1,
    '2026-11-24T00:00:00Z', '2026-11-24T00:00:00Z'::timestamptz + number * interval '1 second', 'e' || number,
    '2026-11-24T00:00:00Z'
FROM generate_series($1::int, $2::int) AS number
"""
UPDATE = "UPDATE public.customer_sites SET site_name = $2, updated_at = $3 WHERE site_id = $1"


async def fill(connection: Any, count: int, first: int = 0) -> None:
    """Sites `site-00000`, `site-00001`, …, each a second newer than the one before."""
    await connection.execute(INSERT, first, first + count - 1)


async def one_row(connection: Any, number: int, name: str) -> None:
    """Give a site another name; its time stays as it is, as if its event had been applied long ago."""
    site_id = f"site-{number:05}"
    updated_at = await connection.fetchval("SELECT updated_at FROM public.customer_sites WHERE site_id = $1", site_id)
    await connection.execute(UPDATE, site_id, name, updated_at)
