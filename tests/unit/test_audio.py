from __future__ import annotations

import io
import struct
from typing import Any

import av
import numpy as np
import pytest
from conftest import encode, sound
from earshot import errors
from earshot.audio import audio_format, decode, resample
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from media import FRAGMENTED, LIVE, film, onset, record, tone


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
        ("W64", None),
        ("WAV", "ULAW"),
        ("WAV", "MS_ADPCM"),
        ("WAV", "GSM610"),
        ("WAV", "G721_32"),
        ("AIFF", None),
    ],
)
def test_the_kind_is_told_by_content(container: str, subtype: str | None) -> None:
    data = encode(tone(1000, 16_000), container=container, subtype=subtype)
    if container == "AIFF":
        with pytest.raises(errors.UnsupportedFormat, match="WAV, FLAC, OGG, MP3, M4A"):
            decode(data)
        return
    waveform = decode(data)
    assert waveform.sample_rate == 16_000
    assert waveform.duration_s == pytest.approx(1.0, abs=0.1)
    assert loudest_hz(waveform.samples, 16_000) == pytest.approx(1000, abs=2)


# How late a sound may come, in seconds: an encoder's delay, where the file does not tell it.
UNTOLD = 0.05


@pytest.mark.parametrize(
    ("kind", "data", "late_s"),
    [
        pytest.param("mp4", record(onset(), 48_000, "aac", "ipod"), 0.0, id="m4a of a phone"),
        pytest.param("mp4", record(onset(), 48_000, "aac", "3gp"), 0.0, id="3gp"),
        pytest.param("mp4", record(onset(), 48_000, "libopus", "mp4"), 0.0, id="Opus in MP4"),
        pytest.param(
            "mp4", record(onset(), 48_000, "aac", "mp4", **FRAGMENTED), UNTOLD, id="fragmented MP4"
        ),
        pytest.param("mp4", film(onset(), 48_000, "mp4", ("mpeg4", "aac")), 0.0, id="film"),
        pytest.param("mp4", film(onset(), 48_000, "mp4", ("mjpeg", "aac")), 0.0, id="cover"),
        pytest.param("aac", record(onset(), 48_000, "aac", "adts"), UNTOLD, id="bare AAC"),
        pytest.param(
            "aac",
            b"ID3\x04\0\0\0\0\0\x14" + bytes(20) + record(onset(), 48_000, "aac", "adts"),
            UNTOLD,
            id="tagged AAC",
        ),
        pytest.param("webm", record(onset(), 48_000, "libopus", "webm"), 0.0, id="WebM"),
        pytest.param(
            "webm", record(onset(), 48_000, "libopus", "webm", **LIVE), 0.0, id="MediaRecorder"
        ),
        pytest.param("webm", film(onset(), 48_000, "webm", ("libvpx", "libopus")), 0.0, id="video"),
        pytest.param("ogg", record(onset(), 48_000, "libopus", "ogg"), 0.0, id="Opus in Ogg"),
    ],
)
def test_what_phones_and_browsers_record_is_heard_in_time(
    kind: str, data: bytes, late_s: float
) -> None:
    assert audio_format(data) == kind
    waveform = decode(data)
    assert waveform.sample_rate == 48_000
    assert loudest_hz(waveform.samples, 48_000) == pytest.approx(1000, abs=2)
    start = np.argmax(np.abs(waveform.samples) > 0.05) / 48_000
    assert start - 0.5 == pytest.approx(late_s / 2, abs=0.001 + late_s / 2)
    assert waveform.duration_s - 2 == pytest.approx(late_s / 2, abs=0.003 + late_s / 2)


@pytest.mark.parametrize("bits", [16, 24])
def test_lossless_formats_of_ffmpeg_are_the_same_sound_as_a_wav(bits: int) -> None:
    rng = np.random.default_rng(0)
    if bits == 16:
        samples = rng.integers(-(2**15), 2**15, (16_000, 2)).astype(np.int16)
        alac = record(samples, 48_000, "alac", "ipod", "s16p")
        flac = record(samples, 48_000, "flac", "ogg", "s16")
    else:
        samples = rng.integers(-(2**23), 2**23, (16_000, 2)).astype(np.int32) << 8
        alac = record(samples, 48_000, "alac", "ipod", "s32p")
        flac = record(samples, 48_000, "flac", "ogg", "s32")
    wav = encode(samples, 48_000, subtype=f"PCM_{bits}")
    assert decode(alac).sha256 == decode(flac).sha256 == decode(wav).sha256


def test_channels_of_a_phone_are_averaged() -> None:
    channels = np.stack([tone(1000, 48_000) * gain for gain in (1, 0.5, 0, 0, 0, 0)], axis=1)
    pcm = (channels * 32767).astype(np.int16)
    wav, m4a = encode(pcm, 48_000), record(pcm, 48_000, "alac", "ipod", "s16p")
    np.testing.assert_allclose(decode(m4a).samples, decode(wav).samples, atol=1e-6)


def test_a_reference_to_another_file_is_not_followed() -> None:
    """FFmpeg would take the samples from the file that a data reference (dref) names."""
    mp4 = record(onset(), 48_000, "aac", "ipod")
    path = b"/etc/hostname"
    alias = bytes(10) + b"\4" + b"root".ljust(27, b"\0") + bytes(12)
    alias += b"\x08" + b"hostname".ljust(63, b"\0") + bytes(16) + b"\0\1\0\1" + bytes(16)
    alias += struct.pack(">hH", 2, len(path)) + path + b"\0" + struct.pack(">h", -1)
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    reference = struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry
    at = mp4.index(b"dref") - 4
    old = struct.unpack_from(">I", mp4, at)[0]
    hostile = bytearray(mp4[:at] + reference + mp4[at + old :])
    for around in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        place = mp4.index(around) - 4
        size = struct.unpack_from(">I", mp4, place)[0]
        struct.pack_into(">I", hostile, place, size + len(reference) - old)
    assert decode(bytes(hostile)).sha256 == decode(mp4).sha256


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


def test_a_streamed_wav_of_unknown_length_is_not_called_truncated() -> None:
    data = bytearray(encode(sound("siren"), subtype="PCM_16"))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    assert decode(bytes(data)).duration_s == pytest.approx(4.0)


def test_a_streamed_flac_of_unknown_length_is_decoded_to_its_end() -> None:
    data = bytearray(encode(sound("siren"), container="FLAC"))
    # STREAMINFO's 36-bit count of samples.
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    whole = decode(encode(sound("siren"), container="FLAC"))
    assert decode(bytes(data)).sha256 == whole.sha256


def test_an_mp3_sounds_as_ffmpeg_hears_it() -> None:
    """Also where one block of decoding goes over into the next."""
    time = np.arange(20 * 48_000) / 48_000
    noise = 0.05 * np.random.default_rng(3).standard_normal(len(time))
    data = encode(noise + 0.3 * np.sin(2 * np.pi * 300 * time * time), 48_000, "MP3")
    with av.open(io.BytesIO(data)) as container:
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    heard = decode(data).samples
    np.testing.assert_allclose(heard, np.concatenate(frames)[: len(heard)], rtol=0, atol=1e-4)
