"""Bytes in, Waveform out: decode, check, mix to mono, resample."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from earshot.audio import containers, sndfile
from earshot.errors import (
    EmptyRecording,
    NonFiniteSamples,
    RecordingTooLong,
    RecordingTooShort,
    SamplesOutOfScale,
    TooManyChannels,
    TruncatedRecording,
    UnsupportedFormat,
    UnsupportedSampleRate,
)
from earshot.recording import Waveform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from earshot.audio.containers import Track
    from earshot.recording import Samples

MIN_DURATION_S = 0.1
MAX_DURATION_S = 600.0
MIN_SAMPLE_RATE = 4_000
MAX_SAMPLE_RATE = 500_000
# From this rate on the recorder is after ultrasound: calls of milliseconds, nothing of use below.
ULTRASOUND = 96_000
MAX_CHANNELS = 32
# Floats a little over full scale happen; hundreds of times over are integers in disguise.
MAX_AMPLITUDE = 100.0
# Ten minutes at 96 kHz, 240 MB once decoded: a small file may claim much, a Lambda has little.
MAX_FRAMES = 60_000_000

FORMATS = "WAV, FLAC, OGG, MP3, M4A, AAC, Opus or WebM"
SUFFIXES = (
    *(".wav", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
    *(".m4a", ".mp4", ".3gp", ".aac", ".webm"),
)

# Where formats put what they are known by; EBML's mark is that of Matroska as well.
_MARKS = (
    ("w64", 0, b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"),
    ("flac", 0, b"fLaC"),
    ("ogg", 0, b"OggS"),
    ("mp4", 4, b"ftyp"),
    ("webm", 0, b"\x1a\x45\xdf\xa3"),
)


def audio_format(data: bytes) -> str | None:
    """Tell the kind of audio by content, as ``file_format`` does."""
    return file_format(io.BytesIO(data))


def file_format(file: BinaryIO) -> str | None:
    """Tell the kind of audio in a file that can seek, by content.

    One of ``wav``, ``w64``, ``flac``, ``ogg``, ``mp3``, ``mp4``, ``aac``, ``webm``; None for
    anything else.
    """
    file.seek(0)
    head = file.read(16)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    for kind, place, mark in _MARKS:
        if head.startswith(mark, place):
            return kind
    file.seek(containers.id3_size(head))
    if containers.is_adts(file.read(2)):
        return "aac"
    # An MPEG frame starts with eleven set bits and, for layer III, the layer bits 01.
    if head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
        return "mp3"
    return None


def decode(data: bytes) -> Waveform:
    """Decode a whole file to mono at its own sample rate; several channels are averaged.

    Raises a BadRecording: EmptyRecording, UnsupportedFormat, UndecodableRecording,
    TruncatedRecording, RecordingTooShort, RecordingTooLong, UnsupportedSampleRate,
    TooManyChannels, NonFiniteSamples or SamplesOutOfScale.
    """
    kind = known_format(io.BytesIO(data))
    samples, sample_rate = _read(data, kind)
    check_samples(samples)
    check_duration(len(samples), sample_rate)
    return Waveform(samples, sample_rate)


def known_format(file: BinaryIO) -> str:
    """The same as ``file_format``; raises EmptyRecording or UnsupportedFormat."""
    if not file.seek(0, io.SEEK_END):
        raise EmptyRecording("The file is empty (0 bytes). Send a recording.")
    kind = file_format(file)
    if kind is None:
        raise UnsupportedFormat(
            f"The content is not audio that Earshot reads. Send {FORMATS}; "
            "the file's name and content type are not looked at."
        )
    return kind


def check_header(sample_rate: int, channels: int) -> None:
    """Raises UnsupportedSampleRate or TooManyChannels."""
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise UnsupportedSampleRate(
            f"The sample rate is {sample_rate} Hz; between {MIN_SAMPLE_RATE} and "
            f"{MAX_SAMPLE_RATE} Hz can be used."
        )
    if channels > MAX_CHANNELS:
        raise TooManyChannels(
            f"The recording has {channels} channels; at most {MAX_CHANNELS} can be mixed to mono."
        )


def check_samples(samples: Samples) -> None:
    """Raises NonFiniteSamples or SamplesOutOfScale; there is at least one sample."""
    peak = max(samples.max(), -samples.min())
    if not np.isfinite(peak):
        raise NonFiniteSamples(
            "The recording holds NaN or infinite samples. Export it again as integer PCM."
        )
    if peak > MAX_AMPLITUDE:
        raise SamplesOutOfScale(
            f"Samples reach {peak:.3g} times full scale. Export the recording as "
            "integer PCM, or divide the samples so that they lie within ±1."
        )


def check_duration(frames: int, sample_rate: int) -> None:
    """Raises EmptyRecording or RecordingTooShort."""
    if not frames:
        raise EmptyRecording("The file holds no samples. Send a recording with sound.")
    if frames < MIN_DURATION_S * sample_rate:
        raise RecordingTooShort(
            f"The recording lasts {frames / sample_rate:.4f} s; "
            f"at least {MIN_DURATION_S} s are needed."
        )


def _read(data: bytes, kind: str) -> tuple[Samples, int]:
    """Decode to mono float32 ``[n]`` and the rate, with the limits checked before the samples."""
    if containers.is_cut(io.BytesIO(data), kind):
        raise TruncatedRecording(
            f"The {kind} file is cut short: by its own structure it goes on after the "
            f"{len(data)} bytes it has. Upload it again."
        )
    with _opened(data, kind) as track:
        check_header(track.sample_rate, track.channels)
        limit = min(int(MAX_DURATION_S * track.sample_rate), MAX_FRAMES)
        if track.promised > limit:
            raise _too_long(track.promised, limit, track.sample_rate)
        samples = _mono(track.blocks, limit, track.sample_rate)
    if kind == "flac" and len(samples) < track.promised:
        raise TruncatedRecording(
            f"The {kind} file is cut short: its header promises more audio than the "
            f"{len(samples) / track.sample_rate:.3f} s it holds. Upload it again."
        )
    if not len(samples):
        raise EmptyRecording(f"The {kind} file holds no samples. Send a recording with sound.")
    return samples, track.sample_rate


def needs_ffmpeg(file: BinaryIO, kind: str) -> bool:
    """Whether libsndfile, as its wheels have it, does not read this; FLAC in Ogg it does not."""
    return kind in ("mp4", "aac", "webm") or (kind == "ogg" and containers.is_ogg_flac(file))


def _opened(data: bytes, kind: str) -> AbstractContextManager[Track]:
    if needs_ffmpeg(io.BytesIO(data), kind):
        from earshot.audio import ffmpeg  # PyAV takes 70 ms and 17 MB

        return ffmpeg.opened(data, kind)
    return sndfile.opened(data, kind)


def _mono(blocks: Iterator[Samples], limit: int, sample_rate: int) -> Samples:
    """The mean of the channels, block by block, until the end or the limit."""
    # The system gives memory when it is first written to: as much as there are samples.
    samples = np.empty(limit, dtype=np.float32)
    length = 0
    for block in blocks:
        start, length = length, length + len(block)
        if length > limit:
            raise _too_long(length, limit, sample_rate)
        # Floats near the largest there are have no sum; the infinity is refused later.
        with np.errstate(over="ignore", invalid="ignore"):
            block.mean(axis=1, out=samples[start:length])
    samples.resize(length, refcheck=False)
    return samples


def _too_long(frames: int, limit: int, sample_rate: int) -> RecordingTooLong:
    return RecordingTooLong(
        f"The recording lasts {frames / sample_rate:.0f} s or more; at {sample_rate} Hz at most "
        f"{limit / sample_rate:.0f} s are taken here. Put a longer one into the recordings bucket, "
        "under recordings/<site>/."
    )


def resample(waveform: Waveform, sample_rate: int) -> Waveform:
    """The same sound at another rate (soxr, high quality); itself when nothing changes."""
    if waveform.sample_rate == sample_rate:
        return waveform
    import soxr  # 70 ms to import, and most recordings come at the model's own rate

    samples = soxr.resample(waveform.samples, waveform.sample_rate, sample_rate)
    return Waveform(np.ascontiguousarray(samples, dtype=np.float32), sample_rate)
