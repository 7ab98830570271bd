"""Zip archives of labelled clips: what they hold, told without unpacking to memory or to disk.

An archive comes from anybody, so nothing that it says of itself is believed. ``Archive.verify``
reads every entry to its end and refuses the whole archive with a BadArchive, or says which clips
it holds and where they go; only then is anything written.

Layout: ``<label>/<file>`` or ``<label>/<recording>/…/<file>``, as below ``samples/``. One folder
around all labels is left out; see ``_without_top_folder``.
"""

from __future__ import annotations

import hashlib
import io
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from earshot.errors import (
    ArchiveTooLarge,
    BadArchive,
    BadKey,
    DamagedArchive,
    UnknownLabel,
    UnsafeName,
    UnsupportedArchive,
)
from earshot.store import MAX_SAMPLE_BYTES, SAMPLES, SampleKey, is_audio_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from zipfile import ZipInfo

# What a function with one processor reads twice, inflates and puts well within its time-out: about
# a minute at S3's 70 MB/s and 250 puts a second.
MAX_ARCHIVE_BYTES = 1_000_000_000
MAX_UNPACKED_BYTES = 1_000_000_000
MAX_ENTRIES = 5_000
# Recordings shrink to a half; deflate's best is a thousandth, which digital silence reaches. So a
# minute of silence passes whatever its ratio.
MAX_RATIO = 100
FREE_BYTES = 20_000_000
# The table of contents is the one thing that is held whole: 5,000 entries with long names.
MAX_READ_BYTES = 4_000_000
# S3 takes keys of 1,024 bytes; the prefix and the mark have to fit in as well.
MAX_NAME_BYTES = 900

BLOCK_BYTES = 8_000_000
CHUNK_BYTES = 1 << 18
# How much of an entry's SHA-256 goes into its key.
MARK_DIGITS = 12

# Bits of an entry's general purpose flag (APPNOTE.TXT 6.3.10, section 4.4.4).
_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13
_UTF8 = 1 << 11
# The fixed part of a local file header (section 4.3.7).
_HEADER_BYTES = 30

_DRIVE = re.compile(r"[A-Za-z]:")
_LITTER = re.compile(r"\.DS_Store|\._.*|thumbs\.db|desktop\.ini", re.IGNORECASE)
_FAULTS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError)


class RangedFile:
    """A seekable file over ``fetch(start, stop)``, such as S3's ranged reads; holds one block.

    Raises ArchiveTooLarge when more than MAX_READ_BYTES are asked for at once: ``zipfile`` does so
    for the table of contents, whose size the archive itself claims.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self.size = size
        self._fetch = fetch
        self._at = 0
        self._block = b""
        self._block_at = 0

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Where the next read starts."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as files do; raises an OSError that is a ValueError too before the start."""
        at = offset + (0, self._at, self.size)[whence]
        if at < 0:
            raise io.UnsupportedOperation("a place before the start of the archive")
        self._at = at
        return at

    def read(self, n: int | None = -1) -> bytes:
        """Up to ``n`` bytes, all that are left by default."""
        stop = self.size if n is None or n < 0 else min(self._at + n, self.size)
        start, self._at = self._at, max(self._at, stop)
        if stop <= start:
            return b""
        if stop - start > MAX_READ_BYTES:
            raise ArchiveTooLarge(
                f"The archive's table of contents has {stop - start} bytes; {MAX_READ_BYTES} are "
                "taken. Split the archive."
            )
        if not self._block_at <= start <= stop <= self._block_at + len(self._block):
            self._block = b""  # before the next one is fetched: one is held, not two
            self._block = self._fetch(start, min(start + max(BLOCK_BYTES, stop - start), self.size))
            self._block_at = start
        return self._block[start - self._block_at : stop - self._block_at]


@dataclass(frozen=True)
class Clip:
    """An entry that was verified: the key it goes to, its size in bytes, where it lies."""

    key: str
    size: int
    info: ZipInfo


