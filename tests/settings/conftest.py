import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sitehub.settings import ConfigurationError, Mistake, Settings, load_settings
from sitehub.settings.environment import packaged_configuration

Load = Callable[..., Settings]
Mistakes = Callable[..., list[Mistake]]


@pytest.fixture
def overlay(tmp_path: Path) -> Callable[[Any], Path]:
    """Write a document, or text as it is, and say where."""

    def write(document: Any) -> Path:
        path = tmp_path / f"overlay-{len(list(tmp_path.iterdir()))}.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        return path

    return write


@pytest.fixture
def load(overlay: Callable[[Any], Path]) -> Load:
    """Settings of the packaged guide under overlays, in an environment of the test's own."""

    def load_under(*overlays: Any, **environ: str) -> Settings:
        return load_settings([packaged_configuration(), *map(overlay, overlays)], environ)

    return load_under


@pytest.fixture
def mistakes(load: Load) -> Mistakes:
    """All mistakes of the packaged guide under overlays."""

    def mistakes_under(*overlays: Any, **environ: str) -> list[Mistake]:
        with pytest.raises(ConfigurationError) as caught:
            load(*overlays, **environ)
        return caught.value.mistakes

    return mistakes_under
