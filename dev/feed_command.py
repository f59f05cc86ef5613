"""`sitehub feed`: write events about real places to standard output or a file."""

from itertools import islice
from typing import BinaryIO

import click

from sitehub.dev.feed import Feed


@click.command()
@click.option("--events", default=1000, show_default=True, type=click.IntRange(1), help="Number of lines.")
@click.option("--sites", default=2000, show_default=True, type=click.IntRange(1), help="Number of real places.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same events.")
@click.option("--output", default="-", type=click.File("wb"), help="File to write; - is standard output.")
def feed(events: int, sites: int, seed: int, output: BinaryIO) -> None:
    """Write a stream of events, one JSON document a line, for `sitehub publish`.

    Creations, moves, renames, contract changes, updates that change nothing, duplicates and some malformed ones, about
    airports of the United States with their real names, cities, states and coordinates.
    """
    try:
        output.writelines((record.value or b"") + b"\n" for record in islice(Feed(seed, sites).records(), events))
    except ValueError as error:
        raise click.ClickException(str(error)) from None
