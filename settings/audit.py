"""The audit log."""

from sitehub.settings.model import Block
from sitehub.settings.shapes import FieldPath


class AuditConfig(Block):
    """What the audit log shows; how long it is kept stands in `database_config.retention`."""

    masked_fields: list[FieldPath] = []
    """Names of fields of sites whose values are never shown, wherever they are; with dots, only below those keys."""
