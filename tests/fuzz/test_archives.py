"""Archives mutated at random: each is unpacked whole or refused whole, and nothing else happens.

EARSHOT_FUZZ says how many are tried; the same number tries the same ones.
"""

from __future__ import annotations

import io
import os
import random
import zipfile

import pytest
from earshot.archive import Archive, RangedFile
from earshot.errors import BadArchive, UnknownLabel

MUTANTS = int(os.environ.get("EARSHOT_FUZZ", "2000"))
LABELS = ("casual", "siren")
# Numbers that lengths, counts and offsets go wrong at.
EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def seeds() -> list[bytes]:
    """Small good archives: deflated and stored, with comment, folders, extra fields, zip64."""
    made = []
    for method, forced in ((zipfile.ZIP_DEFLATED, False), (zipfile.ZIP_STORED, True)):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.comment = b"made by a test"
            for name in ("clips/", "clips/siren/a.wav", "clips/siren/t/é.flac", "clips/read.me"):
                info = zipfile.ZipInfo(name)
                info.compress_type = method
                info.extra = b"\x55\x54\x05\x00\x01\x00\x00\x00\x00"
                if not name.endswith("/"):
                    with archive.open(info, "w", force_zip64=forced) as stream:
                        stream.write(name.encode() * 40)
        made.append(file.getvalue())
    return made


def mutant(chance: random.Random, good: bytes) -> bytes:
    """One to four changes: bits, edge numbers, cuts, doublings, swaps of stretches."""
    data = bytearray(good)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data))
        kind = chance.randrange(6)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            width = chance.choice((1, 2, 4, 8))
            number = chance.choice(EDGES) % (1 << 8 * width)
            data[at : at + width] = number.to_bytes(width, "little")
        elif kind == 2:
            del data[at : at + chance.randint(1, 60)]
        elif kind == 3:
            data[at:at] = data[at : at + chance.randint(1, 60)]
        elif kind == 4:
            other = chance.randrange(len(data))
            data[at : at + 8], data[other : other + 8] = data[other : other + 8], data[at : at + 8]
        else:
            # A record's field, where a change has meaning.
            marks = [m for m in (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06") if m in data]
            if marks:
                place = data.index(chance.choice(marks)) + chance.randrange(4, 46)
                data[place : place + 2] = chance.choice(EDGES).to_bytes(8, "little")[:2]
        if not data:
            data = bytearray(b"P")
    return bytes(data)


@pytest.mark.parametrize("seed", range(2))
def test_a_mutant_is_taken_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    good = seeds()[seed]
    outcomes = {"taken": 0, "refused": 0}
    for _ in range(MUTANTS // 2):
        data = mutant(chance, good)
        fetched = 0

        def fetch(start: int, stop: int, data: bytes = data) -> bytes:
            nonlocal fetched
            fetched += stop - start
            return data[start:stop]

        try:
            archive = Archive(RangedFile(fetch, len(data)))
            contents = archive.verify(LABELS, is_open=False)
        except (BadArchive, UnknownLabel):
            outcomes["refused"] += 1
        else:
            # What was verified can be read, and is what it was said to be.
            for clip in contents.clips:
                assert clip.key.startswith(("samples/siren/", "samples/casual/"))
                assert ".." not in clip.key.split("/")
                with archive.open(clip) as stream:
                    assert len(stream.read()) == clip.size
            outcomes["taken"] += 1
        assert fetched <= 50 * len(data), "the archive is read many times over"
    assert min(outcomes.values()) > 0, outcomes
