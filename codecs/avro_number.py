"""Avro's whole numbers: zigzag, then seven bits a byte, the lowest first (Avro 1.12, "Binary encoding")."""

MAX = 2**63 - 1
MIN = -(2**63)
CONTINUED = 0x80
"""The bit of a byte that says that more follow."""


def encode_number(number: int) -> bytes:
    """An int or long. Raises OverflowError beyond 64 bits."""
    if not MIN <= number <= MAX:
        raise OverflowError(f"{number} does not fit into 64 bits")
    rest = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while rest > 0x7F:  # noqa: PLR2004 -- what fits beside the bit that says "more"
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


def decode_number(value: bytes, at: int) -> tuple[int, int]:
    """The int or long at `at`, and where it ends. Raises IndexError if it is cut."""
    rest = shift = 0
    while True:
        byte = value[at]
        at += 1
        rest |= (byte & 0x7F) << shift
        if byte < CONTINUED:
            return (rest >> 1) ^ -(rest & 1), at
        shift += 7
