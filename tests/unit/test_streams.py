"""What a stream gives is what decoding the whole file gives, in whatever pieces it is read."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import sparse
from conftest import encode
from earshot import errors
from earshot.audio import decode, resample, streams
from earshot.audio.streams import opened, resampled
from earshot.recording import Waveform
from hypothesis import given, settings
from hypothesis import strategies as st
from media import record

RATE = 16_000
FRAMES = 6 * RATE + 123


@pytest.fixture(scope="module", autouse=True)
def small_chunks() -> Iterator[None]:
    """So that seconds of sound do what hours do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "CHUNK", 1 << 12)
        patch.setattr(streams, "BEGIN_EVERY", 4)
        patch.setattr(streams, "RUN_UP", 1 << 13)
        yield


def tape(frames: int = FRAMES, rate: int = RATE) -> Any:
    """Noise over tones: every stretch is unlike any other."""
    time = np.arange(frames) / rate
    noise = 0.1 * np.random.default_rng(6).standard_normal(frames)
    return (noise + 0.3 * np.sin(2 * np.pi * 200 * time * (1 + time / 9))).astype(np.float32)


@cache
def file(name: str) -> bytes:
    """Recordings in every kind of file; big-endian and unusual codings among them."""
    samples = tape()
    match name.split():
        case ["RIFX"]:
            data = io.BytesIO()
            pcm = {"format": "WAV", "subtype": "PCM_16", "endian": "BIG"}
            soundfile.write(data, samples, RATE, **pcm)
            return data.getvalue()
        case ["stereo", container]:
            return encode(np.stack([samples, samples[::-1]], axis=1), RATE, container)
        case ["ffmpeg", codec, container]:
            depth = {"sample_format": "s16"} if codec == "flac" else {}
            tones = (samples * 32767).astype(np.int16) if depth else tape(FRAMES * 3, 48_000)
            return record(tones, RATE if depth else 48_000, codec, container, **depth)
        case [container, *subtype]:
            return encode(samples, RATE, container, *subtype)
    raise ValueError(name)


EXACT = (
    *("WAV PCM_16", "WAV PCM_24", "WAV FLOAT", "WAV ULAW", "WAV MS_ADPCM", "WAV IMA_ADPCM"),
    *("RIFX", "RF64", "W64", "FLAC", "stereo WAV", "stereo FLAC", "OGG VORBIS"),
    # Decoded whole.
    *("WAV GSM610", "ffmpeg aac ipod", "ffmpeg libopus webm", "ffmpeg flac ogg"),
)
# Where a decoder begins, these round in another way, and Opus goes on listening for a while.
CLOSE = {"MP3": 1e-5, "OGG OPUS": 2e-3, "stereo MP3": 1e-5}


@cache
def whole(name: str) -> Waveform:
    return decode(file(name))


stretches = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30_000)), min_size=1, max_size=6)


@pytest.mark.parametrize("name", [*EXACT, *CLOSE])
@settings(max_examples=12, deadline=None)
@given(wanted=stretches)
def test_any_stretch_in_any_order_is_that_of_the_whole(
    name: str, wanted: list[tuple[float, int]]
) -> None:
    samples = whole(name).samples
    with opened(io.BytesIO(file(name))) as stream, opened(io.BytesIO(file(name))) as ordered:
        assert (stream.frames, stream.sample_rate) == (len(samples), whole(name).sample_rate)
        assert not stream.cut
        read = np.concatenate([ordered.read(at, at + 1000) for at in range(0, len(samples), 1000)])
        for share, length in wanted:
            start = int(share * len(samples))
            piece = stream.read(start, start + length)
            # The same bits as for one who reads on and on, for results must not depend on it.
            np.testing.assert_array_equal(piece, read[start : start + length])
    np.testing.assert_allclose(read, samples, rtol=0, atol=CLOSE.get(name, 0))


