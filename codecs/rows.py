"""Rows of the state tables, as JSON where a person may read them in a changelog."""

import msgspec

from sitehub.rules.delivery import DeliveryRow, LedgerRow, ParkedCommand
from sitehub.rules.site import Site

_encode = msgspec.json.Encoder().encode
_decode_site = msgspec.json.Decoder(Site).decode
_decode_delivery = msgspec.json.Decoder(DeliveryRow).decode
_decode_ledger = msgspec.json.Decoder(LedgerRow).decode
_encode_parked = msgspec.msgpack.Encoder().encode
_decode_parked = msgspec.msgpack.Decoder(ParkedCommand).decode

PARKED_PREFIX = b"\x00parked\x00"
LEDGER_KEY = b"\x00ledger"
"""No site's id begins with NUL."""


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


def parked_key(site: bytes, offset: int) -> bytes:
    """Key of a parked command's row: a site's are beside each other, in log order."""
    return PARKED_PREFIX + site + offset.to_bytes(8, "big")


def encode_parked(command: ParkedCommand) -> bytes:
    """A parked command's row, as MessagePack: it holds the bytes of a record."""
    return _encode_parked(command)


def decode_parked(row: bytes) -> ParkedCommand:
    """The command that `encode_parked` wrote."""
    return _decode_parked(row)


def encode_ledger(ledger: LedgerRow) -> bytes:
    """The row of a `deliveries` table that counts."""
    return _encode(ledger)


def decode_ledger(row: bytes) -> LedgerRow:
    """The ledger that `encode_ledger` wrote."""
    return _decode_ledger(row)
