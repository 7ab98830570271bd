"""Networks from their publishers, checked by SHA-256."""

from __future__ import annotations

import hashlib
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

from earshot.errors import FetchFailed

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 1 << 16
TIMEOUT_S = 30


def mirrored(url: str, base: str | None) -> str:
    """Where a publisher's file is: under a mirror's ``base`` by its own name, if there is one."""
    return f"{base.rstrip('/')}/{url.rpartition('/')[2]}" if base else url


def download(url: str, sha256: str, progress: Callable[[int, int | None], None]) -> bytes:
    """The file at ``url``, if it has this SHA-256; raises FetchFailed.

    ``progress`` is told the bytes that are here, and how many there will be, if that is known.
    """
    content = bytearray()
    try:
        with urlopen(url, timeout=TIMEOUT_S) as answer:
            size = int(answer.headers["Content-Length"]) if answer.length is not None else None
            while block := answer.read(BLOCK):
                content += block
                progress(len(content), size)
    except HTTPError as error:
        # It is an answer too, and keeps its connection open.
        error.close()
        raise FetchFailed(
            f"{url} answers {error.code} {error.reason}. If it has moved, name another place by "
            "--url, or download it by hand and serve it from there."
        ) from error
    except (OSError, HTTPException, ValueError) as error:
        raise FetchFailed(
            f"{url} cannot be reached: {error}. Is there a way to the internet? A copy elsewhere "
            "is named by --url."
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise FetchFailed(
            f"{url} is another file than was meant, or was cut: {len(content)} bytes with SHA-256 "
            f"{found}, expected {sha256}. Nothing was kept."
        )
    return bytes(content)
