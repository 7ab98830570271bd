"""What a recorder wrote down is read from wherever recorders write it, and nothing else is."""

from __future__ import annotations

import io
import random
import struct
from dataclasses import astuple
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from earshot.audio.fieldnotes import read_notes
from earshot.recording import FieldNotes
from guano import GuanoFile
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import clip

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = FieldNotes()
SOUND = bytes(64)
# In UTC, from 1970 to 2099.
TIMES = st.integers(86_400, 4_102_272_000).map(lambda since: datetime.fromtimestamp(since, UTC))


def chunk(name: bytes, content: bytes, order: str = "<", size: int | None = None) -> bytes:
    header = struct.pack(order + "4sI", name, len(content) if size is None else size)
    return header + content + bytes(len(content) & 1)


def wav(*chunks: bytes, kind: bytes = b"RIFF", order: str = "<") -> io.BytesIO:
    body = b"WAVE" + b"".join(chunks)
    return io.BytesIO(struct.pack(order + "4sI", kind, len(body)) + body)


def info(comment: str, artist: str = "", order: str = "<") -> bytes:
    """As AudioMoth writes it: fields of a fixed width, filled up with zeros."""
    icmt = chunk(b"ICMT", comment.encode().ljust(384, b"\0"), order)
    iart = chunk(b"IART", artist.encode().ljust(32, b"\0"), order) if artist else b""
    return chunk(b"LIST", b"INFO" + icmt + iart, order)


def guano(text: str) -> bytes:
    return chunk(b"guan", text.encode())


def told(then: datetime) -> str:
    return then.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def started(name: str) -> str | None:
    return read_notes(wav(chunk(b"data", SOUND)), name).started_at


