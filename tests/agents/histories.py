"""Random histories of a few sites: good events, repeated and late ones, and records that can't be applied."""

import json
from typing import Any

from hypothesis import strategies as st

from sitehub.tests.agents.site_model import Sent

SITES = ["s1", "a/b", "Zürich #2", ".."]
ADDRESSES: list[Any] = [
    {"street": " 1 Main St ", "city": "Denver", "state": "co", "zip": "802020001"},
    {"street": "2 Side St", "country": " us"},
]
CONTRACT = {
    "contract_type": st.sampled_from(["lease", "fee"]),
    "billing_cycle": st.sampled_from(["monthly", "weekly"]),
    "end_date": st.just("2027-01-01"),
    "rate": st.sampled_from([1, True, {"hour": 1}, {"hour": True}]),
}
contracts = st.fixed_dictionaries({}, optional=CONTRACT)
created_data = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["A", "B"]),
        "address": st.sampled_from(ADDRESSES),
        "territory_id": st.sampled_from(["t1", "t2"]),
        "capacity": st.sampled_from([1, True]),
        "contract_info": contracts,
    },
)
new_values = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["A", "B", None, 5]),
        "address": st.sampled_from([*ADDRESSES, "1 Main St", None]),
        "territory_id": st.sampled_from(["t1", "t2", None]),
        "capacity": st.sampled_from([1, True, [0], [False], None]),
        "billing_cycle": st.sampled_from(["daily", None]),
        "contract_info": contracts | st.none(),
    },
)
created = created_data.map(lambda data: {"event_type": "site_created", "site_data": data})
updated = new_values.map(
    lambda values: {"event_type": "site_updated", "changed_fields": list(values), "new_values": values}
)
payloads = st.one_of(
    created,
    updated,
    updated,
    st.just({"event_type": "site_updated", "changed_fields": ["name", "address"], "new_values": {"name": "half"}}),
    st.fixed_dictionaries({}, optional={**CONTRACT, "billing_cycle": st.sampled_from(["monthly", None])}).map(
        lambda contract: {"event_type": "contract_updated", "contract_info": contract}
    ),
    st.just({"event_type": "site_deleted"}),
)
stamps = st.sampled_from(
    ["2026-11-24T01:00:00Z", "2026-11-24T01:00:00.5Z", "2026-11-24T03:00:00+01:00", "2026-11-24T00:00:00-00:30"]
)
FAULTS = [
    ("not_json", b"{"),
    ("not_utf8", b'{"a": "\xff"}'),
    ("not_an_object", b"[1]"),
    ("unknown_event_type", b'{"event_type": "nonsense"}'),
    ("schema_violation", b'{"event_type": "site_updated", "changed_fields": "name"}'),
    ("empty_value", b""),
]


@st.composite
def histories(draw: st.DrawFn) -> list[Sent]:
    """Records with rising offsets, some left out as a log with transaction markers has them."""
    sent: list[Sent] = []
    offset = draw(st.integers(0, 5))
    for number in range(draw(st.integers(1, 40))):
        offset += draw(st.sampled_from([1, 1, 1, 2]))
        match draw(st.sampled_from(["event"] * 8 + ["repeated", "reused", "fault"])):
            case "repeated" if sent:
                former = draw(st.sampled_from(sent))
                sent.append(Sent(offset, former.key, former.value, former.fault))
            case "fault":
                reason, value = draw(st.sampled_from(FAULTS))
                sent.append(Sent(offset, draw(st.sampled_from(SITES)).encode(), value, reason))
            case kind:
                earlier = draw(st.integers(0, number)) if kind == "reused" else number
                sent.append(event(offset, f"e{earlier}", draw(st.sampled_from(SITES)), draw(stamps), draw(payloads)))
    return sent


def event(offset: int, event_id: str, site_id: str, stamp: str, payload: dict[str, Any]) -> Sent:
    fields = {"event_id": event_id, "event_timestamp": stamp, "site_id": site_id, **payload}
    return Sent(offset, site_id.encode(), json.dumps(fields).encode())
