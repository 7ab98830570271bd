"""What is opened to be decoded, and whether a file holds what its own structure promises.

A decoder is content with the part of a file that it gets, so the containers have to be asked.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.recording import Samples

# RIFF sizes that a streaming writer leaves when it does not know the length; the last is SoX's.
_UNTOLD = 0xFFFFFFFF
_UNKNOWN_SIZES = (0, _UNTOLD, (1 << 64) - 1, 0x7FFFFFFF, 0x7FFFF000)
# More than any recorder writes; a file of nothing but chunks would take hours to walk.
_MOST_CHUNKS = 4096
# The largest page there is: 27 bytes, 255 segment sizes and 255 segments of 255 bytes.
_OGG_PAGE = 27 + 255 + 255 * 255
# Matroska's elements that hold the sound (RFC 9559): the segment, and the clusters in it.
_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675


@dataclass(frozen=True)
class Track:
    """The sound of an opened file.

    ``promised`` is its length in samples by its own header, 0 when that does not say. ``blocks``
    decodes as it is read: float32 ``[n, channels]``, full scale ±1.
    """

    sample_rate: int
    channels: int
    promised: int
    blocks: Iterator[Samples]


@dataclass(frozen=True)
class Chunk:
    """A piece of a WAV or W64: its name, where its content starts, and its size as claimed.

    The claim is at ``size_at``; ``layout`` is its own, in struct's terms, and ``counted`` what it
    counts of the header.
    """

    name: bytes
    body: int
    size: int
    size_at: int
    layout: str
    counted: int = 0


def is_cut(file: BinaryIO, kind: str) -> bool:
    """Whether a file of one of ``file_format``'s kinds ends before its structure does.

    Not told for ``flac`` and ``mp3``, which have no sizes; ``mp4`` has a module of its own. A file
    that was streamed, without sizes or an end mark, may be cut between two packets unnoticed.
    Of ``aac`` and ``webm`` all is read.
    """
    match kind:
        case "wav" | "w64":
            return _is_wave_cut(file, kind)
        case "ogg":
            return _is_ogg_cut(_last(file, 2 * _OGG_PAGE))
        case "aac":
            return _is_adts_cut(_all(file))
        case "webm":
            return _is_webm_cut(_all(file))
    return False


def amendment(file: BinaryIO, kind: str) -> tuple[int, bytes] | None:
    """What a header lacks that was never finished: where it is to say what, or None.

    A recorder writes a 0 for the length and fills it in at the end, unless its battery dies.
    libsndfile takes a WAV at its word then, and cannot seek in a FLAC.
    """
    if kind == "flac":
        # STREAMINFO's count of samples, 36 bits (RFC 9639, section 8.2).
        file.seek(21)
        count = file.read(5)
        if len(count) == 5 and not count[0] & 0x0F and not any(count[1:]):
            return 21, bytes([count[0] | 0x0F]) + b"\xff" * 4
    if kind in ("wav", "w64"):
        data = _find_data(file, kind)
        left = _size(file) - data.body if data else 0
        if data and data.size in _UNKNOWN_SIZES and left > 0:
            left = min(left, (1 << 8 * struct.calcsize(data.layout)) - 1)
            return data.size_at, struct.pack(data.layout, left + data.counted)
    return None


def chunks(file: BinaryIO, kind: str) -> Iterator[Chunk]:
    """The chunks of a WAV (RIFF, RIFX, RF64) or W64, from header to header, to the file's end.

    What follows sound of an unknown size is not found, nor what follows a size that cannot be.
    """
    end = _size(file)
    file.seek(0)
    mark = file.read(4)
    at, id_size, layout = 12, 4, ">I" if mark == b"RIFX" else "<I"
    if kind == "w64":
        at, id_size, layout = 40, 16, "<Q"
    header = id_size + struct.calcsize(layout)
    counted = header if kind == "w64" else 0
    long: Chunk | None = None
    for _ in range(_MOST_CHUNKS):
        # No file can seek as far as 64 bits can claim.
        if at + header > end:
            return
        file.seek(at)
        head = file.read(header + 16)
        name, body = head[:4], at + header
        size = struct.unpack_from(layout, head, id_size)[0] - counted
        if long and name == b"data" and size == _UNTOLD:
            chunk = replace(long, name=name, body=body)
        else:
            chunk = Chunk(name, body, max(0, size), at + id_size, layout, counted)
        yield chunk
        if size < 0 or (name == b"data" and chunk.size in _UNKNOWN_SIZES):
            return
        if mark == b"RF64" and name == b"ds64" and len(head) >= header + 16:
            # The 64-bit sizes: of the file, then of the data (EBU Tech 3306).
            claimed = struct.unpack_from("<Q", head, header + 8)[0]
            long = Chunk(name, body, claimed, body + 8, "<Q")
        # W64's chunks start at multiples of 8 bytes, RIFF's at even ones.
        at = body + chunk.size + (-chunk.size % (8 if kind == "w64" else 2))


def is_ogg_flac(file: BinaryIO) -> bool:
    """Whether an Ogg file's first packet is FLAC's."""
    file.seek(28)
    return file.read(5) == b"\x7fFLAC"


def id3_size(data: bytes) -> int:
    """How many bytes an ID3v2 tag takes at the start of a file (id3.org, ID3v2.4, section 3.1)."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if data[5] & 0x10 else 0)


