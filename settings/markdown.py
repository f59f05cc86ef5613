"""Fenced `json` blocks of a Markdown text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

OPENING = re.compile(r"^[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[^\s`{]*)[^`]*$")


@dataclass(frozen=True, slots=True)
class Fenced:
    """A block; `text` stands as in the file, indentation included."""

    line: int
    """Line of the file on which the text begins, from 1."""
    text: str
    closed: bool
    """Whether the fence that ends it is there."""


def json_blocks(markdown: str) -> Iterator[Fenced]:
    """The `json` blocks in their order, wherever they are indented; what stands inside other blocks is not read."""
    fence, language, begin = "", "", 0
    lines: list[str] = []
    for number, line in enumerate(markdown.split("\n"), start=1):
        if fence:
            if _closes(line, fence):
                if language == "json":
                    yield Fenced(begin, "\n".join(lines), closed=True)
                fence = ""
            else:
                lines.append(line)
        elif opening := OPENING.match(line):
            fence, language = opening["fence"], opening["language"].lower()
            begin, lines = number + 1, []
    if fence and language == "json":
        yield Fenced(begin, "\n".join(lines), closed=False)


def _closes(line: str, fence: str) -> bool:
    text = line.strip()
    return len(text) >= len(fence) and set(text) == {fence[0]}
