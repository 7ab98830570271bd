"""Small files that claim, or unpack to, what no recording holds."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import ogg
import soundfile


def claims(files: dict[str, bytes]) -> dict[str, bytes]:
    """Such files by names that start with ``audio_format``'s, made from good ones."""
    wav, flac = files["wav PCM_16"], files["flac"]
    opus, mp4, live = files["ogg opus"], files["mp4 aac"], files["webm opus live"]
    return {
        "wav at 4 GHz": patched(wav, wav.index(b"fmt ") + 12, "<I", 4_000_000_000),
        "wav of 500 channels": patched(wav, wav.index(b"fmt ") + 10, "<H", 500),
        "wav of 1024 channels": patched(wav, wav.index(b"fmt ") + 10, "<HIIH", 1024, 8000, 0, 2048),
        "wav of 4 GB": patched(wav, wav.index(b"data") + 4, "<I", 0xFFFFFFF0),
        "wav of 0 bits": patched(wav, wav.index(b"fmt ") + 20, "<HH", 0, 0),
        "wav adpcm blocks": patched(
            files["wav MS_ADPCM"],
            *(files["wav MS_ADPCM"].index(b"fmt ") + 20, "<HHHH", 0xFFFF, 4, 4, 0xFFFF),
        ),
        "wav of floats": _floats(3.4e38),
        "wav of 16 EB": patched(
            files["wav 64-bit"],
            *(files["wav 64-bit"].index(b"ds64") + 8, "<QQQ", 1 << 60, 1 << 60, 1 << 60),
        ),
        "flac of 49 days": patched(flac, 21, ">BI", flac[21] | 0x0F, 0xFFFFFFFF),
        "flac of no known length": patched(flac, 21, ">BI", flac[21] & 0xF0, 0),
        "flac of silence": silence(4_000, 599),
        "flac of too much silence": silence(4_000, 601),
        "flac of stereo silence at 96 kHz": silence(96_000, 600, 2),
        "flac of silence, length unknown": patched(
            silence(8_000, 1200), 21, ">BI", silence(8_000, 1)[21] & 0xF0, 0
        ),
        "mp3 with a tag of 256 MB": b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + files["mp3"],
        "mp3 with nothing but a tag": b"ID3\x04\0\0\0\0\0\x0a" + bytes(10),
        "mp3 with frames of a tag": b"ID3\x03\0\0\0\x01\0\0" + b"TXXX\x7f\xff\xff\xff" * 1400,
        "aac behind a tag": b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + files["aac"],
        "aac of empty frames": b"\xff\xf1\x60\x40\0\xff\xfc" * 20_000,
        "ogg of wild granules": _granules(opus, 0x7FFFFFFFFFFFFFFF),
        "ogg of negative granules": _granules(opus, 0xFFFFFFFFFFFFFFF0),
        "ogg vorbis of wild granules": _granules(files["ogg vorbis"], 0x7FFFFFFFFFFFFFFF),
        "ogg of no end": opus[: opus.rfind(b"OggS")],
        "mp4 of hours": _hours(files["mp4 alac"]),
        "mp4 of 4 billion packets": patched(mp4, mp4.index(b"stsz") + 8, ">II", 1, 0xFFFFFFFF),
        "mp4 of a million packets": patched(mp4, mp4.index(b"stsz") + 8, ">II", 1, 1 << 20),
        "mp4 of long chunks": _table(mp4, b"stsc", struct.pack(">IIII", 1, 1, 1 << 20, 1)),
        "mp4 of one-sample packets": _table(mp4, b"stts", struct.pack(">III", 1, 1 << 20, 1)),
        "mp4 with many edits": _table(
            mp4, b"elst", struct.pack(">I", 5000) + struct.pack(">IIHH", 1000, 0, 1, 0) * 5000
        ),
        "mp4 with a packed index": _packed_index(mp4),
        "mp4 of boxes in boxes": mp4[:28] + _nested(b"moov", 5000) + mp4[28:],
        "mp4 of tracks": _many_tracks(mp4, 2000),
        "webm of elements in elements": live[:40] + b"\xae\x01\xff\xff\xff\xff\xff\xff\xff" * 5000,
        "webm of empty elements": live + b"\xec\x80" * 100_000,
        "webm with packed blocks": _packed_blocks(live),
        "webm of a huge block": live + b"\xa3\x08\x7f\xff\xff\xff\x81\0\0\x80",
        "webm of laces": live + b"\xa3\x40\xff\x81\0\0\x84\xff" + bytes(250),
    }


