"""Files that are no recordings, or none that can be used."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from conftest import encode, sound
from earshot import errors
from earshot.audio import decode
from hypothesis import given, settings
from hypothesis import strategies as st
from media import LIVE, film, onset, record, tone


def nan_wav() -> bytes:
    samples = tone(1000, 16_000)
    samples[5] = np.nan
    return encode(samples, subtype="FLOAT")


def half(container: str) -> bytes:
    data = encode(sound("casual"), container=container)
    return data[: len(data) // 2]


def cut(data: bytes, by: int) -> bytes:
    return data[:-by]


def without_index() -> bytes:
    """What a phone leaves whose battery went before the index was written."""
    data = record(tone(1000, 48_000), 48_000, "aac", "ipod")
    return data[: data.index(b"moov") - 4]


def mp4_of_hours() -> bytes:
    """One whose media, and each of whose packets, claim to last for hours."""
    pcm = (tone(1000, 16_000) * 32767).astype(np.int16)
    data = bytearray(record(pcm, 16_000, "alac", "ipod", "s16p").replace(b"edts", b"free"))
    struct.pack_into(">I", data, data.index(b"mdhd") + 20, 0x7FFFFFFF)
    struct.pack_into(">I", data, data.index(b"stts") + 16, 1 << 29)
    return bytes(data)


def huge_claim() -> bytes:
    """A FLAC header that claims hours for a few bytes."""
    data = bytearray(encode(tone(1000, 16_000), container="FLAC"))
    # STREAMINFO's 36-bit sample count ends 18 bytes into its body, which starts at 8.
    data[21] |= 0x0F
    data[22:26] = b"\xff\xff\xff\xff"
    return bytes(data)


def endless_w64() -> bytes:
    """A chunk before the sound claims more bytes than any file can seek to."""
    data = encode(tone(1000, 16_000), container="W64")
    return data[:40] + b"junk" + bytes(12) + struct.pack("<Q", (1 << 64) - 1) + data[40:]


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        pytest.param(b"", errors.EmptyRecording, "0 bytes", id="empty"),
        pytest.param(b"hello, I am text", errors.UnsupportedFormat, "not audio", id="text.wav"),
        pytest.param(encode(np.zeros(0)), errors.EmptyRecording, "no samples", id="zero samples"),
        pytest.param(encode(np.zeros(1)), errors.RecordingTooShort, "0.1 s", id="one sample"),
        pytest.param(nan_wav(), errors.NonFiniteSamples, "NaN", id="NaN"),
        pytest.param(
            encode(tone(1000, 16_000) * 1e19, subtype="FLOAT"),
            errors.SamplesOutOfScale,
            "full scale",
            id="1e19 times full scale",
        ),
        pytest.param(half("WAV"), errors.TruncatedRecording, "cut short", id="truncated wav"),
        pytest.param(half("OGG"), errors.TruncatedRecording, "cut short", id="truncated ogg"),
        pytest.param(half("FLAC"), errors.BadRecording, ".", id="truncated flac"),
        pytest.param(b"RIFF\x24\0\0\0WAVEfmt ", errors.BadRecording, ".", id="header only"),
        pytest.param(b"fLaC" + bytes(100), errors.UndecodableRecording, "damaged", id="flac"),
        pytest.param(b"ID3" + bytes(300), errors.BadRecording, ".", id="mp3 without frames"),
        pytest.param(b"\xff\xf1" + bytes(100), errors.EmptyRecording, "no samples", id="aac"),
        pytest.param(b"\x1a\x45\xdf\xa3" + bytes(100), errors.BadRecording, ".", id="webm"),
        pytest.param(b"\0\0\0\x10ftypM4A \0\0\0\0", errors.TruncatedRecording, "moov", id="mp4"),
        pytest.param(without_index(), errors.TruncatedRecording, "moov", id="unfinished mp4"),
        pytest.param(
            cut(record(tone(1000, 48_000), 48_000, "aac", "ipod"), 1),
            errors.TruncatedRecording,
            "cut short",
            id="truncated mp4",
        ),
        pytest.param(
            cut(record(tone(1000, 48_000), 48_000, "aac", "adts"), 1),
            errors.TruncatedRecording,
            "cut short",
            id="truncated aac",
        ),
        pytest.param(
            cut(record(tone(1000, 48_000), 48_000, "libopus", "webm"), 1),
            errors.TruncatedRecording,
            "cut short",
            id="truncated webm",
        ),
        pytest.param(
            cut(record(tone(1000, 48_000), 48_000, "libopus", "webm", **LIVE), 1),
            errors.TruncatedRecording,
            "cut short",
            id="truncated stream",
        ),
        pytest.param(
            cut(record(tone(1000, 48_000), 48_000, "libopus", "ogg"), 1),
            errors.TruncatedRecording,
            "cut short",
            id="truncated opus",
        ),
        pytest.param(
            cut(encode(tone(1000, 16_000), container="RF64"), 1),
            errors.TruncatedRecording,
            "cut short",
            id="truncated rf64",
        ),
        pytest.param(
            cut(encode(tone(1000, 16_000), container="W64"), 1),
            errors.TruncatedRecording,
            "cut short",
            id="truncated w64",
        ),
        pytest.param(
            endless_w64(), errors.TruncatedRecording, "cut short", id="w64 of 16 exabytes"
        ),
        pytest.param(
            record(tone(1000, 48_000), 48_000, "ac3", "mp4"),
            errors.UnsupportedFormat,
            "'ac-3', which is not read",
            id="Dolby in MP4",
        ),
        pytest.param(
            record(tone(1000, 48_000), 48_000, "libmp3lame", "mp4"),
            errors.UnsupportedFormat,
            "mp3",
            id="MP3 in MP4",
        ),
        pytest.param(
            record(tone(1000, 48_000), 48_000, "mp2", "matroska"),
            errors.UnsupportedFormat,
            "mp2",
            id="MP2 in Matroska",
        ),
        pytest.param(
            film(onset(), 48_000, "mp4", ("mpeg4", "aac")).replace(b"soun", b"text"),
            errors.EmptyRecording,
            "no sound track",
            id="silent film",
        ),
        pytest.param(mp4_of_hours(), errors.RecordingTooLong, "600 s", id="mp4 of hours"),
        pytest.param(huge_claim(), errors.RecordingTooLong, "600 s", id="claims hours"),
        pytest.param(
            encode(np.zeros(500_000 * 121), rate=500_000, container="FLAC"),
            errors.RecordingTooLong,
            "at most 120 s",
            id="more than memory",
        ),
        pytest.param(
            encode(np.zeros(4000), rate=2_000), errors.UnsupportedSampleRate, "2000", id="2 kHz"
        ),
        pytest.param(
            encode(np.zeros(600_000), rate=600_000),
            errors.UnsupportedSampleRate,
            "600000",
            id="600 kHz",
        ),
        pytest.param(
            encode(np.zeros((1600, 33))), errors.TooManyChannels, "33 channels", id="33 channels"
        ),
        pytest.param(
            encode(np.zeros(4_000 * 601), rate=4_000, container="FLAC"),
            errors.RecordingTooLong,
            "601 s",
            id="ten minutes and a second",
        ),
    ],
)
def test_bad_audio_is_refused_with_a_reason(
    data: bytes, error: type[errors.BadRecording], says: str
) -> None:
    with pytest.raises(error, match=says):
        decode(data)


_FILES = {
    container: encode(sound("gunshot")[:8000], container=container)
    for container in ("WAV", "FLAC", "OGG", "MP3")
} | {
    container: record(sound("gunshot")[:24_000], 48_000, codec, container)
    for codec, container in (("aac", "ipod"), ("aac", "adts"), ("libopus", "webm"))
}


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(_FILES)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=20),
    st.floats(0.0, 1.0),
)
def test_a_damaged_file_is_decoded_or_refused_never_a_crash(
    container: str, changes: list[tuple[float, int]], keep: float
) -> None:
    data = bytearray(_FILES[container][: max(1, int(keep * len(_FILES[container])))])
    for where, value in changes:
        data[min(int(where * len(data)), len(data) - 1)] = value
    try:
        waveform = decode(bytes(data))
    except errors.BadRecording:
        return
    assert np.isfinite(waveform.samples).all()
