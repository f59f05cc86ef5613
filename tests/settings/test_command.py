import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sitehub.settings.command import check_config
from sitehub.settings.environment import packaged_configuration

Overlay = Callable[[Any], Path]

HUSH = {"SITEHUB_SECRET_BILLING_INTEGRATION__AUTHENTICATION__API_KEY": "hush"}


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner(env={"SITEHUB_CONFIG": "", "SITEHUB_APP_ID": "", **environ}).invoke(check_config, arguments)


@pytest.fixture
def faulty(overlay: Overlay) -> str:
    return str(overlay({"kafka_confg": {}, "billing_integration": {"timeout": -1}}))


def test_a_good_configuration_is_printed_as_one_json_document_without_secrets() -> None:
    result = run(**HUSH)

    document = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    assert document["billing_integration"]["authentication"]["api_key"] == "***"
    assert document["billing_integration"]["max_in_flight"] == 64
    assert "hush" not in result.stdout


def test_with_json_a_good_configuration_is_printed_the_same() -> None:
    assert run("--json").stdout == run().stdout


def test_paths_are_laid_over_each_other(overlay: Overlay) -> None:
    result = run(str(packaged_configuration()), str(overlay({"api_name": "mine"})))

    assert json.loads(result.stdout)["api_name"] == "mine"


def test_without_paths_the_files_of_the_environment_are_checked(overlay: Overlay) -> None:
    result = run(SITEHUB_CONFIG=f"{packaged_configuration()}:{overlay({'api_name': 'mine'})}")

    assert json.loads(result.stdout)["api_name"] == "mine"


def test_every_mistake_is_a_line_on_stderr_and_the_exit_code_is_one(faulty: str) -> None:
    result = run(str(packaged_configuration()), faulty)

    lines = result.stderr.splitlines()
    assert (result.exit_code, result.stdout, len(lines)) == (1, "", 2)
    assert f"{faulty}: billing_integration.timeout: found -1, allowed: more than 0" in lines
    assert any(line.endswith("did you mean 'kafka_config'?") for line in lines)


def test_with_json_every_mistake_is_an_object_on_stdout(faulty: str) -> None:
    result = run("--json", str(packaged_configuration()), faulty)

    mistakes = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (1, "")
    assert {
        "file": faulty,
        "path": "billing_integration.timeout",
        "found": "-1",
        "allowed": "more than 0",
        "suggestion": None,
    } in mistakes
