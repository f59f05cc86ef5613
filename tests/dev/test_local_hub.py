"""Commands find the hub that runs in their folder."""

import stat
from pathlib import Path

from sitehub.dev.local_hub import adopt, leave, left


def test_what_is_set_already_stays_and_what_the_hub_left_is_added(tmp_path: Path) -> None:
    leave(tmp_path, {"url": "u", "environment": {"SITEHUB_CONFIG": "a:b", "SITEHUB_SECRET_X": "left"}})
    environ = {"SITEHUB_DATA": str(tmp_path), "SITEHUB_SECRET_X": "mine"}

    adopt(environ)

    assert environ == {"SITEHUB_DATA": str(tmp_path), "SITEHUB_SECRET_X": "mine", "SITEHUB_CONFIG": "a:b"}


def test_who_names_a_configuration_asks_another_hub(tmp_path: Path) -> None:
    leave(tmp_path, {"environment": {"SITEHUB_SECRET_X": "left"}})
    environ = {"SITEHUB_DATA": str(tmp_path), "SITEHUB_CONFIG": "mine.json"}

    adopt(environ)

    assert "SITEHUB_SECRET_X" not in environ


def test_where_no_hub_ran_nothing_is_added(tmp_path: Path) -> None:
    environ = {"SITEHUB_DATA": str(tmp_path)}
    for text in (None, "", "[]", "no json", '{"environment": 1}'):
        if text is not None:
            (tmp_path / "hub.json").write_text(text)
        adopt(environ)
    assert environ == {"SITEHUB_DATA": str(tmp_path)}


def test_only_its_owner_may_read_what_is_left(tmp_path: Path) -> None:
    leave(tmp_path, {})

    assert stat.S_IMODE((tmp_path / "hub.json").stat().st_mode) == 0o600
    assert left(tmp_path) == {}