# From recordings of AudioMoths, and from what each firmware writes.
COMMENTS = {
    # 1.0
    "Recorded at 19:17:30 20/02/2018 by AudioMoth 0FE081F80FE081F8 at gain setting 2 while battery "
    "state was < 3.6V": ("2018-02-20T19:17:30.000Z", "AudioMoth 0FE081F80FE081F8", None, 3.6),
    "Recorded at 19:17:30 20/02/2018 by AudioMoth 0FE081F80FE081F8 at gain setting 2 while battery "
    "state was 3.90V": ("2018-02-20T19:17:30.000Z", "AudioMoth 0FE081F80FE081F8", None, 3.9),
    # 1.0.1
    "Recorded at 19:10:00 06/04/2018 (UTC) by AudioMoth 0FE081F80FE081F0 at gain setting 2 while "
    "battery state was 4.5V": ("2018-04-06T19:10:00.000Z", "AudioMoth 0FE081F80FE081F0", None, 4.5),
    # 1.2, with offsets
    "Recorded at 01:17:30 01/03/2020 (UTC+2) by AudioMoth 249BC30461CBB1E6 at gain setting 2 while "
    "battery state was greater than 4.9V.": (
        "2020-02-29T23:17:30.000Z", "AudioMoth 249BC30461CBB1E6", None, 4.9,
    ),
    "Recorded at 22:17:30 31/12/2020 (UTC-3:30) by AudioMoth 249BC30461CBB1E6 at gain setting 2 "
    "while battery state was 4.5V. Recording cancelled before completion due to low battery "
    "voltage.": ("2021-01-01T01:47:30.000Z", "AudioMoth 249BC30461CBB1E6", None, 4.5),
    "Recorded at 06:00:00 24/06/2020 (UTC+5: 5) by AudioMoth 249BC30461CBB1E6 at gain setting 0 "
    "while battery state was 4.5V": (
        "2020-06-24T00:55:00.000Z", "AudioMoth 249BC30461CBB1E6", None, 4.5,
    ),
    # 1.4
    "Recorded at 19:17:30 20/02/2021 (UTC) by AudioMoth 249BC30461CBB1E6 at medium gain setting "
    "while battery state was 4.5V and temperature was 14.2C. Amplitude threshold was 512.": (
        "2021-02-20T19:17:30.000Z", "AudioMoth 249BC30461CBB1E6", 14.2, 4.5,
    ),
    # 1.6 and later
    "Recorded at 00:10:00 12/11/2021 (UTC-0:30) by AudioMoth 248D9B045EC9EE79 using external "
    "microphone at high gain while battery was less than 2.5V and temperature was -5.0C.": (
        "2021-11-12T00:40:00.000Z", "AudioMoth 248D9B045EC9EE79", -5.0, 2.5,
    ),
    # GPS-Sync tells milliseconds.
    "Recorded at 10:00:00.250 12/11/2021 (UTC) by AudioMoth 248D9B045EC9EE79 at low gain while "
    "battery was 4.1V and temperature was 20.0C.": (
        "2021-11-12T10:00:00.250Z", "AudioMoth 248D9B045EC9EE79", 20.0, 4.1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("comment", COMMENTS)
def test_audiomoths_comments_of_all_firmware_are_read(comment: str) -> None:
    started_at, device, temperature_c, battery_v = COMMENTS[comment]
    file = wav(chunk(b"fmt ", bytes(16)), info(comment), chunk(b"data", SOUND))
    assert read_notes(file, "5EB0A1C2.WAV") == FieldNotes(
        started_at, "audiomoth", device, temperature_c=temperature_c, battery_v=battery_v
    )


def test_a_deployment_is_the_site_and_the_artist_the_device() -> None:
    comment = (
        "Recorded at 19:30:00 12/11/2021 (UTC) during deployment 001A2B3C4D5E6F70 at low-medium "
        "gain while battery was 3.7V and temperature was 14.0C."
    )
    notes = read_notes(wav(info(comment, "AudioMoth 248D9B045EC9EE79")), "x.wav")
    assert (notes.site, notes.device) == ("001A2B3C4D5E6F70", "AudioMoth 248D9B045EC9EE79")


def test_other_comments_are_not_audiomoths() -> None:
    spoken = "The battery was 3.7V and temperature was 14.0C, says AudioMoth 248D9B045EC9EE79"
    assert read_notes(wav(info(spoken)), "x.wav") == NOTHING
    list_of_cues = chunk(b"LIST", b"adtl" + info(next(iter(COMMENTS))))
    assert read_notes(wav(list_of_cues), "x.wav") == NOTHING


@given(TIMES, st.integers(-12 * 4, 14 * 4))
def test_audiomoths_offset_is_taken_off(then: datetime, quarters: int) -> None:
    """By the firmware's own way to write an offset."""
    hours, minutes = divmod(abs(quarters) * 15, 60)
    sign = "-" if quarters < 0 else "+"
    offset = f"{sign}{hours}" * bool(quarters) + f":{minutes:02d}" * bool(minutes)
    local = then + timedelta(minutes=15 * quarters)
    comment = f"Recorded at {local:%H:%M:%S %d/%m/}{local.year:04d} (UTC{offset}) by AudioMoth"
    assert read_notes(wav(info(comment)), "").started_at == told(then)


OWL = """GUANO|Version:  1.0

Timestamp:  2012-03-29T03:58:01+04:00
Note:  Site: the cave\\nLoc Position: 1 1\\n
Make:  Pettersson
Model:  D1000X
Loc Position:  37.1878016 -86.1057312
Temperature Int: 21.5
Temperature Ext: 11.25
PET|Gain:  80
"""


def test_the_specifications_own_example() -> None:
    assert read_notes(wav(chunk(b"data", SOUND), guano(OWL)), "20260101_060000.wav") == FieldNotes(
        "2012-03-28T23:58:01.000Z", "guano", "D1000X", None, 37.1878016, -86.1057312, 11.25, None
    )


def test_makers_have_fields_of_their_own() -> None:
    moth = (
        "GUANO|Version:1.0\nMake:Open Acoustic Devices\nModel:AudioMoth\nSerial:24BBD608675B68F7\n"
        "Timestamp:2026-08-10T16:00:00Z\nOAD|Battery Voltage:4.8\nTemperature Int:-0.5"
    )
    assert read_notes(wav(guano(moth)), "") == FieldNotes(
        "2026-08-10T16:00:00.000Z",
        "guano",
        "AudioMoth 24BBD608675B68F7",
        None,
        None,
        None,
        -0.5,
        4.8,
    )
    meter = (
        "GUANO|Version:1.0\nMake:Wildlife Acoustics, Inc.\nModel:Song Meter Mini Bat\n"
        "Serial:SMU06612\nWA|Song Meter|Prefix:RIDGE-1\nLoc Position:-37.00403 174.57577\n"
        "Timestamp:2025-03-02 20:50:16+13:00\r\nTemperature Int:20.75\0\n\0\0"
    )
    assert read_notes(wav(guano(meter)), "") == FieldNotes(
        "2025-03-02T07:50:16.000Z", "guano", "Song Meter Mini Bat SMU06612", "RIDGE-1",
        -37.00403, 174.57577, 20.75, None,
    )  # fmt: skip


def test_a_local_time_counts_as_utc_and_a_date_as_none() -> None:
    def timestamp(text: str) -> str | None:
        return read_notes(wav(guano(f"GUANO|Version: 1.0\nTimestamp: {text}\n")), "").started_at

    assert timestamp("2015-12-31T23:59:59.123456") == "2015-12-31T23:59:59.123Z"
    for odd in ("2015-12-31", "2015-13-31T23:59:59Z", "soon: 12", "0001-01-01T00:00:00+14:00", ""):
        assert timestamp(odd) is None


@given(
    TIMES,
    st.one_of(st.none(), st.integers(-12 * 4, 14 * 4)),
    st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
    st.floats(-40, 60),
)
def test_guano_written_by_its_reference_implementation_reads_back(
    tmp_path_factory: pytest.TempPathFactory,
    then: datetime,
    quarters: int | None,
    position: tuple[float, float],
    temperature_c: float,
) -> None:
    path: Path = tmp_path_factory.mktemp("guano") / "bat.wav"
    path.write_bytes(clip("siren"))
    # With an offset, or none at all.
    zone = None if quarters is None else timezone(timedelta(minutes=15 * quarters))
    written = GuanoFile(str(path))
    written["GUANO|Version"] = 1.0
    written["Timestamp"] = then.astimezone(zone) if zone else then.replace(tzinfo=None)
    written["Loc Position"] = position
    written["Temperature Ext"] = temperature_c
    written["Note"] = "two\nlines"
    written["Model"] = "D1000X"
    written.write(make_backup=False)
    with path.open("rb") as file:
        notes = read_notes(file, path.name)
    assert notes.started_at == told(then)
    assert (notes.latitude, notes.longitude) == pytest.approx(position, abs=1e-6)
    assert notes.temperature_c == pytest.approx(temperature_c, abs=0.01)
    assert (notes.device, notes.site) == ("D1000X", None)


def test_each_thing_comes_from_the_first_that_has_it() -> None:
    comment = (
        "Recorded at 01:00:00 01/01/2021 (UTC) by AudioMoth 249BC30461CBB1E6 at medium gain while "
        "battery was 4.5V and temperature was 14.2C."
    )
    name = "20260101_060000.wav"
    # Which of the two stands first in the file says nothing.
    for order in (1, -1):
        both = [info(comment), guano("GUANO|Version:1.0\nTemperature Ext:3.5\nTimestamp:?")][
            ::order
        ]
        notes = read_notes(wav(*both), name)
        assert (notes.started_at, notes.started_by) == ("2021-01-01T01:00:00.000Z", "audiomoth")
        assert (notes.temperature_c, notes.battery_v) == (3.5, 4.5)
    notes = read_notes(wav(guano("GUANO|Version:1.0\nTemperature Ext:3.5")), name)
    assert (notes.started_at, notes.started_by) == ("2026-01-01T06:00:00.000Z", "name")
    assert notes.temperature_c == 3.5


@pytest.mark.parametrize(
    ("name", "started_at"),
    [
        ("recordings/ridge/SMM1_20260101_060000.wav", "2026-01-01T06:00:00.000Z"),
        ("24BBD608675B68F7_20260101_060000T.WAV", "2026-01-01T06:00:00.000Z"),
        ("20260101T060000Z.flac", "2026-01-01T06:00:00.000Z"),
        ("20260101T060000+1000_REC [-27.3 153.0].flac", "2025-12-31T20:00:00.000Z"),
        ("S4A001_20260101_060000-03:30.wav", "2026-01-01T09:30:00.000Z"),
        # No place has this offset: the number is the recording's.
        ("20260101_060000-0001.wav", "2026-01-01T06:00:00.000Z"),
        ("20260101_060000_20260101_070000.mp3", "2026-01-01T06:00:00.000Z"),
        ("ridge 2026-01-01_06-00-00.ogg", "2026-01-01T06:00:00.000Z"),
        ("2026-01-01T06:00:00.250.wav", "2026-01-01T06:00:00.250Z"),
        ("5EB0A1C2.WAV", "2020-05-04T23:14:10.000Z"),
        ("20261301_060000_20260101_060000.wav", "2026-01-01T06:00:00.000Z"),
        # No such day, hour or year; a date, a checksum, a number, nothing.
        ("20260230_060000.wav", None),
        ("20260101_240000.wav", None),
        ("00010101_000000+1400.wav", None),
        ("99991231_235959-1400.wav", None),
        ("20260101.WAV", None),
        ("DEADBEEF.WAV", None),
        ("5eb0a1c2.wav", None),
        ("120260101_0600001.wav", None),
        ("20260101_060000/siren.wav", None),
        ("", None),
    ],
)
def test_a_name_may_tell_the_start(name: str, started_at: str | None) -> None:
    assert started(name) == started_at
    assert read_notes(io.BytesIO(b"OggS no RIFF"), name) == FieldNotes(
        started_at, "name" if started_at else None
    )


@given(TIMES, st.sampled_from(["%Y%m%d_%H%M%S", "%Y-%m-%dT%H-%M-%S", "%Y.%m.%d %H.%M.%S"]))
def test_names_of_any_day_are_read(then: datetime, pattern: str) -> None:
    assert started(f"SM4-7_{then.strftime(pattern)}.wav") == told(then)


def test_the_sound_is_stepped_over_in_files_of_any_size() -> None:
    """RF64 of 6 GB, RIFX, a chunk of an odd length: what stands behind the sound is found."""

    class Counted(io.BytesIO):
        """A file with a hole of ``hole`` bytes before its last part."""

        read_bytes = 0

        def __init__(self, head: bytes, hole: int, tail: bytes) -> None:
            super().__init__(head)
            self._parts, self._at = (head, tail, len(head) + hole), 0

        def seek(self, at: int, whence: int = 0) -> int:
            _, tail, begins = self._parts
            self._at = begins + len(tail) + at if whence == 2 else at
            return self._at

        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert 0 <= size <= 1 << 16
            head, tail, begins = self._parts
            source, at = (head, self._at) if self._at < begins else (tail, self._at - begins)
            found = source[at : at + size]
            self._at += len(found)
            type(self).read_bytes += len(found)
            return found

    hole = 6 << 30
    ds64 = chunk(b"ds64", struct.pack("<QQQI", hole + 200, hole, hole // 2, 0))
    head = wav(ds64, chunk(b"data", b"", size=0xFFFFFFFF), kind=b"RF64").getvalue()
    file = Counted(head, hole, guano(OWL))
    assert read_notes(file, "").device == "D1000X"
    assert file.read_bytes < 1000

    comment = next(iter(COMMENTS))
    big_endian = wav(chunk(b"odd ", b"abc", ">"), info(comment, order=">"), kind=b"RIFX", order=">")
    assert read_notes(big_endian, "").started_by == "audiomoth"


def test_a_file_that_was_cut_short_tells_what_is_there() -> None:
    comment = next(iter(COMMENTS))
    for size in (0, 0xFFFFFFFF, 1 << 30):
        file = wav(info(comment), chunk(b"data", SOUND, size=size))
        assert read_notes(file, "").started_by == "audiomoth"


def test_sound_of_no_known_length_is_not_taken_for_metadata() -> None:
    assert read_notes(wav(chunk(b"data", guano(OWL), size=0)), "") == NOTHING


@pytest.mark.parametrize("size", [1 << 16, 0xFFFFFFF0])
def test_metadata_may_claim_any_size(size: int) -> None:
    class Sparing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert 0 <= size <= 1 << 16
            return super().read(size)

    def device(*chunks: bytes) -> str | None:
        return read_notes(Sparing(wav(*chunks).getvalue()), "").device

    assert device(chunk(b"guan", OWL.encode(), size=size)) == "D1000X"
    assert device(chunk(b"LIST", b"INFO", size=size)) is None


def test_what_makes_no_sense_is_left_out() -> None:
    odd = (
        "Loc Position: 91 12\nTemperature Ext: nan\nTemperature Int: 1e9\n"
        f"OAD|Battery Voltage: inf\nModel: \x07{'M' * 1000}\nWA|Song Meter|Prefix: \0 \t\n: \n\n"
    )
    assert read_notes(wav(guano(odd)), "") == FieldNotes(device="M" * 100)
    for position in ("12", "12 13 14", "12 x", "(1 2)"):
        assert read_notes(wav(guano(f"Loc Position:{position}")), "") == NOTHING


def test_many_chunks_are_not_walked_for_ever() -> None:
    class Steps(io.BytesIO):
        seeks = 0

        def seek(self, at: int, whence: int = 0) -> int:
            self.seeks += 1
            return super().seek(at, whence)

    file = Steps(wav(*[chunk(b"junk", b"")] * 100_000).getvalue())
    assert read_notes(file, "20260101_060000.wav").started_by == "name"
    assert file.seeks < 200


@given(st.binary(max_size=200), st.text(max_size=30), st.integers(0, 2**32))
def test_nothing_is_raised_for_whatever_a_file_holds(junk: bytes, name: str, seed: int) -> None:
    whole = bytearray(wav(info(next(iter(COMMENTS))), guano(OWL)).getvalue())
    dice = random.Random(seed)
    for _ in range(5):
        whole[dice.randrange(len(whole))] = dice.randrange(256)
    for content in (junk, bytes(whole), bytes(whole[: seed % len(whole)]), b"RIFF0000WAVE" + junk):
        notes = read_notes(io.BytesIO(content), name)
        assert (notes.started_at is None) == (notes.started_by is None)
        assert (notes.latitude is None) == (notes.longitude is None)
        assert len(astuple(notes)) == 8
