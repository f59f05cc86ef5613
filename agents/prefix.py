"""Which offset may be committed when records end out of order."""

from collections import deque


class Prefix:
    """Offsets in the order they were read; the commit may go up to the first that has not ended."""

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._ended: set[int] = set()
        self._next: int | None = None
        self.passed = 0
        """Offsets that the commit may go beyond, of those that were read."""

    def __len__(self) -> int:
        """Offsets from the first open one on."""
        return len(self._open)

    def begin(self, offset: int) -> None:
        """`offset` was read; offsets come in rising order."""
        self._open.append(offset)

    def end(self, offset: int) -> None:
        """Nothing more is to be done for `offset`."""
        self._ended.add(offset)
        while self._open and self._open[0] in self._ended:
            first = self._open.popleft()
            self._ended.remove(first)
            self._next = first + 1
            self.passed += 1

    @property
    def ahead(self) -> int:
        """Offsets that have ended behind one that has not."""
        return len(self._ended)

    @property
    def next_offset(self) -> int | None:
        """What to commit; None while nothing has ended."""
        return self._next
