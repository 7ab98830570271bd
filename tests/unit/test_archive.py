"""Zip archives of labelled clips: what is taken, what is refused, and how little is held."""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from earshot import archive
from earshot.archive import Archive, Contents, RangedFile
from earshot.errors import (
    ArchiveTooLarge,
    BadArchive,
    DamagedArchive,
    UnknownLabel,
    UnsafeName,
    UnsupportedArchive,
)

LABELS = ("casual", "gunshot", "siren")


def zipped(
    files: dict[str, bytes] | list[tuple[str | zipfile.ZipInfo, bytes]],
    method: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """A zip archive of names and contents."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, content in files.items() if isinstance(files, dict) else files:
            made.writestr(name, content, method)
    return file.getvalue()


def opened(data: bytes) -> Archive:
    return Archive(RangedFile(lambda start, stop: data[start:stop], len(data)))


def verified(data: bytes, labels: tuple[str, ...] = LABELS, is_open: bool = False) -> Contents:
    return opened(data).verify(labels, is_open)


def mark(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def keys(data: bytes, **options: Any) -> list[str]:
    """The keys of an archive's clips, all of whose contents are ``x``, without the mark."""
    return [clip.key.replace(f"-{mark(b'x')}", "") for clip in verified(data, **options).clips]


def patched(data: bytes, field: str, value: int, nth: int = 0) -> bytes:
    """An archive whose table of contents says something else of its ``nth`` entry."""
    at, kind = {
        "flags": (8, "<H"), "method": (10, "<H"), "crc": (16, "<I"), "packed": (20, "<I"),
        "size": (24, "<I"), "offset": (42, "<I"),
    }[field]  # fmt: skip
    place = -1
    for _ in range(nth + 1):
        place = data.index(b"PK\x01\x02", place + 1)
    changed = bytearray(data)
    struct.pack_into(kind, changed, place + at, value)
    return bytes(changed)


@contextmanager
def refused(kind: type[Exception], *words: str) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert type(caught.value) is kind
    for word in words:
        assert word in str(caught.value)


def test_clips_go_below_samples_with_a_mark_of_their_content() -> None:
    data = zipped({"siren/a.wav": b"one", "siren/tape 7/b.FLAC": b"two", "casual/c.d.mp3": b""})
    found = opened(data)
    contents = found.verify(LABELS, is_open=False)
    assert [clip.key for clip in contents.clips] == [
        f"samples/siren/a-{mark(b'one')}.wav",
        f"samples/siren/tape 7/b-{mark(b'two')}.FLAC",
        f"samples/casual/c.d-{mark(b'')}.mp3",
    ]
    assert [clip.size for clip in contents.clips] == [3, 3, 0]
    for clip, content in zip(contents.clips, (b"one", b"two", b""), strict=True):
        with found.open(clip) as stream:
            assert stream.read() == content


def test_equal_names_with_other_contents_have_other_keys() -> None:
    one, two = (verified(zipped({"siren/a.wav": content})) for content in (b"1", b"2"))
    assert one.clips[0].key != two.clips[0].key
    again = verified(zipped({"siren/a.wav": b"1"}, zipfile.ZIP_STORED))
    assert again.clips[0].key == one.clips[0].key


def test_what_systems_leave_behind_is_passed_over_and_other_files_are_named() -> None:
    link = zipfile.ZipInfo("siren/link.wav")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    data = zipped(
        [
            ("siren/", b""), ("siren/a.wav", b"x"), ("__MACOSX/siren/._a.wav", b"l"),
            ("__MACOSX/siren/a.wav", b"l"),
            (".DS_Store", b"l"), ("siren/._a.wav", b"l"), ("siren/Thumbs.db", b"l"),
            ("siren/desktop.ini", b"l"), ("README.txt", b"n"), ("manifest.csv", b"n"),
            (".git/a.wav", b"n"), ("siren/inner.zip", zipped({"siren/b.wav": b"x"})),
            (link, b"/etc/passwd"),
        ]
    )  # fmt: skip
    contents = verified(data)
    assert [clip.key for clip in contents.clips] == [f"samples/siren/a-{mark(b'x')}.wav"]
    assert contents.ignored == (
        "README.txt", "manifest.csv", ".git/a.wav", "siren/inner.zip", "siren/link.wav",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("names", "labels", "is_open", "expected"),
    [
        # A folder around the labels is left out …
        (["clips/siren/a.wav", "clips/casual/t/b.wav"], LABELS, False, ["siren/a", "casual/t/b"]),
        (["clips/siren/a.wav", "clips/owl/b.wav"], LABELS, True, ["siren/a", "owl/b"]),
        (["./clips/siren/a.wav"], LABELS, False, ["siren/a"]),
        # … but a label with recordings in it is none.
        (["siren/tape/a.wav", "siren/tape/b.wav"], LABELS, False, ["siren/tape/a", "siren/tape/b"]),
        (["siren/tape/a.wav"], LABELS, True, ["siren/tape/a"]),
        (["owl/a.wav"], LABELS, True, ["owl/a"]),
        (["owl/tape/a.wav", "wren/a.wav"], (), True, ["owl/tape/a", "wren/a"]),
    ],
)
def test_one_folder_around_the_labels_is_left_out(
    names: list[str], labels: tuple[str, ...], is_open: bool, expected: list[str]
) -> None:
    found = keys(zipped(dict.fromkeys(names, b"x")), labels=labels, is_open=is_open)
    assert found == [f"samples/{place}.wav" for place in expected]


@pytest.mark.parametrize(
    ("name", "labels", "is_open"),
    [("birds/owl/a.wav", LABELS, True), ("siren/casual/a.wav", LABELS, False)],
)
def test_a_top_folder_that_may_be_either_is_not_guessed(
    name: str, labels: tuple[str, ...], is_open: bool
) -> None:
    with refused(BadArchive, repr(name.partition("/")[0]), "may be a label"):
        verified(zipped({name: b"x"}), labels, is_open)


@pytest.mark.parametrize(
    ("names", "kind", "word"),
    [
        (["siren/a.wav", "owl/b.wav"], UnknownLabel, "'owl/b.wav'"),
        (["stuff/owl/b.wav"], UnknownLabel, "'stuff'"),
        (["siren/a.wav", "b.wav"], BadArchive, "'b.wav'"),
        (["siren/a.wav", "<b>/b.wav"], BadArchive, "'<b>'"),
        (["siren/notes.txt"], BadArchive, "no audio"),
        ([], BadArchive, "no audio"),
        (["__MACOSX/siren/._a.wav", "siren/"], BadArchive, "no audio"),
    ],
)
def test_what_names_no_known_label_is_refused(
    names: list[str], kind: type[Exception], word: str
) -> None:
    with refused(kind, word):
        verified(zipped(dict.fromkeys(names, b"")))


@pytest.mark.parametrize(
    "name",
    [
        "../siren/a.wav", "siren/../../a.wav", "siren/..", "/siren/a.wav", "C:/siren/a.wav",
        "c:a.wav", "siren\\a.wav", "..\\a.wav", "siren//a.wav", "siren/a\n.wav", "siren/a\x7f.wav",
        "siren/\x1b[2J.wav", "siren/" + "a" * 900 + ".wav", "siren/" + "ü" * 450 + ".wav",
        "__MACOSX/../a.txt", "//", "/",
    ],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with refused(UnsafeName, repr(name[:20])[:-1]):
        verified(zipped({"siren/good.wav": b"x", name: b"x"}))


def test_a_name_with_a_nul_is_refused() -> None:
    data = zipped({"siren/a.wav": b"x", "siren/b.wav_b.txt": b"x"})
    with refused(UnsafeName, r"siren/b.wav\x00b.txt"):
        verified(data.replace(b"siren/b.wav_b.txt", b"siren/b.wav\0b.txt"))


def test_names_as_macos_and_dos_write_them() -> None:
    # Finder: UTF-8, not marked as such, letters and accents apart.
    data = zipped({"e__t/a.wav": b"x"}).replace(b"e__t", "é".encode() + b"xt")
    assert keys(data, labels=("éxt",)) == ["samples/éxt/a.wav"]
    assert keys(zipped({"e\u0301te\u0301/a.wav": b"x"}), labels=("été",)) == ["samples/été/a.wav"]
    # DOS: é is 0x82.
    data = zipped({"_t_/a.wav": b"x"}).replace(b"_t_", b"\x82t\x82")
    assert keys(data, labels=("été",)) == ["samples/été/a.wav"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "names",
    [
        ("siren/a.wav", "siren/a.wav"),
        ("siren/\u00e9.wav", "siren/e\u0301.wav"),
        ("siren/a.wav", "./siren/a.wav"),
        ("siren/x.txt", "siren/x.txt"),
    ],
)
def test_two_entries_of_one_name_are_refused(names: tuple[str, str]) -> None:
    with refused(BadArchive, "twice"):
        verified(zipped([("siren/c.wav", b"x"), (names[0], b"x"), (names[1], b"y")]))


def test_names_that_differ_by_case_are_two_as_in_s3() -> None:
    found = keys(zipped({"siren/A.wav": b"x", "siren/a.wav": b"x"}))
    assert found == ["samples/siren/A.wav", "samples/siren/a.wav"]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression_is_refused(method: int) -> None:
    with refused(UnsupportedArchive, "'siren/a.wav'", "deflate"):
        verified(zipped({"siren/a.wav": b"x"}, method))


@pytest.mark.parametrize("flag", [1, 1 << 6, 1 << 13])
def test_encrypted_entries_are_refused(flag: int) -> None:
    data = zipped({"siren/a.wav": b"x", "siren/b.wav": b"x"})
    with refused(UnsupportedArchive, "'siren/b.wav'", "encrypted"):
        verified(patched(data, "flags", flag, nth=1))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damage_is_refused_wherever_it_is(method: int) -> None:
    content = bytes(range(256)) * 40
    data = zipped({"siren/a.wav": content, "notes.txt": b"n" * 50, "siren/b.wav": content}, method)
    assert len(verified(data).clips) == 2
    with refused(DamagedArchive, "'siren/b.wav'"):
        verified(patched(data, "crc", 1, nth=2))
    # Also in what would only be ignored.
    with refused(DamagedArchive, "'notes.txt'"):
        verified(patched(data, "crc", 1, nth=1))
    flipped = bytearray(data)
    flipped[data.rindex(b"siren/b.wav", 0, data.index(b"PK\x01\x02")) + 60] ^= 4
    with refused(DamagedArchive, "'siren/b.wav'"):
        verified(bytes(flipped))


def test_an_archive_cut_anywhere_is_refused() -> None:
    data = zipped({"siren/a.wav": bytes(range(100)), "siren/b.wav": b"x" * 30})
    for length in range(len(data)):
        with refused(DamagedArchive, "The archive"):
            verified(data[:length])


@pytest.mark.parametrize(
    "data", [b"", b"RIFF....WAVE", b"\x1f\x8b gzip", b"PK\x03\x04", b"x" * 90000]
)
def test_what_is_no_zip_is_refused(data: bytes) -> None:
    with refused(DamagedArchive):
        verified(data)


def test_sizes_that_lie_are_refused() -> None:
    data = zipped({"siren/a.wav": b"x" * 1000, "siren/b.wav": b"y" * 1000})
    for claimed in (0, 999, 1001, 10_000_000):
        with refused(DamagedArchive, "'siren/a.wav'"):
            verified(patched(data, "size", claimed))
    for packed in (0, 1, 5):
        with refused(DamagedArchive, "'siren/a.wav'"):
            verified(patched(data, "packed", packed))
    with refused(DamagedArchive, "overlaps"):
        verified(patched(data, "packed", 100))


def test_entries_that_share_their_bytes_are_refused() -> None:
    data = zipped({"siren/a.wav": bytes(5000), "siren/b.wav": bytes(5000)})
    with refused(DamagedArchive, "overlaps"):
        verified(patched(data, "offset", 0, nth=1))
    with refused(DamagedArchive):
        verified(patched(data, "offset", 2**31, nth=1))


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    with refused(ArchiveTooLarge, "'siren/a.wav'", "recordings do not"):
        verified(zipped({"siren/a.wav": bytes(30_000_000)}))
    # Also one whose entries are small enough each, and one that only claims its size.
    many = {f"siren/{n}.wav": bytes(15_000_000) for n in range(2)}
    with refused(ArchiveTooLarge, "The archive"):
        verified(zipped(many))
    with refused(ArchiveTooLarge, "'siren/a.wav'"):
        verified(patched(zipped({"siren/a.wav": b"x"}), "size", 0xFFFFFFF0))


def test_a_minute_of_silence_is_no_bomb() -> None:
    assert len(verified(zipped({"siren/silence.wav": bytes(44 + 60 * 48_000 * 4)})).clips) == 1


def test_limits_on_entries_names_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zipped({f"siren/{n}.wav": bytes([n]) * 10 for n in range(4)})
    with monkeypatch.context() as patch:
        patch.setattr(archive, "MAX_ENTRIES", 3)
        with refused(ArchiveTooLarge, "4 entries"):
            verified(data)
    with monkeypatch.context() as patch:
        patch.setattr(archive, "MAX_UNPACKED_BYTES", 39)
        with refused(ArchiveTooLarge, "unpacks to 40"):
            verified(data)
    with monkeypatch.context() as patch:
        patch.setattr(archive, "MAX_ARCHIVE_BYTES", len(data) - 1)
        with refused(ArchiveTooLarge, f"{len(data)} bytes"):
            verified(data)
    with monkeypatch.context() as patch:
        patch.setattr(archive, "MAX_SAMPLE_BYTES", 9)
        with refused(ArchiveTooLarge, "'siren/0.wav'"):
            verified(data)


def test_a_table_of_contents_that_claims_much_is_not_read() -> None:
    claimed = 20_000_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, claimed, 0, 0)
    fetched: list[int] = []

    def fetch(start: int, stop: int) -> bytes:
        fetched.append(stop - start)
        return (bytes(64) + end)[-(claimed + len(end) - start) :][: stop - start]

    with refused(ArchiveTooLarge, "table of contents"):
        Archive(RangedFile(fetch, claimed + len(end)))
    assert sum(fetched) < 200_000


def test_little_is_held_and_every_byte_is_asked_for_about_once() -> None:
    content = bytes(range(256)) * 4096 * 60  # 63 MB
    data = zipped({"siren/a.wav": content, "siren/b.wav": b"x"}, zipfile.ZIP_STORED)
    fetched: list[int] = []

    def fetch(start: int, stop: int) -> bytes:
        fetched.append(stop - start)
        return data[start:stop]

    tracemalloc.start()
    try:
        Archive(RangedFile(fetch, len(data))).verify(LABELS, is_open=False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert max(fetched) <= archive.BLOCK_BYTES
    assert len(fetched) < 1.1 * len(data) / archive.BLOCK_BYTES + 10
    assert sum(fetched) < 1.1 * len(data)
    assert peak < 2 * archive.BLOCK_BYTES


def test_a_ranged_file_reads_as_a_file_does() -> None:
    data = bytes(range(200))
    ranged, plain = RangedFile(lambda start, stop: data[start:stop], 200), io.BytesIO(data)
    for offset, whence, n in (
        (5, 0, 10),
        (0, 1, 3),
        (-7, 1, 2),
        (-20, 2, 50),
        (300, 0, 4),
        (0, 0, -1),
    ):
        assert ranged.seek(offset, whence) == plain.seek(offset, whence)
        assert ranged.read(n) == plain.read(n)
        assert ranged.tell() == plain.tell()
    with pytest.raises(OSError, match="before the start"):
        ranged.seek(-201, 2)
