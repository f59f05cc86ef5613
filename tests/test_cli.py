from click.testing import CliRunner

from sitehub.cli import main


def test_help_says_what_the_hub_is() -> None:
    result = CliRunner().invoke(main, ["--help"])

    assert (result.exit_code, "customer sites integration hub" in result.output) == (0, True)