class Mindful:
    """A decoder whose sound is how many frames it decoded since it was opened."""

    sample_rate, channels, frames = RATE, 1, 40 * (1 << 12)
    can_seek, is_told, unread, coding = True, True, 0, "MPEG_LAYER_III"

    def __init__(self, *_: object) -> None:
        self.reopen()

    def reopen(self) -> None:
        self._decoded = 0

    def seek(self, frame: int) -> None:
        pass

    def reaches(self, frame: int) -> bool:
        return frame < self.frames

    def read(self, frames: int) -> Any:
        self._decoded += frames
        return np.arange(self._decoded - frames, self._decoded, dtype=np.float32) / self.frames

    def close(self) -> None:
        pass


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 39), min_size=1, max_size=20))
def test_what_a_lossy_decoder_heard_before_makes_no_difference(order: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "Reader", Mindful)
        for number in order:
            start, stop = number * streams.CHUNK, (number + 1) * streams.CHUNK
            with opened(io.BytesIO(b"\xff\xfb")) as stream:
                alone = stream.read(start, stop)
            with opened(io.BytesIO(b"\xff\xfb")) as stream:
                for other in order:
                    heard = stream.read(other * streams.CHUNK, (other + 1) * streams.CHUNK)
                    if other == number:
                        np.testing.assert_array_equal(heard, alone)


def test_what_lies_beyond_the_ends_is_left_out() -> None:
    with opened(io.BytesIO(file("FLAC"))) as stream:
        assert len(stream.read(-100, 10)) == 10
        assert len(stream.read(FRAMES - 10, FRAMES + 100)) == 10
        assert not len(stream.read(FRAMES, FRAMES + 1))
        assert not len(stream.read(5, 5))


def test_a_long_mp3_is_read_at_the_right_place() -> None:
    """Half a minute, over and over: what is heard late was heard in the second round."""
    data = io.BytesIO()
    with soundfile.SoundFile(
        data, "w", RATE, 1, format="MP3", bitrate_mode="CONSTANT", compression_level=0.9
    ) as mp3:
        mp3.write(tape(30 * RATE))
    # MPEG 2, layer III: 576 samples to a frame; the first holds no sound, but a Xing header.
    one = data.getvalue()
    length = one.index(b"\xff\xf3", 4)
    frames = len(one) // length - 1
    period = 576 * frames
    with opened(io.BytesIO(one[length:] * 40)) as stream:
        assert stream.duration_s == pytest.approx(1200, rel=0.01)
        for turn in (39, 20):
            late = stream.read(turn * period + 5000, turn * period + 25_000)
            early = stream.read(period + 5000, period + 25_000)
            np.testing.assert_allclose(late, early, rtol=0, atol=1e-5)


