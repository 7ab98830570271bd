"""Hostile audio files by number: ``mutant(seed)`` is one file, the same one each time.

The kinds that Earshot accepts, whole and small (``originals``), or made to claim what no recording
does (``claims.py``), are changed at random: bits, lengths, cuts, parts that go, come twice or
change places, splices of two kinds. Checksums and sizes are often put right again, so that a
change gets past the first check.
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable
from functools import cache

import numpy as np
import ogg
from claims import claims
from conftest import encode, sound
from media import FRAGMENTED, LIVE, film, record

# Numbers that lengths, counts and offsets go wrong at.
EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
WIDE_EDGES = (0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF, 1 << 40)
RATE = 16_000

# What the parts of a file start with: chunks, blocks, pages, frames, boxes, elements.
PARTS = {
    "wav": re.compile(rb"fmt |data|fact|ds64|LIST|PEAK"),
    "flac": re.compile(rb"fLaC|\xff[\xf8\xf9]"),
    "ogg": re.compile(rb"OggS"),
    "mp3": re.compile(rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]"),
    "mp4": re.compile(
        rb"[\x00-\xff]{4}(?=ftyp|moov|moof|mdat|mvhd|trak|tkhd|edts|elst|mdia|mdhd|hdlr|minf|smhd"
        rb"|stbl|stsd|stts|stsc|stsz|stco|esds|alac|dOps|mvex|trex|traf|tfhd|tfdt|trun|udta|free)"
    ),
    "aac": re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"),
    "webm": re.compile(
        rb"\x1a\x45\xdf\xa3|\x18\x53\x80\x67|\x1f\x43\xb6\x75|\x16\x54\xae\x6b|\x15\x49\xa9\x66"
        rb"|\x11\x4d\x9b\x74|\x1c\x53\xbb\x6b|\x63\xa2|\x56\xaa|\x56\xbb|\xa3(?=[\x40-\xff])|\xe1|\xae"
    ),
}  # fmt: skip


@cache
def originals() -> dict[str, bytes]:
    """A good file of each kind, coding and layout, by names that start with ``audio_format``'s."""
    mono = sound("gunshot")[:RATE]
    stereo = np.stack([mono, mono[::-1]], axis=1)
    pcm = (stereo * 32767).astype(np.int16)
    files = {
        f"wav {subtype}": encode(mono, RATE, "WAV", subtype)
        for subtype in (
            *("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
            *("ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32", "NMS_ADPCM_16"),
        )
    }
    little = bytearray(encode(mono, RATE, "WAV", "PCM_16"))
    return files | {
        "wav extensible": encode(stereo, RATE, "WAVEX", "PCM_24"),
        "wav eight channels": encode(np.tile(mono[:4000, None], 8), RATE, "WAV", "PCM_16"),
        "wav big-endian": _big_endian(bytes(little)),
        "wav 64-bit": encode(mono, RATE, "RF64", "PCM_16"),
        "flac": encode(mono, RATE, "FLAC", "PCM_16"),
        "flac 24": encode(stereo, RATE, "FLAC", "PCM_24"),
        "ogg vorbis": record(stereo, 48_000, "vorbis", "ogg"),
        "ogg opus": record(mono, RATE, "libopus", "ogg"),
        "ogg flac": record(pcm, RATE, "flac", "ogg", "s16"),
        "mp3": encode(stereo, RATE, "MP3"),
        "mp3 tagged": b"ID3\x04\0\0\0\0\x01\x00" + bytes(128) + encode(mono, RATE, "MP3"),
        "mp4 aac": record(mono, RATE, "aac", "ipod"),
        "mp4 aac fragmented": record(mono, RATE, "aac", "mp4", **FRAGMENTED),
        "mp4 alac": record(pcm, RATE, "alac", "ipod", "s16p"),
        "mp4 opus": record(stereo, 48_000, "libopus", "mp4"),
        "mp4 film": film(mono, RATE, "mp4", ("mpeg4", "aac")),
        "aac": record(stereo, RATE, "aac", "adts"),
        "webm opus": record(mono, 48_000, "libopus", "webm"),
        "webm opus live": record(stereo, 48_000, "libopus", "webm", **LIVE),
        "webm vorbis": record(stereo, 48_000, "vorbis", "webm", **LIVE),
        "webm film": film(mono, 48_000, "webm", ("libvpx", "libopus")),
    }


# Takes a second or two: number 0, and few others.
LARGEST = "flac of stereo silence at 96 kHz"


@cache
def _bases() -> tuple[dict[str, bytes], list[float]]:
    """What is changed, and how often each is taken."""
    claimed = claims(originals())
    weights = [1.0] * len(originals()) + [0.02 if name == LARGEST else 0.5 for name in claimed]
    return originals() | claimed, weights


def mutant(seed: int) -> tuple[str, bytes]:
    """The file with this number, and what it was made from."""
    chance = random.Random(seed)
    bases, weights = _bases()
    name = chance.choices(list(bases), weights)[0] if seed else LARGEST
    kind = name.split()[0]
    data = bytearray(bases[name])
    # A claim is hostile as it is.
    if not seed or (name not in originals() and chance.random() < 0.5):
        return name, bytes(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        chance.choice(CHANGES)(data, kind, chance)
        data = data or bytearray(b"R")
    if kind == "mp4" and chance.random() < 0.7:
        data = bytearray(_resized(bytes(data)))
    if kind == "ogg" and chance.random() < 0.8:
        ogg.checksum(data)
    return name, bytes(data)


def _bit(data: bytearray, kind: str, chance: random.Random) -> None:
    data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _number(data: bytearray, kind: str, chance: random.Random) -> None:
    """A number that lengths and counts go wrong at, or nearly the old one."""
    at, width = _place(data, chance), chance.choice((1, 2, 3, 4, 8))
    number = chance.choice(EDGES if width < 8 else EDGES + WIDE_EDGES)
    order = chance.choice(("little", "big"))
    if chance.random() < 0.3:
        number = int.from_bytes(data[at : at + width], order) + chance.choice((-1, 1, 2, 256))
    data[at : at + width] = (number % (1 << 8 * width)).to_bytes(width, order)


def _field(data: bytearray, kind: str, chance: random.Random) -> None:
    """The same in the head of a part, where a change has meaning."""
    start, stop = chance.choice(_parts(data, kind))
    at = min(start + chance.randrange(0, 40), stop - 1)
    width = chance.choice((1, 2, 4))
    number = chance.choice(EDGES) % (1 << 8 * width)
    data[at : at + width] = number.to_bytes(width, chance.choice(("little", "big")))


def _cut(data: bytearray, kind: str, chance: random.Random) -> None:
    del data[_place(data, chance) :]


def _cut_between(data: bytearray, kind: str, chance: random.Random) -> None:
    del data[chance.choice(_parts(data, kind))[0] :]


def _drop(data: bytearray, kind: str, chance: random.Random) -> None:
    start, stop = chance.choice(_parts(data, kind))
    del data[start:stop]


def _double(data: bytearray, kind: str, chance: random.Random) -> None:
    start, stop = chance.choice(_parts(data, kind))
    data[stop:stop] = data[start:stop] * chance.choice((1, 1, 2, 30))


def _swap(data: bytearray, kind: str, chance: random.Random) -> None:
    parts = _parts(data, kind)
    (a, b), (c, d) = sorted((chance.choice(parts), chance.choice(parts)))
    if b <= c:
        data[a:d] = data[c:d] + data[b:c] + data[a:b]


def _splice(data: bytearray, kind: str, chance: random.Random) -> None:
    """The start of this file and the end of another."""
    other = originals()[chance.choice(list(originals()))]
    data[_place(data, chance) :] = other[chance.randrange(len(other)) :]


def _nest(data: bytearray, kind: str, chance: random.Random) -> None:
    """Another whole file within this one."""
    at = chance.choice(_parts(data, kind))[0]
    data[at:at] = originals()[chance.choice(list(originals()))]


def _tail(data: bytearray, kind: str, chance: random.Random) -> None:
    data += chance.randbytes(chance.randrange(1, 5000))


def _zeros(data: bytearray, kind: str, chance: random.Random) -> None:
    at = _place(data, chance)
    data[at : at + chance.randrange(1, 400)] = bytes(chance.randrange(0, 800))


def _noise(data: bytearray, kind: str, chance: random.Random) -> None:
    at = _place(data, chance)
    size = chance.randrange(1, 60)
    data[at : at + size] = chance.randbytes(size)


CHANGES: tuple[Callable[[bytearray, str, random.Random], None], ...] = (
    *(_bit, _number, _number, _field, _field, _field, _cut, _cut_between, _drop, _double, _swap),
    *(_splice, _nest, _tail, _zeros, _noise, _noise),
)


def _place(data: bytearray, chance: random.Random) -> int:
    """Anywhere, but often in the first bytes, where headers are."""
    return chance.randrange(len(data) if chance.random() < 0.5 else min(len(data), 300))


def _parts(data: bytearray, kind: str) -> list[tuple[int, int]]:
    starts = [found.start() for found in PARTS[kind].finditer(data)] or [0]
    return list(zip(starts, [*starts[1:], len(data)], strict=True))


def _big_endian(wav: bytes) -> bytes:
    """A RIFX file of a 16-bit RIFF file whose header is 44 bytes long."""
    numbers = struct.unpack("<4sI4s4sIHHIIHH4sI", wav[:44])
    head = struct.pack(">4sI4s4sIHHIIHH4sI", b"RIFX", *numbers[1:])
    return head + np.frombuffer(wav[44:], dtype="<i2").astype(">i2").tobytes()


BOXES_AROUND_BOXES = (
    b"moov",
    b"trak",
    b"edts",
    b"mdia",
    b"minf",
    b"stbl",
    b"mvex",
    b"moof",
    b"traf",
)


def _resized(data: bytes, depth: int = 0) -> bytes:
    """An MP4 file with the sizes of boxes around boxes put right, as far as they make sense."""
    made, at = b"", 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            break
        body = data[at + 8 : at + size]
        if kind in BOXES_AROUND_BOXES and depth < 20:
            # What was inserted may have pushed the last of its boxes out.
            body = _resized(body, depth + 1)
        made += struct.pack(">I4s", len(body) + 8, kind) + body
        at += size
    return made + data[at:]