def is_adts(head: bytes) -> bool:
    """Whether an ADTS frame of AAC starts here: twelve set bits, and the layer bits 00."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0


def _size(file: BinaryIO) -> int:
    return file.seek(0, io.SEEK_END)


def _last(file: BinaryIO, size: int) -> bytes:
    file.seek(max(0, _size(file) - size))
    return file.read()


def _all(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def _find_data(file: BinaryIO, kind: str) -> Chunk | None:
    """The sound of a WAV or W64; None when there is none."""
    return next((chunk for chunk in chunks(file, kind) if chunk.name == b"data"), None)


def _is_wave_cut(file: BinaryIO, kind: str) -> bool:
    """Whether the sound claims more bytes than the file holds."""
    data = _find_data(file, kind)
    if data is None:
        return True
    return data.size not in _UNKNOWN_SIZES and data.body + data.size > _size(file)


def _is_ogg_cut(data: bytes) -> bool:
    """Whether the last Ogg page lacks its end or the end-of-stream flag (RFC 3533, section 6)."""
    last = data.rfind(b"OggS")
    if last + 27 > len(data):
        return True
    segments = data[last + 27 : last + 27 + data[last + 26]]
    whole = last + 27 + data[last + 26] + sum(segments) <= len(data)
    return not (whole and data[last + 5] & 0x04)


def _is_adts_cut(data: bytes) -> bool:
    """Whether the last ADTS frame claims more bytes than are left (ISO/IEC 13818-7, 6.2)."""
    at = id3_size(data)
    while is_adts(data[at : at + 2]):
        if at + 7 > len(data):
            return True
        size = (data[at + 3] & 0x03) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        if size < 7:
            return False
        at += size
    return at > len(data)


def _is_webm_cut(data: bytes) -> bool:
    """Whether the segment, a cluster or what they hold claims more bytes than are left."""
    at = 0
    while at < len(data):
        name_size = 9 - data[at].bit_length()
        sized = at + name_size
        if name_size > 4:
            return False
        if sized >= len(data):
            return True
        width = 9 - data[sized].bit_length()
        body = sized + width
        if width > 8:
            return False
        if body > len(data):
            return True
        unknown = (1 << 7 * width) - 1
        size = int.from_bytes(data[sized:body]) & unknown
        name = int.from_bytes(data[at:sized])
        if size != unknown and body + size > len(data):
            return True
        at = body if name in (_SEGMENT, _CLUSTER) else body + size
    return False
