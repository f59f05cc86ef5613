"""Load the configuration: files, overlays, environment; every mistake at once."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from sitehub.settings.blocks import gather
from sitehub.settings.checks import check
from sitehub.settings.effective import config_id
from sitehub.settings.environment import packaged_configuration, read_environment
from sitehub.settings.faults import mistakes_of
from sitehub.settings.merge import Merged
from sitehub.settings.mistakes import ConfigurationError, Mistake
from sitehub.settings.root import Configuration
from sitehub.settings.secrets import read_secrets
from sitehub.settings.settings import Settings
from sitehub.settings.sources import Sources
from sitehub.settings.transformations import broken_transformations

__all__ = ["load_settings", "packaged_configuration"]


def load_settings(paths: Sequence[Path] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings from `paths`, later ones over earlier ones; else from SITEHUB_CONFIG, else from the packaged guide.

    A secret that is missing is none of the mistakes: what needs it is off. Raises ConfigurationError with all mistakes.
    While a file can't be read, what it may define is not called missing or unknown.
    """
    environment = read_environment(environ)
    sources = Sources()
    sources.read(paths or environment.paths)
    secrets = read_secrets(sources.merged.document, environ)
    configuration, mistakes = _configuration(sources.merged, complete=not sources.unread)
    mistakes = [*environment.mistakes, *broken_transformations(), *sources.mistakes, *mistakes, *secrets.mistakes]
    if mistakes or configuration is None:
        raise ConfigurationError(mistakes)
    return Settings(
        configuration=configuration,
        document=sources.merged.document,
        config_id=config_id(configuration),
        secrets=secrets.values,
        missing_secrets=tuple(secrets.missing),
        app_id=environment.app_id,
        data=environment.data,
        secret_files=secrets.files,
    )


def _configuration(merged: Merged, *, complete: bool) -> tuple[Configuration | None, list[Mistake]]:
    mistakes = check(merged) if complete else []
    try:
        return Configuration.model_validate(gather(merged.document)), mistakes
    except ValidationError as error:
        errors = [one for one in error.errors(include_url=False) if complete or one["type"] != "missing"]
        return None, [*mistakes_of(errors, Configuration, merged), *mistakes]
