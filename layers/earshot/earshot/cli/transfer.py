"""One file to the bucket by what the API permits: a form, or parts that may be resumed."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from earshot.cli.client import TRIES
from earshot.errors import StorageRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from pathlib import Path
    from threading import Event

    import httpx2
    from _typeshed import WriteableBuffer

    from earshot.cli.client import Api
    from earshot.cli.files import Item

HASH_BYTES = 1 << 20
BUFFER_BYTES = 1 << 16
# What S3 answers at an address whose time is up.
FORBIDDEN = 403


class Stopped(Exception):
    """The upload was interrupted; what is stored stays."""


@dataclass(frozen=True)
class Sent:
    """A file that is in the bucket; ``there`` when it was before."""

    key: str
    state: Literal["sent", "there"]


@dataclass(frozen=True)
class Pending:
    """A file that is sent in parts: what the API said of them."""

    sha256: str
    grant: dict[str, Any]


class Slice(io.RawIOBase):
    """A stretch of a file, from ``start``, ``size`` bytes long, to be read by httpx2.

    ``moved`` is told of bytes that are read for the first time: another try counts nothing twice.
    Reading raises Stopped once ``stop`` is set, and OSError when the file has become shorter.
    """

    def __init__(
        self, path: Path, start: int, size: int, moved: Callable[[int], None], stop: Event
    ) -> None:
        self._file = path.open("rb")
        self._start, self._size, self._moved, self._stop = start, size, moved, stop
        self._here = self._counted = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place in the stretch."""
        self._here = (
            offset
            + {
                os.SEEK_SET: 0,
                os.SEEK_CUR: self._here,
                os.SEEK_END: self._size,
            }[whence]
        )
        return self._here

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer with what is left, as far as it goes."""
        if self._stop.is_set():
            raise Stopped
        room = memoryview(buffer).cast("B")[: max(0, self._size - self._here)]
        self._file.seek(self._start + self._here)
        read = self._file.readinto(room)
        if room and not read:
            raise OSError(errno.EIO, "it became shorter while it was sent")
        self._here += read
        if self._here > self._counted:
            self._moved(self._here - self._counted)
            self._counted = self._here
        return read

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


@dataclass(frozen=True)
class Transfer:
    """Sends files; ``moved`` is told of bytes that are in the bucket or on their way there."""

    api: Api
    moved: Callable[[int], None]

    def begin(self, item: Item) -> Sent | Pending:
        """Send a file, unless it is there or goes in parts.

        Raises ApiFailed, OSError when the file cannot be read, or Stopped.
        """
        sha256 = self._sha256(item)
        grant = self._ask(item, sha256)
        if grant["state"] == "stored":
            self.moved(item.size)
            return Sent(grant["key"], "there")
        if grant["method"] == "parts":
            return Pending(sha256, grant)
        with self._slice(item, 0, item.size) as content:

            def send(client: httpx2.Client) -> httpx2.Response:
                files = {"file": (item.path.name, content)}
                return client.post(grant["url"], data=grant["fields"], files=files)

            self.api.store(send)
        return Sent(grant["key"], "sent")

    def finish(self, item: Item, pending: Pending, pool: Executor) -> Sent:
        """Send the parts that are not there, then have them put together.

        Addresses run out, so those for the rest are asked for again while that helps. Raises
        ApiFailed, OSError or Stopped.
        """
        grant = pending.grant
        self.moved(sum(part["size"] for part in grant["parts"] if part["stored"]))
        while True:
            refusals: list[StorageRefused] = []
            under_way = [
                pool.submit(self._send_part, item, part, refusals)
                for part in grant["parts"]
                if not part["stored"]
            ]
            was_sent = [done.result() for done in under_way]
            if not refusals:
                break
            if not any(was_sent) or any(one.status != FORBIDDEN for one in refusals):
                raise refusals[0]
            grant = self._ask(item, pending.sha256)
        self.api.ask(
            "POST",
            f"/uploads/{quote(grant['upload_id'], safe='')}/complete",
            tries=TRIES,
            json={"key": grant["key"], "size": item.size},
        )
        return Sent(grant["key"], "sent")

    def _send_part(self, item: Item, part: dict[str, Any], refusals: list[StorageRefused]) -> bool:
        """Put one part, unless another was refused meanwhile; says whether it was sent."""
        if refusals:
            return False
        with self._slice(item, part["start"], part["size"]) as content:

            def send(client: httpx2.Client) -> httpx2.Response:
                content.seek(0)
                return client.put(part["url"], content=content)

            try:
                self.api.store(send)
            except StorageRefused as refusal:
                refusals.append(refusal)
                return False
        return True

    def _ask(self, item: Item, sha256: str) -> dict[str, Any]:
        wish = {
            "kind": item.kind,
            "name": item.path.name,
            "size": item.size,
            "sha256": sha256,
            "label": item.label,
            "recording": item.recording,
            "site": item.site,
        }
        given = {name: value for name, value in wish.items() if value is not None}
        answer: dict[str, Any] = self.api.ask("POST", "/uploads", tries=TRIES, json=given)
        return answer

    def _slice(self, item: Item, start: int, size: int) -> io.BufferedReader:
        stretch = Slice(item.path, start, size, self.moved, self.api.stop)
        return io.BufferedReader(stretch, BUFFER_BYTES)

    def _sha256(self, item: Item) -> str:
        """Of the file's bytes, in hex."""
        digest = hashlib.sha256()
        with item.path.open("rb") as file:
            while chunk := file.read(HASH_BYTES):
                if self.api.stop.is_set():
                    raise Stopped
                digest.update(chunk)
        return digest.hexdigest()
