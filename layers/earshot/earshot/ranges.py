"""A file far away, whose bytes are fetched as they are read."""

from __future__ import annotations

import io
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

# S3 answers in some 30 ms: a megabyte takes no longer. Who reads on gets eight at once.
BLOCK = 1 << 20
AHEAD = 8
# Looking for a place in a FLAC file touches ten or so.
KEPT = 24


class RangedFile(io.RawIOBase):
    """A seekable binary file of ``size`` bytes over ``fetch(start, stop)``, in bounded memory.

    A read answers all that was asked for, unless the file ends, and raises what ``fetch`` does.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self._fetch = fetch
        self._size = size
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._next, self._ahead = 0, 1

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, also one after the end; raises ValueError for one before the start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"There is no byte {base + offset}.")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        """Fill a buffer; answers how many bytes there were."""
        target = memoryview(buffer).cast("B")
        wanted = max(min(len(target), self._size - self._at), 0)
        done = 0
        while done < wanted:
            number, start = divmod(self._at, BLOCK)
            some = self._block(number)[start : start + wanted - done]
            target[done : done + len(some)] = some
            done += len(some)
            self._at += len(some)
        return done

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            self._ahead = min(2 * self._ahead, AHEAD) if number == self._next else 1
            self._next = number + self._ahead
            start = number * BLOCK
            content = self._fetch(start, min(self._next * BLOCK, self._size))
            for place in range(0, len(content), BLOCK):
                self._blocks[number + place // BLOCK] = content[place : place + BLOCK]
            while len(self._blocks) > KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]
