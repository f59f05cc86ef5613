"""A progress bar on stderr for downloads whose size is known."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """One bar for several files; safe to use from several threads."""

    bar: Progress
    task: TaskID

    def add(self, size_bytes: int) -> None:
        """Count bytes that have arrived."""
        self.bar.advance(self.task, size_bytes)

    @contextmanager
    def file(self, _name: str, _size_bytes: int) -> Iterator[Callable[[int], None]]:
        """Yield the counter for one file, in the shape that jgo asks for."""
        yield self.add


@contextmanager
def download_progress(title: str, size_bytes: int) -> Iterator[DownloadProgress]:
    """Show a bar while the block runs. Where stderr is no terminal: one line before and one after."""
    console = Console(stderr=True)
    if not console.is_terminal:
        sys.stderr.write(f"Downloading {title}: {size_bytes / 1e6:.0f} MB\n")
        sys.stderr.flush()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        yield DownloadProgress(bar, bar.add_task(f"Downloading {title}", total=size_bytes))
    if not console.is_terminal:
        sys.stderr.write(f"Downloaded {title}\n")
