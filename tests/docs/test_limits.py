"""Limits that `docs/configuration.md` tells although they stand in the code only."""

import re
from importlib import import_module
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
HEADING = "## Limits of delivery that are not configured"
ROW = re.compile(r"\| .+ \| (?P<number>[\d.,]+)(?: (?P<unit>\S+))? \| `(?P<module>[a-z0-9_.]+)\.(?P<name>[A-Z_]+)` \|")
UNITS = {None: 1, "s": 1, "ms": 0.001, "KiB": 1 << 10, "MiB": 1 << 20, "calls/s": 1, "times": 1}


def limit_rows() -> list[str]:
    """Rows of the table, without its head."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n{HEADING}\n")[2].partition("\n<!--")[0]
    return [line for line in section.splitlines() if line.startswith("|")][2:]


def test_every_limit_on_the_page_is_the_value_of_its_constant() -> None:
    told, real = {}, {}
    for line in limit_rows():
        row = ROW.fullmatch(line)
        assert row is not None, f"no value and constant in {line}"
        constant = f"{row['module']}.{row['name']}"
        told[constant] = float(row["number"].replace(",", "")) * UNITS[row["unit"]]
        real[constant] = getattr(import_module(f"sitehub.{row['module']}"), row["name"], None)

    assert told == real
    assert len(told) == len(limit_rows()) > 0


def test_results_are_committed_as_soon_as_the_page_says() -> None:
    from sitehub.agents.delivery import COMMIT_SECONDS, LONGEST_STEPS

    gathered_ms = 1000 * COMMIT_SECONDS * LONGEST_STEPS
    longest = re.search(r"committed at least every (\d+) ms", "\n".join(limit_rows()))

    assert longest is not None
    assert gathered_ms < float(longest[1])
