from pathlib import Path

from sitehub.engine.store import OFFSET_KEY, Store


def test_rows_and_position_survive_a_clean_close(tmp_path: Path) -> None:
    store = Store(tmp_path / "sites-0")
    store.write([(b"a", b"1"), (OFFSET_KEY, b"7")], 42)
    store.close()

    again = Store(tmp_path / "sites-0")

    assert again.get([b"b", b"a"]) == [None, b"1"]
    assert (again.position, again.source_offset) == (42, 7)


def test_a_none_deletes_the_row(tmp_path: Path) -> None:
    store = Store(tmp_path / "sites-0")
    store.write([(b"a", b"1")], 1)

    store.write([(b"a", None)], 2)

    assert store.get([b"a"]) == [None]


def test_reset_forgets_rows_and_position(tmp_path: Path) -> None:
    store = Store(tmp_path / "sites-0")
    store.write([(b"a", b"1"), (OFFSET_KEY, b"7")], 42)

    store.reset()

    assert (store.get([b"a"]), store.position, store.source_offset) == ([None], 0, 0)


def test_a_corrupted_folder_is_rebuilt_from_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "sites-0")
    store.write([(b"a", b"1")], 42)
    store.close()
    (tmp_path / "sites-0" / "CURRENT").write_bytes(b"rubbish")

    again = Store(tmp_path / "sites-0")

    assert (again.get([b"a"]), again.position) == ([None], 0)
