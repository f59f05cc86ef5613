import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, Field

from sitehub.settings.model import Block
from sitehub.settings.reference import MARK, anchor, reference, rewritten
from sitehub.settings.root import Configuration
from sitehub.settings.shapes import Escalation, HostPort, Name, Port
from sitehub.settings.value_words import value_words

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


class Inner(Block):
    """Something within.

    It has a second paragraph.
    """

    size: int = Field(default=2, gt=0)
    """Metres | feet
    of it."""


class Outer(Block):
    """Something."""

    one: Inner = Inner(size=3)
    """The first."""
    many: list[Inner]
    """The others."""
    token: str | None = None
    """What opens it."""
    switch: Escalation = "immediate"
    """When."""


def rows(text: str) -> dict[str, list[str]]:
    lines = (line for line in text.splitlines() if line.startswith("| `"))
    return {cells[0]: cells[1:] for line in lines if (cells := re.split(r"(?<!\\) ?\| ?", line)[1:-1])}


def test_the_page_says_what_the_models_say() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert page == rewritten(page), "docs/configuration.md is not what settings/ says: `make reference` writes it anew"


@pytest.mark.parametrize(
    "row",
    [
        "| `max_in_flight` | a whole number, more than 0 | `64` | Calls at once, a worker. |",
        '| `on_null` | one of `omit`, `send`, `dead_letter` | `"omit"` | ',
        "| `retry_on` | a list, each a whole number, at least 100, at most 599 | `[]` | ",
        "| `failure_threshold` | a whole number, more than 0 | `5` | ",
        "| `initial_delay` | a number, at least 0 | `1000` | Milliseconds before the second attempt. |",
        "| `<name>_integration` | [a block](#name_integration) | absent | ",
        "| `schema` | an object, each key a text, each value any JSON value | needed | ",
    ],
)
def test_a_key_has_a_row_with_its_type_range_default_and_meaning(row: str) -> None:
    assert f"\n{row}" in reference(Configuration)


def test_every_key_of_every_block_has_a_meaning() -> None:
    assert [row for row in rows(reference(Configuration)).items() if not row[1][-1]] == []


def test_every_link_leads_to_a_heading() -> None:
    page = PAGE.read_text(encoding="utf-8")
    headings = {anchor(line.lstrip("# ")) for line in page.splitlines() if line.startswith("#")}

    assert set(re.findall(r"\]\(#([^)]*)\)", page)) - headings == set()


def test_a_block_within_has_one_section_that_names_all_its_places() -> None:
    text = reference(Outer)

    assert text.count("Something within.\n\nIt has a second paragraph.") == 1
    assert "### `one`\n" in text
    assert "The same at `many[]`." in text
    assert rows(text)["`many`"][0] == "a list, each [a block](#one)"


def test_a_default_is_needed_absent_or_told_as_json() -> None:
    found = rows(reference(Outer))

    assert {key: cells[1] for key, cells in found.items()} == {
        "`one`": '`{"size": 3}`',
        "`many`": "needed",
        "`token`": "absent",
        "`switch`": '`"immediate"`',
        "`size`": "`2`",
    }


def test_what_would_break_the_table_or_be_taken_for_a_tag_is_escaped() -> None:
    found = rows(reference(Outer))

    assert found["`size`"][2] == r"Metres \| feet of it."
    assert found["`switch`"][0] == "immediate or after_&lt;number>_minutes"


def test_a_secret_says_that_it_is_one() -> None:
    assert rows(reference(Outer))["`token`"][0] == "a text; a [secret](operations.md#secrets)"


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (bool, "true or false"),
        (Any, "any JSON value"),
        (Literal["a", "b"], "one of `a`, `b`"),
        (Port, "a whole number, more than 0, less than 65536"),
        (Port | None, "a whole number, more than 0, less than 65536"),
        (Name, "a text that is not empty"),
        (Annotated[str, Field(pattern="^a$")], "a text that fits `^a$`"),
        (Annotated[list[HostPort], Field(min_length=1)], "a list that is not empty, each host:port"),
        (dict[HostPort, float], "an object, each key host:port, each value a number"),
    ],
)
def test_types_and_ranges_are_told_in_words(annotation: Any, words: str) -> None:
    assert value_words(annotation, (), str) == words


def test_a_limit_that_can_not_be_told_is_a_fault_of_the_models() -> None:
    with pytest.raises(TypeError, match="does not say what it allows"):
        value_words(Annotated[str, AfterValidator(str.strip)], (), str)
    with pytest.raises(TypeError, match="no words for the limit"):
        value_words(Annotated[int, Field(multiple_of=2)], (), str)


def test_what_is_written_by_hand_stays() -> None:
    assert rewritten(f"by hand\n{MARK}\nold").startswith(f"by hand\n{MARK}\n\n## The root\n")
    with pytest.raises(ValueError, match="the page has no line"):
        rewritten("by hand")
