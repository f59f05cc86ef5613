"""What a geographic information system offers."""

from pydantic import Field

from sitehub.settings.model import Block
from sitehub.settings.shapes import Name, UrlPath


class GeocodingService(Block):
    """Addresses to coordinates."""

    endpoint: UrlPath
    """Path behind `api_endpoint`."""
    batch_size: int = Field(gt=0)
    """Addresses a call."""


class RoutingService(Block):
    """Ways between sites."""

    endpoint: UrlPath
    """Path behind `api_endpoint`."""
    optimization: Name
    """What is made least: time or distance."""


class BoundariesService(Block):
    """Borders of territories."""

    endpoint: UrlPath
    """Path behind `api_endpoint`."""
    format: Name
    """Format of the boundaries."""


class GisServices(Block):
    """The services; those that are absent are not used."""

    geocoding: GeocodingService | None = None
    """Addresses to coordinates; absent: sites are not geocoded."""
    routing: RoutingService | None = None
    """Ways between sites; absent: not used."""
    boundaries: BoundariesService | None = None
    """Borders of territories; absent: not read from there."""