def test_an_mp3_that_hides_its_length_is_refused_not_heard_in_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At a variable bit rate and without a Xing header it would end in the middle."""
    monkeypatch.setattr(streams, "MAX_UNREAD_BYTES", 10_000)
    loud, quiet = (
        mp3[mp3.index(b"\xff\xf3", 4) :]
        for mp3 in (file("MP3"), encode(np.zeros(8 * RATE), RATE, "MP3"))
    )
    with (
        pytest.raises(errors.UndecodableRecording, match="no Xing header"),
        opened(io.BytesIO(loud + quiet)),
    ):
        pass
    with opened(io.BytesIO(quiet + loud)) as stream:
        assert stream.duration_s == pytest.approx(14.0, abs=0.2)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([(8_000, 16_000), (44_100, 16_000), (96_000, 16_000), (16_001, 22_050)])
    | st.tuples(st.integers(4_000, 100_000), st.sampled_from([16_000, 22_050, 384_000])),
    st.integers(800, 60_000),
    st.floats(0, 1),
    st.integers(1, 40_000),
)
def test_a_piece_at_another_rate_is_that_of_the_whole(
    rates: tuple[int, int], frames: int, share: float, length: int
) -> None:
    waveform = Waveform(tape(frames), rates[0])
    expected = resample(waveform, rates[1]).samples
    stream = streams.Stream(
        rates[0], frames, cut=False, _piece=lambda start, stop: waveform.samples[start:stop]
    )
    heard = resampled(stream, rates[1])
    assert (heard.frames, heard.sample_rate) == (len(expected), rates[1])
    start = int(share * len(expected))
    piece = heard.read(start, start + length)
    np.testing.assert_allclose(piece, expected[start : start + length], rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", ["WAV PCM_16", "RIFX", "RF64", "W64", "FLAC", "OGG VORBIS", "MP3"])
@settings(max_examples=12, deadline=None)
@given(keep=st.floats(0.4, 0.999))
def test_a_recording_cut_short_goes_as_far_as_its_file(name: str, keep: float) -> None:
    data = file(name)[: int(keep * len(file(name)))]
    with opened(io.BytesIO(data)) as stream:
        assert stream.cut == (name != "MP3"), "an MP3 has no sizes"
        heard = stream.read(0, stream.frames)
    assert len(heard) == stream.frames
    # What is lost is a block or a page, in Ogg a second.
    assert len(heard) / FRAMES == pytest.approx(keep, abs=0.25 if name == "OGG VORBIS" else 0.06)
    np.testing.assert_allclose(heard[:-1200], whole(name).samples[: len(heard)][:-1200], atol=1e-5)
    if name != "MP3":
        with pytest.raises(errors.BadRecording):
            decode(data)


def unfinished(name: str) -> bytes:
    """A recording whose recorder died, or wrote to a pipe: its length was never filled in."""
    kind, _, claim = name.partition(" ")
    data = bytearray(file("WAV PCM_16" if kind == "WAV" else kind))
    at = data.find(b"data") + 4
    match kind:
        case "WAV" | "RIFX":
            struct.pack_into(">I" if kind == "RIFX" else "<I", data, 4, int(claim, 16))
            struct.pack_into(">I" if kind == "RIFX" else "<I", data, at, int(claim, 16))
        case "RF64":
            struct.pack_into("<Q", data, 28, int(claim, 16))
        case "W64":
            struct.pack_into("<Q", data, at + 12, int(claim, 16))
        case "FLAC":
            data[21] &= 0xF0
            data[22:26] = bytes(4)
    return bytes(data)


@pytest.mark.parametrize(
    "name",
    [
        *("WAV 0", "WAV ffffffff", "WAV 7fffffff", "WAV 7ffff000", "RIFX 0", "RF64 0"),
        *("RF64 ffffffffffffffff", "W64 0", "W64 18", "FLAC"),
    ],
)
def test_a_length_that_was_never_filled_in_is_that_of_the_file(name: str) -> None:
    with opened(io.BytesIO(unfinished(name))) as stream:
        assert not stream.cut
        heard = stream.read(0, stream.frames)
        np.testing.assert_array_equal(stream.read(5000, 6000), heard[5000:6000])
    finished = whole("FLAC" if name == "FLAC" else "WAV PCM_16").samples
    np.testing.assert_array_equal(heard, finished)


@pytest.mark.parametrize("container", ["RF64", "W64"])
def test_more_than_four_gigabytes_are_read_to_the_end(container: str, tmp_path: Path) -> None:
    path, frames = tmp_path / "night", 3 << 30
    sparse.write(path, container, 48_000, frames)
    sparse.place(path, 48_000, b"\0\x40" * 4800, before_end_s=0.1)
    with path.open("rb") as file, opened(file) as stream:
        assert (stream.frames, stream.cut) == (frames, False)
        assert not stream.read(1 << 31, (1 << 31) + 10).any()
        np.testing.assert_array_equal(stream.read(frames - 4801, frames), [0] + [0.5] * 4800)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1000)
    with path.open("rb") as file, opened(file) as stream:
        assert (stream.frames, stream.cut) == (frames - 500, True)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(b"", errors.EmptyRecording, id="empty"),
        pytest.param(b"hello, I am text", errors.UnsupportedFormat, id="text"),
        pytest.param(encode(np.zeros(0)), errors.EmptyRecording, id="no samples"),
        pytest.param(encode(np.zeros(1)), errors.RecordingTooShort, id="one sample"),
        pytest.param(b"RIFF\x24\0\0\0WAVEfmt ", errors.UndecodableRecording, id="header only"),
        pytest.param(b"fLaC" + bytes(100), errors.UndecodableRecording, id="flac"),
        pytest.param(encode(np.zeros(4000), 2_000), errors.UnsupportedSampleRate, id="2 kHz"),
        pytest.param(encode(np.zeros((1600, 33))), errors.TooManyChannels, id="33 channels"),
        pytest.param(file("ffmpeg aac ipod")[:-1], errors.TruncatedRecording, id="m4a"),
        pytest.param(
            encode(np.zeros(8_000 * 601), 8_000, "WAV", "GSM610"), errors.RecordingTooLong, id="GSM"
        ),
    ],
)
def test_what_decode_refuses_is_refused(data: bytes, error: type[errors.BadRecording]) -> None:
    with pytest.raises(error), opened(io.BytesIO(data)):
        pass


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (np.nan, errors.NonFiniteSamples),
        (np.inf, errors.NonFiniteSamples),
        (1e19, errors.SamplesOutOfScale),
    ],
)
def test_bad_samples_are_refused_where_they_are_met(
    value: float, error: type[errors.BadRecording]
) -> None:
    samples = tape()
    samples[50_000] = value
    with opened(io.BytesIO(encode(samples, subtype="FLOAT"))) as stream:
        np.testing.assert_array_equal(stream.read(0, 40_000), samples[:40_000])
        with pytest.raises(error):
            stream.read(49_000, 51_000)


def test_a_week_is_heard_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "eight days.wav"
    sparse.write(path, "RF64", 4_000, 8 * 86_400 * 4_000)
    with (
        path.open("rb") as file,
        pytest.raises(errors.RecordingTooLong, match=r"8\.0 days; at most 7"),
        opened(file),
    ):
        pass


def test_what_is_decoded_whole_may_not_be_large(monkeypatch: pytest.MonkeyPatch) -> None:
    data = file("ffmpeg aac ipod")
    monkeypatch.setattr(streams, "MAX_WHOLE_BYTES", len(data) - 1)
    with pytest.raises(errors.RecordingTooLarge), opened(io.BytesIO(data)):
        pass


class Line(io.BytesIO):
    """A file at the other end of a line, which breaks after so many reads."""

    left = 1 << 30
    fault: BaseException = ConnectionError("the line is cut")

    def read(self, size: int | None = -1, /) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise self.fault
        return super().read(size)


@pytest.mark.parametrize("name", ["WAV PCM_16", "FLAC", "OGG VORBIS", "OGG OPUS", "MP3"])
@pytest.mark.parametrize("fault", [ConnectionError("the line is cut"), KeyboardInterrupt()])
def test_a_line_that_works_again_is_read_on(name: str, fault: BaseException) -> None:
    line = Line(file(name))
    with opened(line) as stream:
        before = stream.read(0, 3000)
        line.left, line.fault = 0, fault
        with pytest.raises(type(fault)):
            stream.read(0, stream.frames)
        line.left = 1 << 30
        heard = stream.read(0, stream.frames)
    np.testing.assert_array_equal(heard[:3000], before)
    np.testing.assert_allclose(heard, whole(name).samples, rtol=0, atol=CLOSE.get(name, 0))


@pytest.mark.parametrize("name", ["WAV PCM_16", "W64", "FLAC", "OGG VORBIS", "OGG OPUS", "MP3"])
def test_a_file_that_cannot_be_read_is_not_called_damaged(name: str) -> None:
    """Wherever the line breaks: C code would take it for the file's end."""
    broken = 0
    for reads in range(120):
        line = Line(file(name))
        line.left = reads
        try:
            with opened(line) as stream:
                heard = stream.read(0, stream.frames)
        except ConnectionError:
            broken += 1
        else:
            assert len(heard) == FRAMES
    assert broken > 10
