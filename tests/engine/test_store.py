from pathlib import Path

import pytest

from sitehub.engine.store import OFFSET_KEY, START, CorruptedStoreError, Position, Store


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


def test_a_block_that_rotted_on_disk_is_noticed_and_nothing_is_trusted_any_more(tmp_path: Path) -> None:
    store = Store(tmp_path / "t")
    keys = [b"key-%05d" % number for number in range(2000)]
    store.write([(key, key * 20) for key in keys], Position(2000, 1))
    store.close()
    table = max((tmp_path / "t").glob("*.sst"), key=lambda path: path.stat().st_size)
    with table.open("r+b") as file:
        file.seek(table.stat().st_size // 3)
        file.write(b"rot" * 100)

    again = Store(tmp_path / "t")
    with pytest.raises(CorruptedStoreError, match=r"[Cc]orruption"):
        again.get(keys)
    with pytest.raises(CorruptedStoreError, match="not rebuilt yet"):
        again.write([(b"key", b"value")], Position(2001, 2))

    again.reset()
    assert (again.position, again.get(keys[:1])) == (START, [None])
    again.close()
