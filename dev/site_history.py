"""One site of the feed: what its producer believes it to be, and the changes that can happen to it."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

from sitehub.dev.places import Place

SERVICES = ("Parking", "Valet Parking", "Economy Parking", "Garage", "Shuttle and Parking")
CONTRACT_TYPES = ("management", "lease", "revenue_share")
BILLING_CYCLES = ("monthly", "quarterly", "annual")
FIRST_CONTRACT = date(2024, 1, 1)
CENTS_STEP = 25

Payload = dict[str, Any]


@dataclass(slots=True)
class SiteHistory:
    """Attributes as last published. The place is real; service, contract and rates are made up."""

    site_id: str
    place: Place
    attributes: dict[str, Any] = field(default_factory=dict)
    contract: dict[str, Any] = field(default_factory=dict)

    def creation(self, random: Random, *, has_territory: bool) -> Payload:
        """Return the payload of `site_created`."""
        self.contract = _contract(random)
        self.attributes = {
            "name": f"{random.choice(SERVICES)} at {self.place.name}",
            "address": _address(self.place, random),
            "location_coordinates": self.place.coordinates,
            "capacity": random.randrange(40, 4000, 10),
        }
        if has_territory:
            self.attributes["territory_id"] = territory_of(self.place)
        return {"site_data": {**self.attributes, "contract_info": dict(self.contract)}}

    def territory_assignment(self) -> Payload:
        """Return the update that gives a site the territory it was created without."""
        return self._update({"territory_id": territory_of(self.place)})

    def move(self, place: Place, random: Random) -> Payload:
        """Return the update of a site whose service goes on at another place."""
        service = self.attributes["name"].partition(" at ")[0]
        self.place = place
        values: dict[str, Any] = {"name": f"{service} at {place.name}", "address": _address(place, random)}
        values["location_coordinates"] = place.coordinates
        if "territory_id" in self.attributes:
            values["territory_id"] = territory_of(place)
        return self._update(values)

    def renaming(self, random: Random) -> Payload:
        """Return the update of a site that changes its service and with it its name."""
        service = self.attributes["name"].partition(" at ")[0]
        other = random.choice([name for name in SERVICES if name != service])
        return self._update({"name": f"{other} at {self.place.name}"})

    def capacity_change(self, random: Random) -> Payload:
        """Return an update that no billing document shows."""
        return self._update({"capacity": self.attributes["capacity"] + random.randrange(10, 100, 10)})

    def repetition(self, random: Random) -> Payload:
        """Return an update that says again what is so already."""
        name = random.choice(["name", "address"])
        return self._update({name: self.attributes[name]})

    def contract_change(self, random: Random) -> Payload:
        """Return the payload of `contract_updated`: some fields of the contract, to be merged."""
        fresh = _contract(random)
        names = random.choice((("billing_cycle",), ("rates",), ("contract_type", "rates"), ("end_date",)))
        change = {name: fresh[name] for name in names}
        self.contract |= change
        return {"contract_info": change}

    def _update(self, values: dict[str, Any]) -> Payload:
        old = {name: self.attributes[name] for name in values if name in self.attributes}
        self.attributes |= values
        return {"changed_fields": list(values), "old_values": old, "new_values": values}


def territory_of(place: Place) -> str:
    """Return the territory that looks after a place: one a state."""
    return f"territory-{place.state.lower()}"


def _address(place: Place, random: Random) -> dict[str, str]:
    """Spell an address as one of several producers does. It has no street: the source of the places has none."""
    spellings = (
        {"city": place.city, "state": place.state, "country": "US"},
        {"city": f" {place.city}", "state": place.state.lower(), "country": "us"},
        {"city": place.city, "province": place.state, "country": "US"},
    )
    return random.choices(spellings, weights=(8, 1, 1))[0]


def _contract(random: Random) -> dict[str, Any]:
    start = FIRST_CONTRACT + timedelta(days=random.randrange(730))
    hourly_cents = random.randrange(200, 1200, CENTS_STEP)
    return {
        "contract_type": random.choice(CONTRACT_TYPES),
        "billing_cycle": random.choice(BILLING_CYCLES),
        "start_date": start.isoformat(),
        "end_date": (start + timedelta(days=365 * random.randrange(1, 6))).isoformat(),
        "rates": {"hourly": hourly_cents / 100, "daily_max": hourly_cents * 6 / 100},
    }
