"""What is opened to be decoded, and whether a file holds what its own structure promises.

A decoder is content with the part of a file that it gets, so the containers have to be asked.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.recording import Samples

# RIFF sizes that a streaming writer leaves when it does not know the length.
_UNKNOWN_SIZES = (0, 0xFFFFFFFF, 0x7FFFFFFF)
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


def is_cut(data: bytes, kind: str) -> bool:
    """Whether a file of one of ``audio_format``'s kinds ends before its structure does.

    Not told for ``flac`` and ``mp3``, which have no sizes; ``mp4`` has a module of its own. A file
    that was streamed, without sizes or an end mark, may be cut between two packets unnoticed.
    """
    match kind:
        case "wav":
            return _is_wav_cut(data)
        case "ogg":
            return _is_ogg_cut(data)
        case "aac":
            return _is_adts_cut(data)
        case "webm":
            return _is_webm_cut(data)
    return False


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


def _is_wav_cut(data: bytes) -> bool:
    """Whether the ``data`` chunk of a RIFF file claims more bytes than the file holds."""
    order = ">" if data[:4] == b"RIFX" else "<"
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], struct.unpack_from(order + "I", data, at + 4)[0]
        if name == b"data":
            if data[:4] == b"RF64" and data[12:16] == b"ds64" and len(data) >= 36:
                # The 64-bit sizes: of the file, then of the data (EBU Tech 3306).
                size = struct.unpack_from("<Q", data, 28)[0]
            return size not in _UNKNOWN_SIZES and at + 8 + size > len(data)
        at += 8 + size + (size & 1)
    return True


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
