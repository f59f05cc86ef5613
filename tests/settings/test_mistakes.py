import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sitehub.settings import Mistake

Mistakes = Callable[..., list[Mistake]]

RULE = {
    "trigger": "site_updated",
    "action": "tell",
    "endpoint": "/customers/{{site_id}}",
    "method": "PUT",
    "data_template": {"name": "{{site_name}}"},
}
CASES = json.loads(Path(__file__).with_name("mistakes.json").read_text(encoding="utf-8"))
"""What is wrong, the overlay that makes it so, and the mistake."""


@pytest.mark.parametrize("case", [pytest.param(case, id=case["wrong"]) for case in CASES])
def test_a_mistake_says_where_it_is_what_is_there_what_may_be_there_and_what_was_meant(
    mistakes: Mistakes, case: dict[str, Any]
) -> None:
    here = [mistake for mistake in mistakes(case["overlay"]) if mistake.path == case["path"]]

    assert len(here) == 1, here
    assert here[0].file.endswith("overlay-0.json")
    assert case["found"] in here[0].found
    assert "hush" not in str(here[0])
    assert case["allowed"] in here[0].allowed
    assert here[0].suggestion == case.get("suggestion")


def test_all_mistakes_of_all_files_are_told_at_once(mistakes: Mistakes) -> None:
    apart = [case for case in CASES if len(case["overlay"]) == 1 and case["path"] not in case["overlay"]]
    by_block = {next(iter(case["overlay"])): case for case in apart}

    told = {mistake.path for mistake in mistakes(*(case["overlay"] for case in by_block.values()))}

    assert len(by_block) > 12
    assert told >= {case["path"] for case in by_block.values()}


def test_mistakes_between_blocks_are_told_beside_mistakes_of_form_in_the_same_rule(mistakes: Mistakes) -> None:
    rule = RULE | {"trigger": "t", "method": "PUSH", "aktion": "a", "endpoint": "/{{nothing}}"}

    told = {
        mistake.path.removeprefix("realtime_sync_rules.0.") for mistake in mistakes({"realtime_sync_rules": [rule]})
    }

    assert told == {"trigger", "method", "aktion", "endpoint"}


def test_a_mistake_names_the_file_that_made_it(mistakes: Mistakes) -> None:
    told = mistakes({"billing_integration": {"timeout": 0}}, {"forecasting_integration": {"timeout": 0}})

    assert {mistake.path: Path(mistake.file).name for mistake in told} == {
        "billing_integration.timeout": "overlay-0.json",
        "forecasting_integration.timeout": "overlay-1.json",
    }


def test_no_mistake_shows_a_secret(mistakes: Mistakes) -> None:
    told = mistakes(
        {
            "billing_integration": {"authentication": {"api_key": 8675309, "typ": "x"}},
            "notification_channels": {"email": [{"password": "8675309"}]},
            "database_config": {
                "primary": {"password": ["8675309"]},
                "read_replica": {"password": {"is": "8675309"}},
            },
        }
    )

    assert {mistake.path for mistake in told} >= {
        "billing_integration.authentication.api_key",
        "database_config.primary.password",
    }
    assert "8675309" not in json.dumps([str(mistake) for mistake in told])


def test_a_number_too_big_to_be_one_is_a_mistake(mistakes: Mistakes) -> None:
    (mistake,) = mistakes('{"billing_integration": {"retry_policy": {"initial_delay": 1e400}}}')

    assert (mistake.path, mistake.allowed) == ("billing_integration.retry_policy.initial_delay", "a finite number")