def patched(data: bytes, at: int, layout: str, *numbers: int) -> bytes:
    """The file with numbers written over what is at a place."""
    changed = bytearray(data)
    struct.pack_into(layout, changed, at, *numbers)
    return bytes(changed)


def silence(rate: int, duration_s: int, channels: int = 1) -> bytes:
    """A FLAC file that unpacks a thousandfold."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, channels, "PCM_16", format="FLAC") as writer:
        for _ in range(duration_s):
            writer.write(np.zeros((rate, channels), dtype=np.int16))
    return file.getvalue()


def _floats(value: float) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.full((4000, 3), value), 8000, "DOUBLE", format="WAV")
    return file.getvalue()


def _granules(file: bytes, granule: int) -> bytes:
    """Every page but the first ends at this sample."""
    changed, at = bytearray(file), 0
    while (at := file.find(b"OggS", at)) >= 0:
        if at > 100:
            struct.pack_into("<Q", changed, at + 6, granule)
        at += 4
    ogg.checksum(changed)
    return bytes(changed)


def _table(mp4: bytes, kind: bytes, entries: bytes) -> bytes:
    """The file with other entries in a table; sizes around it are put right."""
    at = mp4.index(kind) - 4
    size = struct.unpack_from(">I", mp4, at)[0]
    return _grown(mp4, at, size, struct.pack(">I4sI", 12 + len(entries), kind, 0) + entries)


def _grown(mp4: bytes, at: int, size: int, box: bytes) -> bytes:
    """Replace a box within ``moov``, which is the last of the file."""
    changed = bytearray(mp4[:at] + box + mp4[at + size :])
    for around in (b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl"):
        place = mp4.index(around) - 4
        if place < at < place + struct.unpack_from(">I", mp4, place)[0]:
            old = struct.unpack_from(">I", mp4, place)[0]
            struct.pack_into(">I", changed, place, old + len(box) - size)
    return bytes(changed)


def _hours(mp4: bytes) -> bytes:
    """The duration of the media and of its packets, in samples, and no edits of them."""
    claimed = _table(mp4, b"stts", struct.pack(">III", 1, 4, 1 << 29)).replace(b"edts", b"free")
    return patched(claimed, claimed.index(b"mdhd") + 20, ">I", 0x7FFFFFFF)


def _packed_index(mp4: bytes) -> bytes:
    """A compressed index (cmov) of 50 MB of zeros."""
    at = mp4.index(b"moov") - 4
    packed = zlib.compress(bytes(50_000_000), 9)
    body = struct.pack(">I4s4s", 12, b"dcom", b"zlib")
    body += struct.pack(">I4sI", 12 + len(packed), b"cmvd", 50_000_000) + packed
    cmov = struct.pack(">I4s", 8 + len(body), b"cmov") + body
    return mp4[:at] + struct.pack(">I4s", 8 + len(cmov), b"moov") + cmov


def _nested(kind: bytes, depth: int) -> bytes:
    return b"".join(struct.pack(">I4s", 8 * (depth - n), kind) for n in range(depth))


def _many_tracks(mp4: bytes, count: int) -> bytes:
    at = mp4.index(b"trak") - 4
    size = struct.unpack_from(">I", mp4, at)[0]
    return _grown(mp4, at, size, mp4[at : at + size] * count)


def _packed_blocks(live: bytes) -> bytes:
    """A track whose blocks are said to be packed by zlib, and one that unpacks to 9 MB."""
    cluster = live.index(b"\x1f\x43\xb6\x75")
    tracks = live.index(b"\x16\x54\xae\x6b")
    entry = live.index(b"\xae", tracks + 4)
    width = 9 - live[entry + 1].bit_length()
    packing = _element("5034", _element("4254", b"\0"))
    encoding = _element("6d80", _element("6240", _element("5032", b"\1") + packing))
    inside = live[entry + 1 + width : cluster]
    block = b"\x81\0\0\x80" + zlib.compress(bytes(9_000_000), 9)
    return (
        live[:tracks]
        + _element("1654ae6b", _element("ae", inside + encoding))
        + live[cluster:]
        + _element("a3", block)
    )


def _element(name: str, body: bytes) -> bytes:
    return bytes.fromhex(name) + (len(body) | 1 << 28).to_bytes(4, "big") + body
