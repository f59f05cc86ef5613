from pathlib import Path

from sitehub.engine.store import OFFSET_KEY, START, Position, Store


def test_rows_and_position_survive_a_clean_close(tmp_path: Path) -> None:
    store = Store(tmp_path / "sites-0")
    store.write([(b"a", b"1"), (OFFSET_KEY, b"7")], Position(42, 1000))
    store.close()

    again = Store(tmp_path / "sites-0")

    assert again.get([b"b", b"a"]) == [None, b"1"]
    assert (again.position, again.source_offset) == (Position(42, 1000), 7)


def test_a_none_deletes_the_row(tmp_path: Path) -> None:
    store = Store(tmp_path / "sites-0")
    store.write([(b"a", b"1")], Position(1, 1000))

    store.write([(b"a", None)], Position(2, 1000))

    assert store.get([b"a"]) == [None]


def test_reset_forgets_rows_and_position(tmp_path: Path) -> None:
    store = Store(tmp_path / "sites-0")
    store.write([(b"a", b"1"), (OFFSET_KEY, b"7")], Position(42, 1000))

    store.reset()

    assert (store.get([b"a"]), store.position, store.source_offset) == ([None], START, 0)


def test_a_corrupted_folder_is_rebuilt_from_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "sites-0")
    store.write([(b"a", b"1")], Position(42, 1000))
    store.close()
    (tmp_path / "sites-0" / "CURRENT").write_bytes(b"rubbish")

    again = Store(tmp_path / "sites-0")

    assert (again.get([b"a"]), again.position) == ([None], START)
