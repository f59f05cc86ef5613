"""The reference of the configuration: every block and key, with the docstrings of the models.

`python -m sitehub.settings.reference PAGE` writes it into a page, below MARK; what stands above is written by hand.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import cleandoc
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from sitehub.settings.blocks import GATHERED
from sitehub.settings.model import Block
from sitehub.settings.root import Configuration
from sitehub.settings.secrets import SECRET_KEYS
from sitehub.settings.value_words import value_words

MARK = "<!-- From here on written by `make reference`: change the docstrings in settings/ instead. -->"
ROOT = "The root"
"""Heading of the outermost block."""
HIDDEN = "; a [secret](operations.md#secrets)"
"""Behind the type of a key whose value is one."""
Places = dict[type[Block], list[str]]
"""Where each block stands, keys from the root with dots between them; outer blocks first."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a block as files have it."""

    name: str
    annotation: Any
    info: FieldInfo
    default: str


def rewritten(page: str) -> str:
    """The page with the reference as the models are now. Raises ValueError if it has no MARK."""
    above, mark, _ = page.partition(MARK)
    if not mark:
        raise ValueError(f"the page has no line {MARK}")
    return f"{above}{MARK}\n\n{reference(Configuration)}"


def reference(root: type[Block]) -> str:
    """A section for each block under `root`, as Markdown."""
    places: Places = {}
    for block, place in _standing(root, ""):
        places.setdefault(block, []).append(place)
    return "\n".join(_section(block, places) for block in places)


def anchor(heading: str) -> str:
    """Where a link to a heading goes, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _standing(block: type[Block], place: str) -> Iterator[tuple[type[Block], str]]:
    """The block itself and all within it."""
    yield block, place
    for key in _keys(block):
        yield from _within(key.annotation, f"{place}.{key.name}" if place else key.name)


def _within(annotation: Any, place: str) -> Iterator[tuple[type[Block], str]]:
    """All blocks within a value at `place`."""
    if isinstance(annotation, type) and issubclass(annotation, Block):
        yield from _standing(annotation, place)
        return
    inner = {list: f"{place}[]", dict: f"{place}.<key>"}.get(get_origin(annotation), place)
    for part in get_args(annotation):
        yield from _within(part, inner)


def _keys(block: type[Block]) -> Iterator[Key]:
    for name, info in block.model_fields.items():
        if block is Configuration and name in GATHERED:
            yield Key(f"<name>{GATHERED[name]}", get_args(info.annotation)[1], info, "absent")
        else:
            yield Key(info.alias or name, info.annotation, info, _default(info))


def _section(block: type[Block], places: Places) -> str:
    first, *others = places[block]
    lines = [f"### `{first}`" if first else f"## {ROOT}", "", cleandoc(block.__doc__ or "")]
    if others:
        lines += ["", f"The same at {', '.join(f'`{place}`' for place in others)}."]
    rows = [_row(key, places) for key in _keys(block)]
    return "\n".join([*lines, "", "| key | type and range | default | what it means |", f"|{' --- |' * 4}", *rows, ""])


def _row(key: Key, places: Places) -> str:
    words = value_words(key.annotation, key.info.metadata, lambda block: f"[a block](#{anchor(places[block][0])})")
    secret = HIDDEN if key.name in SECRET_KEYS else ""
    cells = (f"`{key.name}`", words + secret, key.default, key.info.description or "")
    return f"| {' | '.join(map(_cell, cells))} |"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "needed"
    match info.default:
        case None:
            return "absent"
        case Block() as block:
            given = block.model_dump(mode="json", by_alias=True, exclude_unset=True)
            return f"`{json.dumps(given)}`" if given else "its defaults"
        case value:
            return f"`{json.dumps(value)}`"


def _cell(text: str) -> str:
    """In one line; what Markdown would take for the end of the cell, or for a tag, is escaped."""
    parts = re.sub(r"\s+", " ", text).replace("|", r"\|").split("`")
    return "`".join(part if place % 2 else part.replace("<", "&lt;") for place, part in enumerate(parts))


if __name__ == "__main__":
    written = Path(sys.argv[1])
    written.write_text(rewritten(written.read_text(encoding="utf-8")), encoding="utf-8")
