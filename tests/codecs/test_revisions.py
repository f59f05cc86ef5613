"""The rules that a partition's table records."""

from typing import Any

import pytest

from sitehub.codecs.revisions import UnknownRevisionError, decode_revision, encode_revision
from sitehub.rules.mapping import Mapping, MappingEntry
from sitehub.rules.sync import SyncRule, SyncRules
from sitehub.rules.transformations import TRANSFORMATIONS


def shout(value: Any) -> Any:
    return str(value).upper()


RULES = SyncRules(
    [SyncRule("site_updated", "update", "/c/{{site_id}}", "PUT", {"n": "{{loud}}"}, None, "crm")],
    {"crm": Mapping([MappingEntry("name", "loud", "shout")], {"shout": shout})},
    "c0ffee",
)


def test_rules_come_back_as_they_were() -> None:
    again = decode_revision(encode_revision(RULES), {"shout": shout})

    assert (again.config_id, again.rules, again.targets) == ("c0ffee", RULES.rules, {"crm"})
    assert again.mappings["crm"].entries == RULES.mappings["crm"].entries


def test_a_transformation_that_is_not_installed_any_more_is_told_with_its_configuration() -> None:
    with pytest.raises(UnknownRevisionError, match="configuration c0ffee needs 'shout'"):
        decode_revision(encode_revision(RULES), TRANSFORMATIONS)
