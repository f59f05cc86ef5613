"""Rows of the state tables as JSON: a person can read a changelog."""

import msgspec

from sitehub.rules.delivery import DeliveryRow
from sitehub.rules.site import Site

_encode = msgspec.json.Encoder().encode
_decode_site = msgspec.json.Decoder(Site).decode
_decode_delivery = msgspec.json.Decoder(DeliveryRow).decode


def encode_site(site: Site) -> bytes:
    """A row of `sites`."""
    return _encode(site)


def decode_site(row: bytes) -> Site:
    """The site that `encode_site` wrote."""
    return _decode_site(row)


def encode_delivery(delivery: DeliveryRow) -> bytes:
    """A row of a `deliveries` table."""
    return _encode(delivery)


def decode_delivery(row: bytes) -> DeliveryRow:
    """The row that `encode_delivery` wrote."""
    return _decode_delivery(row)
