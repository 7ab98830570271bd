from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from conftest import encode, sound
from earshot import errors
from earshot.audio import decode, resample
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays


def tone(hz: float, rate: int, duration_s: float = 1.0) -> np.ndarray[Any, Any]:
    time = np.arange(int(rate * duration_s)) / rate
    return (0.5 * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def loudest_hz(samples: np.ndarray[Any, Any], rate: int) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples))


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "FLOAT"),
        ("FLAC", None),
        ("OGG", None),
        ("MP3", None),
        ("RF64", None),
        ("AIFF", None),
    ],
)
def test_the_kind_is_told_by_content(container: str, subtype: str | None) -> None:
    data = encode(tone(1000, 16_000), container=container, subtype=subtype)
    if container == "AIFF":
        with pytest.raises(errors.UnsupportedFormat, match="WAV, FLAC, OGG or MP3"):
            decode(data)
        return
    waveform = decode(data)
    assert waveform.sample_rate == 16_000
    assert waveform.duration_s == pytest.approx(1.0, abs=0.1)
    assert loudest_hz(waveform.samples, 16_000) == pytest.approx(1000, abs=2)


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.int16, st.integers(1600, 4000), elements=st.integers(-32768, 32767)),
    st.sampled_from([8_000, 16_000, 22_050, 44_100]),
)
def test_one_sound_has_one_identity_in_every_lossless_container(
    pcm: np.ndarray[Any, Any], rate: int
) -> None:
    if len(pcm) < rate // 10:
        pcm = np.resize(pcm, rate // 10)
    wav = decode(encode(pcm, rate))
    flac = decode(encode(pcm, rate, "FLAC"))
    assert wav.sha256 == flac.sha256
    np.testing.assert_array_equal(wav.samples, flac.samples)


def test_another_sound_or_rate_is_another_identity() -> None:
    samples = sound("siren")
    other = samples.copy()
    other[100] += 0.01
    identities = {
        decode(encode(samples)).sha256,
        decode(encode(other)).sha256,
        decode(encode(samples, rate=22_050)).sha256,
    }
    assert len(identities) == 3


def test_channels_are_averaged() -> None:
    channels = np.stack([tone(200 * (n + 1), 16_000) for n in range(8)], axis=1)
    waveform = decode(encode(channels, subtype="FLOAT"))
    np.testing.assert_allclose(waveform.samples, channels.mean(axis=1), atol=1e-6)


def test_ultrasound_is_taken_at_its_own_rate_and_resampled_for_a_model() -> None:
    waveform = decode(encode(tone(1000, 384_000) / 2 + tone(50_000, 384_000) / 2, 384_000))
    assert waveform.sample_rate == 384_000
    heard = resample(waveform, 16_000)
    assert heard.sample_rate == 16_000
    assert heard.duration_s == pytest.approx(1.0, abs=0.001)
    assert loudest_hz(heard.samples, 16_000) == pytest.approx(1000, abs=2)


def test_nothing_is_done_to_a_recording_at_the_right_rate() -> None:
    waveform = decode(encode(tone(1000, 16_000)))
    assert resample(waveform, 16_000) is waveform


def nan_wav() -> bytes:
    samples = tone(1000, 16_000)
    samples[5] = np.nan
    return encode(samples, subtype="FLOAT")


def half(container: str) -> bytes:
    data = encode(sound("casual"), container=container)
    return data[: len(data) // 2]


def huge_claim() -> bytes:
    """A FLAC header that claims hours for a few bytes."""
    data = bytearray(encode(tone(1000, 16_000), container="FLAC"))
    # STREAMINFO's 36-bit sample count ends 18 bytes into its body, which starts at 8.
    data[21] |= 0x0F
    data[22:26] = b"\xff\xff\xff\xff"
    return bytes(data)


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


def test_a_streamed_wav_of_unknown_length_is_not_called_truncated() -> None:
    data = bytearray(encode(sound("siren"), subtype="PCM_16"))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    assert decode(bytes(data)).duration_s == pytest.approx(4.0)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["WAV", "FLAC", "OGG", "MP3"]),
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


_FILES = {
    container: encode(sound("gunshot")[:8000], container=container)
    for container in ("WAV", "FLAC", "OGG", "MP3")
}
