"""The guide itself is a configuration: as JSON, and as Markdown."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from sitehub.settings import Configuration, load_settings
from sitehub.settings.effective import effective_document
from sitehub.settings.environment import packaged_configuration
from sitehub.settings.markdown import json_blocks

UNITS = (
    "seconds",
    "milliseconds",
    "a minute",
    "a second",
    "calls",
    "attempts",
    "kilometres",
    "sites",
    "rows",
    "addresses",
)
"""What the description of a quantity names."""


def packaged_files() -> list[Path]:
    return sorted(packaged_configuration().glob("*.json"))


def packaged_document() -> dict[str, Any]:
    return {key: block for file in packaged_files() for key, block in json.loads(file.read_text()).items()}


def as_markdown() -> str:
    """The packaged blocks as a guide writes them: in numbered lists, between SQL and shell."""
    parts = ["# Guide", "", "```bash", "# not ours", "echo '{}'", "```", ""]
    for key, block in packaged_document().items():
        text = json.dumps({key: block}, indent=2).replace("\n", "\n   ")
        parts += [f"1. **{key}**:", "   ```json", f"   {text}", "   ```", ""]
    return "\n".join([*parts, "   ```sql", "   CREATE SCHEMA integration;", "   ```"])


def is_part(part: Any, whole: Any) -> bool:
    """Whether everything that `part` says is in `whole`; a masked text says anything."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and is_part(part[key], whole[key]) for key in part)
    if isinstance(part, list):
        return len(part) == len(whole) and all(map(is_part, part, whole))
    return whole in (part, "***")


def test_every_value_of_the_guide_is_in_the_effective_configuration() -> None:
    assert is_part(packaged_document(), effective_document(load_settings(environ={}).configuration))


def test_the_guide_as_markdown_has_the_effect_of_the_packaged_files(tmp_path: Path) -> None:
    (tmp_path / "guide.md").write_text(as_markdown(), encoding="utf-8")

    assert load_settings([tmp_path / "guide.md"], {}).configuration == load_settings(environ={}).configuration


@pytest.mark.skipif("SITEHUB_TEST_GUIDE" not in os.environ, reason="SITEHUB_TEST_GUIDE names no Markdown guide")
def test_the_real_guide_has_the_effect_of_the_packaged_files() -> None:
    guide = Path(os.environ["SITEHUB_TEST_GUIDE"])
    blocks = [json.loads(block.text) for block in json_blocks(guide.read_text(encoding="utf-8"))]
    document = {key: value for block in blocks for key, value in block.items()}

    assert document == packaged_document()
    assert load_settings([guide], {}).configuration == load_settings(environ={}).configuration


def test_the_effective_configuration_loads_again_to_the_same_effect(tmp_path: Path) -> None:
    settings = load_settings(environ={})
    effective = effective_document(settings.configuration)
    (tmp_path / "effective.json").write_text(json.dumps(effective), encoding="utf-8")

    again = load_settings([tmp_path / "effective.json"], {})

    assert effective_document(again.configuration) == effective
    assert again.config_id == settings.config_id
    assert set(again.missing_secrets) == set(settings.missing_secrets)


def models(model: type[BaseModel] = Configuration) -> set[type[BaseModel]]:
    """The model and every model below it."""
    found = {model}
    for info in model.model_fields.values():
        annotations = [info.annotation]
        while annotations:
            annotation = annotations.pop()
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                found |= models(annotation)
            annotations += getattr(annotation, "__args__", ())
    return found


def test_every_field_is_described() -> None:
    bare = [
        f"{model.__name__}.{name}"
        for model in models()
        for name, info in model.model_fields.items()
        if not info.description
    ]

    assert len(models()) > 40
    assert bare == []


def test_every_quantity_of_time_or_pace_has_its_unit() -> None:
    words = (
        "timeout",
        "delay",
        "interval",
        "ttl",
        "duration",
        "retention_ms",
        "give_up",
        "per_",
        "max_retries",
        "batch_size",
    )
    silent = [
        f"{model.__name__}.{name}"
        for model in models()
        for name, info in model.model_fields.items()
        if any(word in name for word in words)
        and info.annotation in (int, float)
        and not any(unit in str(info.description).lower() for unit in UNITS)
    ]

    assert silent == []


def test_what_may_be_absent_says_what_holds_then() -> None:
    silent = [
        f"{model.__name__}.{name}"
        for model in models()
        for name, info in model.model_fields.items()
        if info.default is None
        and not any(
            word in str(info.description)
            for word in ("absent", "of type", "type", "needed by", "for people", "registry", "schemas as")
        )
    ]

    assert silent == []
