"""`sitehub check-config`: the effective configuration, or every mistake."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from sitehub.settings.effective import effective_document
from sitehub.settings.loader import load_settings
from sitehub.settings.mistakes import ConfigurationError


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print mistakes as a JSON list on stdout.")
def check_config(paths: tuple[Path, ...], as_json: bool) -> None:  # noqa: FBT001 -- click hands options by name
    """Print the effective configuration as JSON, secrets masked; or every mistake, and exit with 1.

    PATHS are files or folders (.json, .md), later ones over earlier ones; without any, those of SITEHUB_CONFIG,
    else the packaged guide.
    """
    try:
        settings = load_settings(paths)
    except ConfigurationError as error:
        if as_json:
            click.echo(json.dumps([asdict(mistake) for mistake in error.mistakes], indent=2))
        else:
            for mistake in error.mistakes:
                click.echo(str(mistake), err=True)
        raise SystemExit(1) from None
    click.echo(json.dumps(effective_document(settings.configuration), indent=2))
