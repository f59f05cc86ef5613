from hypothesis import given
from hypothesis import strategies as st

from sitehub.engine.cache import RowCache

rows = st.lists(st.tuples(st.binary(max_size=2), st.none() | st.binary(max_size=40)), max_size=60)


@given(steps=st.lists(rows, max_size=20), asked=st.lists(st.binary(max_size=2), max_size=20))
def test_a_cache_of_any_size_answers_as_the_table_does(
    steps: list[list[tuple[bytes, bytes | None]]], asked: list[bytes]
) -> None:
    table: dict[bytes, bytes | None] = {}
    cache = RowCache(limit_bytes=100)
    for step in steps:
        table.update(step)
        cache.put(step)
        assert cache.get(asked, lambda keys: [table.get(key) for key in keys]) == [table.get(key) for key in asked]


def test_what_was_read_is_not_read_again() -> None:
    cache, reads = RowCache(), list[list[bytes]]()

    def read(keys: list[bytes]) -> list[bytes | None]:
        reads.append(keys)
        return [None for _ in keys]

    cache.get([b"a", b"b"], read)
    cache.get([b"b", b"c"], read)

    assert reads == [[b"a", b"b"], [b"c"]]
