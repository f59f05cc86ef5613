"""RocksDB options from JSON, so that those of the engine are chosen by measurement.

Names: `write_buffer_mb` and `write_buffers` (of a store), `bloom_bits` (for a key), `block_cache_mb` (shared by
all stores of a worker), `compression` (none, snappy, lz4, zstd), `row_cache_mb` (the engine's own, of a store).
"""

import json
from collections.abc import Callable
from typing import Any

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options

from sitehub.engine import cache, store

NAMES = frozenset({"write_buffer_mb", "write_buffers", "bloom_bits", "block_cache_mb", "compression", "row_cache_mb"})


def maker(text: str) -> Callable[[], Options]:
    """What a store calls when it opens; the engine's own options where JSON names none. Raises ValueError."""
    wanted: dict[str, Any] = json.loads(text)
    if unknown := wanted.keys() - NAMES:
        raise ValueError(f"no such options: {sorted(unknown)}; there are {sorted(NAMES)}")
    if "row_cache_mb" in wanted:
        cache.RowCache.__init__.__defaults__ = (int(wanted["row_cache_mb"] * (1 << 20)),)
    make = store.database_options
    blocks = _blocks(wanted)

    def options() -> Options:
        made = make()
        if "write_buffer_mb" in wanted:
            made.set_write_buffer_size(int(wanted["write_buffer_mb"] * (1 << 20)))
        if "write_buffers" in wanted:
            made.set_max_write_buffer_number(wanted["write_buffers"])
        if "compression" in wanted:
            made.set_compression_type(getattr(DBCompressionType, wanted["compression"])())
        if blocks is not None:
            made.set_block_based_table_factory(blocks)
        return made

    return options


def _blocks(wanted: dict[str, Any]) -> BlockBasedOptions | None:
    if not wanted.keys() & {"bloom_bits", "block_cache_mb"}:
        return None
    blocks = BlockBasedOptions()
    if "bloom_bits" in wanted:
        blocks.set_bloom_filter(wanted["bloom_bits"], False)
    if "block_cache_mb" in wanted:
        blocks.set_block_cache(Cache(int(wanted["block_cache_mb"] * (1 << 20))))
    return blocks
