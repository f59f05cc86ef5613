"""How a mapped field's value becomes what a target expects."""

import re
from collections.abc import Callable
from typing import Any

Transformation = Callable[[Any], Any]

ADDRESS_SPELLINGS: dict[str, tuple[str, ...]] = {
    "line1": ("line1", "line_1", "street", "street1", "street_address", "address1", "address_line1", "address_line_1"),
    "line2": ("line2", "line_2", "street2", "address2", "address_line2", "address_line_2", "suite", "unit"),
    "city": ("city", "town", "locality"),
    "state": ("state", "province", "region", "state_code"),
    "postal_code": ("postal_code", "postalCode", "postcode", "zip", "zip_code", "zipcode", "zipCode"),
    "country": ("country", "country_code", "countryCode"),
}
UPPER_CASE = ("state", "country")
ZIP_PLUS_4 = re.compile(r"^(\d{5})[- ]?(\d{4})$")

CONTRACT_FIELDS = {
    "contract_type": "contract_type",
    "billing_cycle": "billing_frequency",
    "start_date": "start_date",
    "end_date": "end_date",
    "currency": "currency",
}
DEFAULT_CURRENCY = "USD"


def direct_mapping(value: Any) -> Any:
    """The value as it is."""
    return value


def address_formatting(value: Any) -> Any:
    """An object with line1, line2, city, state, postal_code and country, as far as the usual spellings give them.

    Text is trimmed, state and country are upper case, a ZIP+4 is written with its hyphen. What is no object stays as it
    is.
    """
    if not isinstance(value, dict):
        return value
    formatted: dict[str, str] = {}
    for name, spellings in ADDRESS_SPELLINGS.items():
        for spelling in spellings:
            if text := _line(value.get(spelling)):
                formatted[name] = text.upper() if name in UPPER_CASE else text
                break
    if found := ZIP_PLUS_4.match(formatted.get("postal_code", "")):
        formatted["postal_code"] = f"{found[1]}-{found[2]}"
    return formatted


def _line(value: Any) -> str:
    """A line of an address; empty where there is none. House numbers and ZIP codes come as numbers too."""
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def contract_mapping(value: Any) -> Any:
    """The contract's main fields under the billing system's names; rates and all further fields under `terms`."""
    if not isinstance(value, dict):
        return value
    mapped = {target: value[source] for source, target in CONTRACT_FIELDS.items() if value.get(source) is not None}
    mapped.setdefault("currency", DEFAULT_CURRENCY)
    mapped["terms"] = {name: field for name, field in value.items() if name not in CONTRACT_FIELDS}
    return mapped


TRANSFORMATIONS: dict[str, Transformation] = {
    "direct_mapping": direct_mapping,
    "address_formatting": address_formatting,
    "contract_mapping": contract_mapping,
}
