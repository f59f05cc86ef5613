"""Real places for the feed: airports of the United States, where parking is run.

The rows come from the package `airportsdata` (MIT licence): 12,579 of them, 1,952 with an IATA code. It has no street
addresses and no postal codes, so places have none here either.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Place:
    """An airport with its real name, city, state (postal code of the state) and coordinates in degrees."""

    code: str
    name: str
    city: str
    state: str
    latitude: float
    longitude: float

    @property
    def coordinates(self) -> dict[str, float]:
        """The place as `location_coordinates`."""
        return {"latitude": self.latitude, "longitude": self.longitude}


@cache
def us_airports() -> tuple[Place, ...]:
    """Return all places, those with an airline's code (the larger ones) first, in an order that never changes."""
    import airportsdata

    states = msgspec.json.decode(
        resources.files("sitehub.dev").joinpath("us_states.json").read_bytes(), type=dict[str, str]
    )
    rows = [row for row in airportsdata.load("ICAO").values() if row["country"] == "US"]
    rows.sort(key=lambda row: (not row["iata"], row["icao"]))
    return tuple(_place(row, states) for row in rows)


def _place(row: dict[str, Any], states: dict[str, str]) -> Place:
    return Place(row["icao"], row["name"], row["city"], states[row["subd"]], row["lat"], row["lon"])
