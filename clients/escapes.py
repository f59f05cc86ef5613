"""A text as it reads once its escapes are undone: of JSON, of addresses, of HTML, and of one within the other."""

import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

DEEPEST = 3
"""Escapes within escapes: JSON that quotes JSON that quotes an address."""
ESCAPE = re.compile(
    r"""
      (?P<json> \\u[dD][89abAB][0-9a-fA-F]{2} \\u[dD][c-fC-F][0-9a-fA-F]{2} | \\u[0-9a-fA-F]{4} | \\["\\/bfnrt] )
    | (?P<address> %[0-7][0-9a-fA-F] | (?: %[89a-fA-F][0-9a-fA-F] )+ )
    | (?P<html> & (?: \#[0-9]{1,7} | \#[xX][0-9a-fA-F]{1,6} | [a-zA-Z]{2,8} ) ; )
    | (?P<cut> (?: \\ (?: u[0-9a-fA-F]{0,3} )? | %[0-9a-fA-F]? | & \#? \w{0,8} ) \Z )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Layer:
    """A text without so many layers of escapes, and where its characters stand in the original."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    whole: int
    """Characters of the original."""

    def span(self, start: int, end: int | None = None) -> tuple[int, int]:
        """Where in the original a part of the text stands, which goes to the end if none is given."""
        return self.starts[start], self.whole if end is None else self.ends[end - 1]


def layers(text: str) -> Iterator[Layer]:
    """The text itself, then each layer below, as far as there are escapes. An escape that was cut is left out."""
    layer = Layer(text, range(len(text)), range(1, len(text) + 1), len(text))
    yield layer
    for _ in range(DEEPEST):
        if ESCAPE.search(layer.text) is None:
            return
        layer = _below(layer)
        yield layer


def _below(layer: Layer) -> Layer:
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for found in ESCAPE.finditer(layer.text):
        plain, meant = layer.text[at : found.start()], _meant(found)
        pieces += plain, meant
        starts += *layer.starts[at : found.start()], *[layer.starts[found.start()]] * len(meant)
        ends += *layer.ends[at : found.start()], *[layer.ends[found.end() - 1]] * len(meant)
        at = found.end()
    return Layer(
        "".join([*pieces, layer.text[at:]]), [*starts, *layer.starts[at:]], [*ends, *layer.ends[at:]], layer.whole
    )


def _meant(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "json":
            return str(json.loads(f'"{found[0]}"'))
        case "address":
            return bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "replace")
        case "html":
            return html.unescape(found[0])
        case _:
            return ""
