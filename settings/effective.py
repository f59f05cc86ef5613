"""The configuration as it works: with its defaults, without its secrets."""

import hashlib
import json
from typing import Any

from sitehub.settings.blocks import scatter
from sitehub.settings.root import Configuration
from sitehub.settings.secrets import masked


def effective_document(configuration: Configuration) -> dict[str, Any]:
    """As JSON, blocks under the names that files give them, secrets masked. It loads again, to the same effect."""
    effective: dict[str, Any] = masked(scatter(configuration.model_dump(mode="json", by_alias=True)))
    return effective


def config_id(configuration: Configuration) -> str:
    """Sixteen hexadecimal digits: the same for configurations of the same effect, whatever their secrets."""
    text = json.dumps(effective_document(configuration), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
