"""Long recordings that take no room on a disk: headers, and holes that read as silence."""

from __future__ import annotations

import struct
from pathlib import Path

_PCM_16 = 1, 1
_W64 = {
    name: name + bytes.fromhex("f3acd3118cd100c04f8edb8a") for name in (b"wave", b"fmt ", b"data")
}


def write(path: Path, container: str, rate: int, frames: int) -> None:
    """Silence in mono, 16 bits, as RIFF, RF64 or W64."""
    size = 2 * frames
    form = struct.pack("<HHIIHH", *_PCM_16, rate, 2 * rate, 2, 16)
    match container:
        case "RIFF":
            head = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + struct.pack("<I", 16)
            head += form + b"data" + struct.pack("<I", size)
        case "RF64":
            head = b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack(
                "<IQQQI", 28, 72 + size, size, frames, 0
            )
            head += b"fmt " + struct.pack("<I", 16) + form + b"data\xff\xff\xff\xff"
        case "W64":
            head = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0"
            head += struct.pack("<Q", 104 + size) + _W64[b"wave"]
            head += _W64[b"fmt "] + struct.pack("<Q", 40) + form
            head += _W64[b"data"] + struct.pack("<Q", 24 + size)
        case _:
            raise ValueError(container)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)


def place(path: Path, rate: int, samples: bytes, before_end_s: float) -> None:
    """Put a sound's bytes into such a file, so many seconds before its end."""
    with path.open("r+b") as file:
        file.seek(-2 * round(before_end_s * rate), 2)
        file.write(samples)
