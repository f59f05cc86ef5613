"""The `sitehub` command."""

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sitehub")
def main() -> None:
    """The customer sites integration hub."""
