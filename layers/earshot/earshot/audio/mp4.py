"""MP4 files (M4A, 3GP) reduced to what their sound needs, before a library reads them.

An MP4 holds pictures, text, references to other files, tables that claim billions of entries, and
whatever else phones, players and attackers put there. Only the boxes that lead to the first sound
track are kept; the rest is renamed ``skip``, which readers do. Boxes: ISO/IEC 14496-12.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

from earshot.errors import (
    EmptyRecording,
    TruncatedRecording,
    UndecodableRecording,
    UnsupportedFormat,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    # The boxes of a kind are kept with those inside that are named; wholly when none is.
    Kept = dict[bytes, "Kept"]

_TABLES: Kept = {
    kind: {} for kind in (b"stsd", b"stts", b"stsc", b"stsz", b"stz2", b"stco", b"co64")
}
_MEDIA: Kept = {b"mdhd": {}, b"hdlr": {}, b"minf": {b"smhd": {}, b"stbl": _TABLES}}
_FILE: Kept = {
    b"ftyp": {},
    b"mdat": {},
    b"moov": {
        b"mvhd": {},
        b"trak": {b"tkhd": {}, b"edts": {b"elst": {}}, b"mdia": _MEDIA},
        b"mvex": {b"mehd": {}, b"trex": {}},
    },
    b"moof": {b"mfhd": {}, b"traf": {b"tfhd": {}, b"tfdt": {}, b"trun": {}}},
}
# Sample entries whose decoders are allowed: AAC, Apple Lossless, Opus.
_CODINGS = (b"mp4a", b"alac", b"Opus")
# What a sample entry has no use for, but FFmpeg would follow there as anywhere else.
_STRAY = (*_TABLES, b"elst", b"ctts", b"trun", b"trak", b"moov", b"moof", b"cmov", b"dref")
# Ten minutes of Opus in its shortest packets are 240,000; FFmpeg keeps 24 bytes for each of them,
# once for every entry of the edit list.
MAX_PACKETS = 1 << 20


def only_sound(data: bytes) -> io.BytesIO:
    """The file with nothing but its first sound track, at its old places.

    Raises TruncatedRecording, also for a recording that was never finished, UndecodableRecording,
    UnsupportedFormat for a coding that is not read, or EmptyRecording without a sound track.
    """
    file = _File(data)
    if not any(kind == b"moov" for kind, *_ in file.boxes(0, len(data))):
        raise TruncatedRecording(
            "The mp4 file has no index (moov): it was cut short, or its recorder did not finish "
            "it. Upload it again, or repair it with the app that recorded it."
        )
    file.reduce(0, len(data), _FILE)
    if not file.has_track:
        raise EmptyRecording("The mp4 file holds no sound track. Send a recording with sound.")
    return file.reduced


class _File:
    """One file on its way to being reduced."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.reduced = io.BytesIO(data)
        self.has_track = False
        self._packets = 0
        self._edits = 1

    def boxes(self, start: int, stop: int) -> Iterator[tuple[bytes, int, int, int]]:
        """The boxes side by side: kind, where it starts, where its body does, where both end."""
        at = start
        while at + 8 <= stop:
            size, kind = struct.unpack_from(">I4s", self._data, at)
            body = at + 8
            if size == 1 and at + 16 <= stop:
                (size,) = struct.unpack_from(">Q", self._data, at + 8)
                body = at + 16
            elif size == 0:
                size = stop - at
            if at + size < body:
                raise _damaged(f"its box {_text(kind)} claims {size} bytes")
            if at + size > stop:
                claim = f"its box {_text(kind)} claims {size} bytes, and {stop - at} are left"
                raise _damaged(claim) if start else _cut(claim)
            yield kind, at, body, at + size
            at += size

    def reduce(self, start: int, stop: int, kept: Kept) -> None:
        """Rename what is not kept, and check what is."""
        for kind, at, body, end in self.boxes(start, stop):
            if kind not in kept or (kind == b"trak" and not self._is_wanted(body, end)):
                self.reduced.seek(at + 4)
                self.reduced.write(b"skip")
            elif kept[kind]:
                self.reduce(body, end, kept[kind])
            else:
                self._check(kind, body, end)

    def _is_wanted(self, start: int, stop: int) -> bool:
        """Whether a track is the first one with sound."""
        if self.has_track:
            return False
        self.has_track = any(
            inner == b"hdlr" and self._data[inner_body + 8 : inner_body + 12] == b"soun"
            for kind, _, body, end in self.boxes(start, stop)
            if kind == b"mdia"
            for inner, _, inner_body, _ in self.boxes(body, end)
        )
        return self.has_track

    def _check(self, kind: bytes, body: int, end: int) -> None:
        """Check a table's claims against the file and against reason."""
        match kind:
            case b"stsd":
                self._check_entry(self._data[body + 8 : end])
            case b"stts":
                times = self._entries(">II", body, end)
                # A packet of one sample is PCM, which FFmpeg then counts in another way.
                if sum(count for count, _ in times) > MAX_PACKETS or {1} == {t for _, t in times}:
                    raise _damaged("its table of times makes no sense")
            case b"stsc":
                if any(count > MAX_PACKETS for _, count, _ in self._entries(">III", body, end)):
                    raise _damaged("its table of chunks makes no sense")
            case b"stsz" | b"stz2":
                self._count(packets=self._number(body + 8, end))
            case b"trun":
                self._count(packets=self._number(body + 4, end))
            case b"elst":
                self._count(edits=self._number(body + 4, end))
            case b"stco" | b"co64":
                places = self._entries(">I" if kind == b"stco" else ">Q", body, end)
                if any(place >= len(self._data) for (place,) in places):
                    raise _cut("its index leads beyond its end")

    def _check_entry(self, entry: bytes) -> None:
        if entry[4:8] not in _CODINGS:
            raise UnsupportedFormat(
                f"The sound in the mp4 file is coded as {_text(entry[4:8])}, which is not read; "
                "AAC, ALAC and Opus are. Send it as WAV or FLAC."
            )
        if any(kind in entry for kind in _STRAY):
            raise _damaged("its description of the coding makes no sense")

    def _count(self, packets: int = 0, edits: int = 0) -> None:
        self._packets += packets
        self._edits += edits
        if self._packets * self._edits > MAX_PACKETS:
            raise _damaged(f"it claims {self._packets} packets, edited {self._edits - 1} times")

    def _number(self, at: int, end: int) -> int:
        if at + 4 > end:
            raise _damaged("one of its tables is too short")
        number: int = struct.unpack_from(">I", self._data, at)[0]
        return number

    def _entries(self, layout: str, body: int, end: int) -> list[tuple[int, ...]]:
        """A table's entries; their number comes first, and FFmpeg would read on beyond the box."""
        stop = body + 8 + self._number(body + 4, end) * struct.calcsize(layout)
        if stop > end:
            raise _damaged("one of its tables claims more entries than it holds")
        return list(struct.iter_unpack(layout, self._data[body + 8 : stop]))


def _text(kind: bytes) -> str:
    return repr(kind.decode("latin-1"))


def _damaged(what: str) -> UndecodableRecording:
    return UndecodableRecording(
        f"The mp4 file is damaged: {what}. Check that it plays, or export it again."
    )


def _cut(what: str) -> TruncatedRecording:
    return TruncatedRecording(f"The mp4 file is cut short: {what}. Upload it again.")
