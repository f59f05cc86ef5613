"""Find and read configuration files: JSON, the fenced `json` blocks of Markdown, folders of both."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sitehub.settings.markdown import json_blocks
from sitehub.settings.merge import Merged
from sitehub.settings.mistakes import Mistake
from sitehub.settings.parse import parse

SUFFIXES = (".json", ".md")
READABLE = "a .json or .md file, or a folder of them"


@dataclass(slots=True)
class Sources:
    """What the files say together, later ones over earlier ones."""

    merged: Merged = field(default_factory=Merged)
    mistakes: list[Mistake] = field(default_factory=list)
    unread: bool = False
    """Whether something could not be read, so that what it defines is not known."""

    def read(self, paths: Iterable[Path]) -> None:
        """Read files and folders in their order; in a folder by name. A folder's Markdown may have no `json` block."""
        for path in paths:
            if path.is_dir():
                files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
                read = [self._read(file) for file in files]
                if not any(read):
                    self._unreadable(Mistake(str(path), "", "a folder without configuration", READABLE))
            elif path.is_file() and path.suffix in SUFFIXES:
                if not self._read(path):
                    self._unreadable(Mistake(str(path), "", "no fenced json block", "Markdown with ```json blocks"))
            else:
                found = "a file of another kind" if path.exists() else "no such file or folder"
                self._unreadable(Mistake(str(path), "", found, READABLE))

    def _read(self, file: Path) -> bool:
        """Lay the file over what is there; whether it holds any JSON text, or can't be read at all."""
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            self._unreadable(Mistake(str(file), "", str(error), "a readable file in UTF-8"))
            return True
        texts = [(1, text)] if file.suffix == ".json" else list(self._fenced(file, text))
        for line, one in texts:
            block, mistakes = parse(one, str(file), line)
            if isinstance(block, dict):
                self.mistakes += mistakes
                self.merged.lay(block, str(file))
                continue
            for mistake in mistakes or [Mistake(str(file), f"line {line}", _kind(block), "an object of blocks")]:
                self._unreadable(mistake)
        return bool(texts)

    def _fenced(self, file: Path, markdown: str) -> Iterator[tuple[int, str]]:
        """Each JSON text with the line that it begins on."""
        for block in json_blocks(markdown):
            if block.closed:
                yield block.line, block.text
            else:
                place = f"line {block.line - 1}"
                self._unreadable(Mistake(str(file), place, "a json block that does not end", "a closing fence"))

    def _unreadable(self, mistake: Mistake) -> None:
        self.unread = True
        self.mistakes.append(mistake)


def _kind(value: object) -> str:
    return {list: "a list", str: "a text", bool: "true or false", type(None): "null"}.get(type(value), "a number")