@dataclass(frozen=True)
class Contents:
    """What a verified archive holds: clips as they lie in it, and files that are not audio."""

    clips: tuple[Clip, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class _File:
    """An entry that is a file: its name in clear, and its path without empty steps."""

    name: str
    path: tuple[str, ...]
    info: ZipInfo

    @property
    def is_litter(self) -> bool:
        """What macOS and Windows leave in folders."""
        return "__MACOSX" in self.path or bool(_LITTER.fullmatch(self.path[-1]))

    @property
    def is_clip(self) -> bool:
        """A regular file with an audio suffix, not hidden, nor in a hidden folder."""
        kind = stat.S_IFMT(self.info.external_attr >> 16)
        return (
            kind in (0, stat.S_IFREG)
            and is_audio_name(self.path[-1])
            and not any(part.startswith(".") for part in self.path)
        )


class Archive:
    """A zip archive in a file; raises BadArchive when it is none."""

    def __init__(self, file: RangedFile) -> None:
        if file.size > MAX_ARCHIVE_BYTES:
            raise ArchiveTooLarge(
                f"The archive has {file.size} bytes; {MAX_ARCHIVE_BYTES} are taken. Split it."
            )
        self._size = file.size
        with _readable("The archive"):
            self._zip = zipfile.ZipFile(file)

    def verify(self, labels: Collection[str], is_open: bool) -> Contents:
        """Read the whole archive and say what it holds, or raise a BadArchive or UnknownLabel.

        ``labels`` are those that are known; when ``is_open``, others may come. Every entry, also
        one that is then ignored, has to have a harmless name and its own place in the archive, and
        to unpack to the size and checksum that it claims. A clip's key is its path below
        ``samples/`` with the first digits of its SHA-256: archives with the same names inside do
        not overwrite each other's recordings, and the same archive has the same keys again.
        """
        infos = sorted(self._zip.infolist(), key=lambda info: info.header_offset)
        if len(infos) > MAX_ENTRIES:
            raise ArchiveTooLarge(
                f"The archive has {len(infos)} entries; {MAX_ENTRIES} are taken. Split it."
            )
        self._check_claims(infos)
        files = [file for info in infos if (file := _file(info))]
        names = Counter(file.path for file in files)
        if names and (twice := names.most_common(1)[0])[1] > 1:
            raise BadArchive(f"{_shown('/'.join(twice[0]))} is in the archive twice.")
        chosen = [file for file in files if file.is_clip and not file.is_litter]
        if not chosen:
            raise BadArchive("The archive holds no audio: put clips at <label>/<file> into it.")
        places = _without_top_folder([file.path for file in chosen], labels, is_open)
        for file, place in zip(chosen, places, strict=True):
            _check_label(file.name, place, labels, is_open)
        marks = {file.path: self._read_through(file) for file in files}
        clips = [
            Clip(_key(place, marks[file.path]), file.info.file_size, file.info)
            for file, place in zip(chosen, places, strict=True)
        ]
        others = [file.name for file in files if not (file.is_clip or file.is_litter)]
        return Contents(tuple(clips), tuple(others))

    def open(self, clip: Clip) -> BinaryIO:
        """The bytes of a verified clip, as a stream to be closed."""
        return cast("BinaryIO", self._zip.open(clip.info))

    def _check_claims(self, infos: Sequence[ZipInfo]) -> None:
        """Check what the table of contents says, before any of it is read."""
        for info in infos:
            shown = _shown(_name(info))
            if info.flag_bits & _ENCRYPTED:
                raise UnsupportedArchive(
                    f"{shown} is encrypted. Make the archive without a password."
                )
            # bzip2 and LZMA as well: Python's give back a whole bomb from one small read.
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise UnsupportedArchive(
                    f"{shown} is compressed by method {info.compress_type}. Use deflate, the usual "
                    "one, or none."
                )
            if info.file_size > MAX_SAMPLE_BYTES:
                raise ArchiveTooLarge(
                    f"{shown} has {info.file_size} bytes; a labelled clip may have "
                    f"{MAX_SAMPLE_BYTES}. Cut it, or leave it out."
                )
            if _is_bomb(info.file_size, info.compress_size):
                raise ArchiveTooLarge(
                    f"{shown} unpacks {info.compress_size} bytes to {info.file_size}; recordings "
                    "do not."
                )
        total = sum(info.file_size for info in infos)
        if total > MAX_UNPACKED_BYTES or _is_bomb(total, self._size):
            raise ArchiveTooLarge(
                f"The archive of {self._size} bytes unpacks to {total}; {MAX_UNPACKED_BYTES} are "
                f"taken, and {MAX_RATIO} times its own size. Split it."
            )
        follows = [*(info.header_offset for info in infos[1:]), self._zip.start_dir]
        for info, limit in zip(infos, follows, strict=False):
            if info.header_offset < 0 or _least_end(info) > limit:
                raise DamagedArchive(
                    f"{_shown(_name(info))} overlaps what follows it, or begins before the archive "
                    "does. Make the archive again."
                )

    def _read_through(self, file: _File) -> str:
        """Unpack an entry and forget it; returns its SHA-256."""
        digest, size = hashlib.sha256(), 0
        with _readable(_shown(file.name)), self._zip.open(file.info) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
        if size != file.info.file_size:
            raise DamagedArchive(
                f"{_shown(file.name)} claims {file.info.file_size} bytes and has {size}. Make the "
                "archive again."
            )
        return digest.hexdigest()


@contextmanager
def _readable(what: str) -> Iterator[None]:
    """Tell what zipfile says of a bad archive in our terms; S3's own errors pass."""
    try:
        yield
    except NotImplementedError as error:
        raise UnsupportedArchive(f"{what} needs what Earshot does not read: {error}.") from error
    except _FAULTS as error:
        raise DamagedArchive(
            f"{what} is damaged, cut short or no zip: {error or type(error).__name__}. Make it, "
            "or upload it, again."
        ) from error


def _file(info: ZipInfo) -> _File | None:
    """An entry with its name checked; None for a folder."""
    name = _name(info)
    if len(name.encode()) > MAX_NAME_BYTES:
        raise UnsafeName(f"{_shown(name)} … has a name of more than {MAX_NAME_BYTES} bytes.")
    parts = name.removesuffix("/").split("/")
    if (
        "\\" in name
        or _DRIVE.match(name)
        or any(part in ("", "..") for part in parts)
        or any(unicodedata.category(character) == "Cc" for character in name)
    ):
        raise UnsafeName(
            f"{_shown(name)} is not a name that is taken: it is absolute, leads out of the "
            "archive, or has backslashes, empty steps or control characters. Zip the folder again."
        )
    path = tuple(part for part in parts if part != ".")
    return None if name.endswith("/") or not path else _File(name, path, info)


def _name(info: ZipInfo) -> str:
    """An entry's name, composed (NFC) as labels are; macOS writes decomposed UTF-8, unmarked."""
    name = info.orig_filename  # ``filename`` ends at the first NUL
    if not info.flag_bits & _UTF8:
        # What is neither marked nor UTF-8 are DOS's own letters, as zipfile has read them.
        with suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return unicodedata.normalize("NFC", name)


def _without_top_folder(
    paths: Sequence[tuple[str, ...]], labels: Collection[str], is_open: bool
) -> Sequence[tuple[str, ...]]:
    """The paths from the label on: people zip the folder that holds the labels' folders.

    A top folder is left out when all audio lies in folders in it, one of those is a known label and
    it is none. Raises BadArchive when it cannot be told from a label with recordings in it: both
    are known labels, or neither is and labels are open.
    """
    tops = {path[0] for path in paths}
    if len(tops) > 1 or min(map(len, paths)) < 3:
        return paths
    (top,) = tops
    is_around = any(path[1] in labels for path in paths)
    if is_around and top not in labels:
        return [path[1:] for path in paths]
    if is_around or (is_open and top not in labels):
        raise BadArchive(
            f"{_shown(top)} may be a label with recordings in it, or a folder around labels. Zip "
            "two or more labels' folders themselves, or use `earshot upload` on the folder."
        )
    return paths


def _check_label(name: str, place: tuple[str, ...], labels: Collection[str], is_open: bool) -> None:
    try:
        label = SampleKey.parse(SAMPLES + "/".join(place)).label
    except BadKey as error:
        raise BadArchive(f"{_shown(name)} names no label: {error}") from error
    if label not in labels and not is_open:
        raise UnknownLabel(
            f"{_shown(name)}: {label!r} is not a label here. Use one of {', '.join(labels)}."
        )


def _key(place: tuple[str, ...], sha256: str) -> str:
    """``samples/<label>/…/<stem>-<mark>.<suffix>``; two places never have one key."""
    *folders, file = place
    stem, _, suffix = file.rpartition(".")
    return f"{SAMPLES}{'/'.join(folders)}/{stem}-{sha256[:MARK_DIGITS]}.{suffix}"


def _is_bomb(unpacked: int, packed: int) -> bool:
    return unpacked > MAX_RATIO * packed + FREE_BYTES


def _least_end(info: ZipInfo) -> int:
    """The least offset at which an entry can end; only its own header knows how long that is."""
    return info.header_offset + _HEADER_BYTES + len(info.orig_filename) + info.compress_size


def _shown(name: str) -> str:
    """A name as a message shows it."""
    return repr(name[:100])
