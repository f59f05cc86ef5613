"""Transformations that other distributions bring; the example of the documentation is what is installed here."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitehub.settings import ConfigurationError, load_settings
from sitehub.settings import transformations as module
from sitehub.settings.transformations import transformations

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "transformations.md").read_text()
BLOCKS = dict(re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL))


def install(folder: Path, code: str, points: dict[str, str], name: str = "north-side-transformations") -> None:
    """What an installer leaves behind for a distribution with one module."""
    (folder / "north_side_transformations.py").write_text(code)
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = ["[sitehub.transformations]", *(f"{point} = {where}" for point, where in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where distributions can be put before anything is asked."""
    monkeypatch.syspath_prepend(str(tmp_path))
    module._load.cache_clear()
    yield tmp_path
    sys.modules.pop("north_side_transformations", None)
    module._load.cache_clear()


def test_the_example_of_the_documentation_can_be_named_in_a_mapping(tmp_path: Path) -> None:
    project = tomllib.loads(BLOCKS["toml"])["project"]
    install(tmp_path, BLOCKS["python"], project["entry-points"]["sitehub.transformations"], project["name"])
    overlay = tmp_path / "mapping.json"
    overlay.write_text(BLOCKS["json"])
    command = [sys.executable, "-m", "sitehub.cli", "check-config", str(ROOT / "config"), str(overlay)]

    without = subprocess.run(command, capture_output=True, check=False, text=True)
    known = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "PYTHONPATH": str(tmp_path)})

    assert without.returncode == 1
    assert "the unknown transformation 'e164'" in without.stdout + without.stderr
    assert (known.returncode, known.stderr) == (0, b"")
    assert json.loads(known.stdout)["billing_data_mapping"]["phone"]["transformation"] == "e164"


def test_the_example_does_what_it_says(installed: Path) -> None:
    install(installed, BLOCKS["python"], {"e164": "north_side_transformations:e164"})

    e164 = transformations()["e164"]

    assert [e164("(312) 555-0142"), e164("1 312 555 0142"), e164("none")] == ["+13125550142", "+13125550142", "none"]
    assert "address_formatting" in transformations()


@pytest.mark.parametrize(
    ("points", "told"),
    [
        ({"direct_mapping": "north_side_transformations:e164"}, "the name 'direct_mapping' again"),
        ({"lost": "no_such_module:lost"}, "ModuleNotFoundError: No module named 'no_such_module'"),
        ({"number": "north_side_transformations:NUMBER"}, "a int"),
    ],
)
def test_an_entry_point_that_can_not_be_used_stops_the_start_with_its_reason(
    installed: Path, points: dict[str, str], told: str
) -> None:
    install(installed, f"{BLOCKS['python']}\nNUMBER = 1\n", points)

    with pytest.raises(ConfigurationError) as error:
        load_settings([ROOT / "config"], {})

    (mistake,) = error.value.mistakes
    assert mistake.found == told
    assert mistake.file == f"entry point {next(iter(points))} of north-side-transformations"
