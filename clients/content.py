"""What a target packs unasked, unpacked."""

import zlib

from sitehub.clients.http1 import Response

GZIP, ZLIB, BARE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
WINDOWS = {"gzip": (GZIP,), "x-gzip": (GZIP,), "deflate": (ZLIB, BARE)}
"""How zlib unpacks an encoding: deflate comes with the head that RFC 9110 §8.4.1.2 asks for, and without."""


def content(response: Response, most_bytes: int) -> bytes:
    """At most so much of the beginning of a body; what is not packed as it says is left as it came."""
    packing = response.headers.get("content-encoding", "").strip().lower()
    for window in WINDOWS.get(packing, ()):
        try:
            return zlib.decompressobj(window).decompress(response.body, most_bytes)
        except zlib.error:
            continue
    return response.body[:most_bytes]
