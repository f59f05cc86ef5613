import pytest
from click.testing import CliRunner

from sitehub.cli import main


def test_help_says_what_the_hub_is() -> None:
    result = CliRunner().invoke(main, ["--help"])

    assert (result.exit_code, "customer sites integration hub" in result.output) == (0, True)


@pytest.mark.parametrize("command", ["worker", "verify", "dead-letters list", "publish /dev/null"])
def test_a_missing_password_of_kafka_is_told_in_words(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SITEHUB_SECRET_KAFKA_CONFIG__SASL_PASSWORD", raising=False)
    monkeypatch.setenv("SITEHUB_CONFIG", "config")

    result = CliRunner().invoke(main, command.split())

    assert (result.exit_code, "$SITEHUB_SECRET_KAFKA_CONFIG__SASL_PASSWORD" in result.output) == (1, True)
    assert "Traceback" not in result.output
