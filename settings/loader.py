"""Load the configuration: files, overlays, environment; every mistake at once."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from sitehub.settings.checks import FileOf, check
from sitehub.settings.mistakes import ConfigurationError, Mistake, nearest
from sitehub.settings.root import MAPPING_SUFFIX, SUFFIX, Configuration, Settings
from sitehub.settings.secrets import masked, read_secrets
from sitehub.settings.sources import read_sources

ALLOWED_BY_TYPE = {
    "missing": "this key is needed",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
}


def load_settings(paths: Sequence[Path] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings from `paths`, else from SITEHUB_CONFIG, else from the packaged guide.

    Raises ConfigurationError with all mistakes.
    """
    document, origins, mistakes = read_sources(list(paths) if paths else configured_paths(environ))
    configuration: Configuration | None = None
    file_of = FileOf(origins)
    try:
        configuration = Configuration.model_validate(_gathered(document))
    except ValidationError as error:
        mistakes += [_mistake(dict(one), file_of) for one in error.errors(include_url=False)]
    secrets, missing, unreadable = read_secrets(document, environ)
    mistakes += unreadable
    if configuration is not None:
        mistakes += check(configuration, file_of)
    if mistakes or configuration is None:
        raise ConfigurationError(mistakes)
    return Settings(
        configuration=configuration,
        document=document,
        config_id=_config_id(document),
        secrets=secrets,
        missing_secrets=tuple(missing),
        app_id=environ.get("SITEHUB_APP_ID", "sitehub"),
        data=Path(environ.get("SITEHUB_DATA", ".sitehub")),
    )


def configured_paths(environ: Mapping[str, str]) -> list[Path]:
    """What SITEHUB_CONFIG names; the packaged guide if it names nothing."""
    named = [Path(name) for name in environ.get("SITEHUB_CONFIG", "").split(":") if name]
    return named or [packaged_configuration()]


def packaged_configuration() -> Path:
    """Folder of the guide that the package carries."""
    return Path(str(resources.files("sitehub.config")))


def effective_document(settings: Settings) -> dict[str, Any]:
    """The effective configuration as JSON, with defaults, secrets masked, and blocks under the guide's names."""
    document = settings.configuration.model_dump(mode="json", by_alias=True)
    integrations, mappings = document.pop("integrations"), document.pop("data_mappings")
    document |= {f"{name}{SUFFIX}": block for name, block in integrations.items()}
    document |= {f"{name}{MAPPING_SUFFIX}": block for name, block in mappings.items()}
    effective: dict[str, Any] = masked(document)
    return effective


def _gathered(document: dict[str, Any]) -> dict[str, Any]:
    """Targets and mappings under one key each, since their names are the user's."""
    gathered: dict[str, Any] = {"integrations": {}, "data_mappings": {}}
    for key, value in document.items():
        if key.endswith(SUFFIX):
            gathered["integrations"][key.removesuffix(SUFFIX)] = value
        elif key.endswith(MAPPING_SUFFIX):
            gathered["data_mappings"][key.removesuffix(MAPPING_SUFFIX)] = value
        elif key in gathered:
            gathered[f"{key} (unknown)"] = value
        else:
            gathered[key] = value
    return gathered


def _mistake(error: dict[str, Any], file_of: FileOf) -> Mistake:
    location, kind = list(error["loc"]), error["type"]
    names = _names_at(Configuration, location[:-1])
    match location:
        case ["integrations", str(name), *rest]:
            location = [f"{name}{SUFFIX}", *rest]
        case ["data_mappings", str(name), *rest]:
            location = [f"{name}{MAPPING_SUFFIX}", *rest]
        case _:
            pass
    path = ".".join(map(str, location))
    file = file_of(path)
    if kind == "extra_forbidden":
        name = str(location[-1])
        return Mistake(file, path, f"the unknown key {name!r}", f"one of {', '.join(names)}", nearest(name, names))
    if kind == "missing":
        return Mistake(file, path, "nothing", ALLOWED_BY_TYPE["missing"])
    allowed = ALLOWED_BY_TYPE.get(kind, error["msg"])
    hint = None
    if kind == "literal_error":
        allowed = error["ctx"]["expected"]
        hint = nearest(str(error["input"]), [choice.strip(" '") for choice in allowed.replace(" or ", ",").split(",")])
    return Mistake(file, path, json.dumps(masked(error["input"], tuple(map(str, location))))[:200], allowed, hint)


def _names_at(model: type[BaseModel], location: list[Any]) -> list[str]:
    """Names of the keys that a block at `location` may have."""
    at: Any = model
    for key in location:
        if isinstance(at, type) and issubclass(at, BaseModel):
            fields = {info.alias or name: info.annotation for name, info in at.model_fields.items()}
            at = _inner(fields.get(str(key)))
        else:
            at = _inner(get_args(at)[-1] if get_args(at) else None)
    if not (isinstance(at, type) and issubclass(at, BaseModel)):
        return []
    names = [info.alias or name for name, info in at.model_fields.items()]
    gathered = {"integrations": f"<name>{SUFFIX}", "data_mappings": f"<name>{MAPPING_SUFFIX}"}
    return [gathered.get(name, name) if at is Configuration else name for name in names]


def _inner(annotation: Any) -> Any:
    """The type without `| None`."""
    if type(None) in get_args(annotation):
        return next(arg for arg in get_args(annotation) if arg is not type(None))
    return annotation


def _config_id(document: dict[str, Any]) -> str:
    text = json.dumps(masked(document), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
