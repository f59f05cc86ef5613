"""Lists of sites against a plain search of the same sites."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sitehub.rules.times import rfc3339
from sitehub.stores.postgres.site_list import CursorError, SiteFilter, list_sites
from sitehub.stores.postgres.site_rows import SiteRows
from sitehub.stores.postgres.sql import statement
from sitehub.tests.postgres.test_rows import state, write

BEGAN = datetime(2026, 11, 24, tzinfo=UTC)
NAMES = ["Garage North", "garage south", "100% Parking", "Lot_7", "back\\slash", "مواقف", "a\x00b"]
FILTERS = [
    SiteFilter(),
    SiteFilter(territory_id="t1"),
    SiteFilter(status="closed"),
    SiteFilter(status="deleted"),
    SiteFilter(name="GARAGE"),
    SiteFilter(name="0%"),
    SiteFilter(name="_"),
    SiteFilter(name="\\"),
    SiteFilter(name="قف"),
    SiteFilter(name="a\x00"),
    SiteFilter(name=""),
    SiteFilter(updated_since=BEGAN + timedelta(seconds=30)),
    SiteFilter("t2", "active", "garage", BEGAN + timedelta(seconds=10)),
    SiteFilter(territory_id="t" * 500),
    SiteFilter(territory_id="x' OR '1'='1"),
]
Sites = list[dict[str, Any]]


@pytest.fixture
async def sites(application: Any) -> Sites:
    """Sites of which several have the same time, so that only their ids tell them apart."""
    rng = random.Random(5)
    made: Sites = [
        {
            "site_id": f"site-{number:03}",
            "name": rng.choice(NAMES),
            "territory_id": rng.choice(["t1", "t2", "t" * 500, None]),
            "status": rng.choice([None, "closed"]),
            "updated_at": BEGAN + timedelta(seconds=rng.randrange(60)),
            "is_deleted": rng.random() < 0.2,
        }
        for number in range(150)
    ]
    records = [
        state(
            site["site_id"],
            attributes={name: site[name] for name in ("name", "territory_id", "status") if site[name] is not None},
            updated_at=rfc3339(site["updated_at"].timestamp()),
            deleted_at="2026-11-24T03:00:00.000Z" if site["is_deleted"] else None,
        )
        for site in made
    ]
    assert await write(application, SiteRows(), *records) == []
    return made


def search(sites: Sites, wanted: SiteFilter) -> list[str]:
    def fits(site: dict[str, Any]) -> bool:
        status = "deleted" if site["is_deleted"] else site["status"] or "active"
        return (
            (wanted.territory_id is None or site["territory_id"] == wanted.territory_id)
            and (status != "deleted" if wanted.status is None else status == wanted.status)
            and (not wanted.name or wanted.name.lower() in site["name"].lower())
            and (wanted.updated_since is None or site["updated_at"] >= wanted.updated_since)
        )

    return [
        site["site_id"] for site in sorted(filter(fits, sites), key=lambda one: (one["updated_at"], one["site_id"]))
    ]


@pytest.mark.parametrize("size", [7, 1_000])
async def test_pages_together_are_what_a_plain_search_finds(application: Any, sites: Sites, size: int) -> None:
    for wanted in FILTERS:
        found, cursor = list[str](), None
        while True:
            page = await list_sites(application.fetch, wanted, size, cursor)
            assert len(page.sites) <= size
            found += [site["site_id"] for site in page.sites]
            cursor = page.next
            if cursor is None:
                break
        assert found == search(sites, wanted), wanted


async def test_a_site_that_changes_while_it_is_read_is_seen_again_and_none_is_missed(
    application: Any, sites: Sites
) -> None:
    first = await list_sites(application.fetch, SiteFilter(), 50)
    moved = first.sites[10]["site_id"]
    await write(application, SiteRows(), state(moved, 2, updated_at=rfc3339(BEGAN.timestamp() + 100)))

    rest = await list_sites(application.fetch, SiteFilter(), 1_000, first.next)

    ids = [site["site_id"] for site in [*first.sites, *rest.sites]]
    assert ids[-1] == moved
    assert set(ids) == set(search(sites, SiteFilter()))


@pytest.mark.parametrize("cursor", ["", "x", "W10", "bnVsbA", "é", "WyIyMDI2LTExLTI0VDAwOjAwOjAwIiwgImEiXQ"])
async def test_what_is_no_cursor_is_told(application: Any, cursor: str) -> None:
    with pytest.raises(CursorError, match="no cursor of a page"):
        await list_sites(application.fetch, SiteFilter(), 10, cursor)


@pytest.mark.parametrize(
    ("values", "index"),
    [
        (("t1", None, None, None, None, None), "customer_sites_territory"),
        ((None, "closed", None, None, None, None), "customer_sites_status"),
        ((None, None, "%needle%", None, None, None), "customer_sites_name"),
        ((None, None, None, BEGAN, BEGAN, "site-1"), "customer_sites_updated"),
    ],
)
async def test_each_filter_has_an_index(owner: Any, values: tuple[Any, ...], index: str) -> None:
    await owner.execute(
        """INSERT INTO customer_sites SELECT 'site-' || n, 'name ' || n, NULL, 't' || n % 500,
           CASE WHEN n % 500 = 0 THEN 'closed' ELSE 'active' END, '{}', '{}', 1, now(), now() - n * interval '1 s',
           NULL, '', now() FROM generate_series(1, 20000) AS n"""
    )
    await owner.execute("ANALYZE customer_sites")
    explained = "EXPLAIN " + statement("list_sites")
    ask: Callable[..., Awaitable[list[Any]]] = owner.fetch

    plan = "\n".join(row[0] for row in await ask(explained, *values, 20))

    assert index in plan, plan
