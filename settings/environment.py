"""What a process is told by its environment, beside secrets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from sitehub.settings.mistakes import Mistake

APP_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
PACKAGED = "config"


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables that are empty count as absent."""

    paths: list[Path]
    """SITEHUB_CONFIG, separated by colons; absent: the packaged guide."""
    app_id: str
    """SITEHUB_APP_ID: consumer group, and prefix of changelogs."""
    data: Path
    """SITEHUB_DATA: folder of this worker."""
    mistakes: list[Mistake] = field(default_factory=list)


def read_environment(environ: Mapping[str, str]) -> Environment:
    """What the variables say. In SITEHUB_CONFIG `config` is the packaged guide where no file has that name."""
    named = [name for name in environ.get("SITEHUB_CONFIG", "").split(":") if name]
    app_id = environ.get("SITEHUB_APP_ID") or "sitehub"
    mistakes = []
    if APP_ID.fullmatch(app_id) is None:
        allowed = "up to 100 letters, digits, dots, hyphens and underscores"
        mistakes.append(Mistake("$SITEHUB_APP_ID", "", repr(app_id), allowed))
    return Environment(
        paths=[_path(name) for name in named] or [packaged_configuration()],
        app_id=app_id,
        data=Path(environ.get("SITEHUB_DATA") or ".sitehub"),
        mistakes=mistakes,
    )


def packaged_configuration() -> Path:
    """Folder of the guide that the package carries."""
    return Path(str(resources.files("sitehub.config")))


def _path(name: str) -> Path:
    path = Path(name)
    return packaged_configuration() if name == PACKAGED and not path.exists() else path
