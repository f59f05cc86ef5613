import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from sitehub.engine import store as store_module
from sitehub.engine.store import OFFSET_KEY, START, CorruptedStoreError, Position, Store, database_options


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


KEYS = [b"key-%05d" % number for number in range(20_000)]


@pytest.mark.parametrize("part", [0.0, 0.5, 0.9, 0.975, 0.998, 0.9999], ids="{:.2%}".format)
@pytest.mark.parametrize("kind", ["*.sst", "MANIFEST-*", "CURRENT"])
def test_wherever_a_file_rotted_it_is_noticed_at_the_open_or_at_a_read(tmp_path: Path, kind: str, part: float) -> None:
    store = Store(tmp_path / "blocks-0")
    store.write([(key, key * 20) for key in KEYS], Position(20_000, 1))
    store.close()
    file = max((tmp_path / "blocks-0").glob(kind), key=lambda path: path.stat().st_size)
    with file.open("r+b") as opened:
        opened.seek(int(file.stat().st_size * part))
        opened.write(b"rot" * 5)

    again = Store(tmp_path / "blocks-0")
    try:
        found = (again.position, again.get(KEYS))
    except CorruptedStoreError:
        again.reset()
        found = (again.position, again.get(KEYS))

    assert found == (START, [None] * len(KEYS))


def test_a_store_that_somebody_else_has_open_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "sites-0")
    store.write([(b"a", b"1")], Position(42, 1000))

    opens = "import sys; from pathlib import Path; from sitehub.engine.store import Store; Store(Path(sys.argv[1]))"
    line = [sys.executable, "-c", opens, str(tmp_path / "sites-0")]
    another = subprocess.run(line, capture_output=True, text=True, check=False)
    with pytest.raises(Exception, match="lock hold by current process"):
        Store(tmp_path / "sites-0")

    assert "While lock file" in another.stderr
    store.close()
    assert Store(tmp_path / "sites-0").get([b"a"]) == [b"1"]


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


def test_a_store_whose_disk_was_full_takes_rows_again_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = database_options()
    options.set_write_buffer_size(1 << 16)  # so that it soon goes to the disk
    monkeypatch.setattr(store_module, "database_options", lambda: options)
    store = Store(tmp_path / "sites-0")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(Exception, match="File too large"):
            write_much(store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(Exception, match="File too large"):
        store.write([(b"a", b"1")], Position(1_001, 1))

    store.mend()
    behind = store.position
    store.write([(b"a", b"1")], Position(1_001, 1))

    assert behind.offset < 1_000
    assert store.get([b"a"]) == [b"1"]
    store.close()


def write_much(store: Store) -> None:
    for number in range(1_000):
        store.write([(b"%d" % row, os.urandom(400)) for row in range(500)], Position(number + 1, 1))
