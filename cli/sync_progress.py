"""How far a batch run is, as a bar: rows, pages, failures and the time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Show = Callable[[dict[str, Any]], None]


@contextmanager
def progress(*, is_quiet: bool) -> Iterator[Show]:
    """What shows the run's row on the terminal; nothing is shown if it is to be quiet, or `rich` is not installed."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        is_quiet = True
    if is_quiet:
        yield lambda _row: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} rows  {task.fields[pages]:,} pages"),
        TextColumn("{task.fields[rejected]:,} rejected  {task.fields[failures]:,} calls made again"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("waits for a worker", total=1, pages=0, rejected=0, failures=0)

        def show(row: dict[str, Any]) -> None:
            bar.update(
                task,
                description=row["operation"],
                total=max(row["rows_expected"] or 0, row["rows_done"], 1),
                completed=row["rows_done"],
                pages=row["pages"],
                rejected=row["rows_rejected"],
                failures=row["failures"],
            )

        yield show
