"""Bytes in, Waveform out: decode, check, mix to mono, resample."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from earshot.errors import (
    EmptyRecording,
    NonFiniteSamples,
    RecordingTooLong,
    RecordingTooShort,
    SamplesOutOfScale,
    TooManyChannels,
    TruncatedRecording,
    UndecodableRecording,
    UnsupportedFormat,
    UnsupportedSampleRate,
)
from earshot.recording import Waveform

if TYPE_CHECKING:
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
BLOCK = 1 << 18

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")

# RIFF sizes that a streaming writer leaves when it does not know the length.
_UNKNOWN_SIZES = (0, 0xFFFFFFFF, 0x7FFFFFFF)


def audio_format(data: bytes) -> str | None:
    """Tell the kind of audio by its first bytes: ``wav``, ``flac``, ``ogg``, ``mp3`` or None."""
    head = data[:12]
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    # An MPEG frame starts with eleven set bits and, for layer III, the layer bits 01.
    if head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
        return "mp3"
    return None


def decode(data: bytes) -> Waveform:
    """Decode a whole file to mono at its own sample rate; several channels are averaged.

    Raises a BadRecording: EmptyRecording, UnsupportedFormat, UndecodableRecording,
    TruncatedRecording, RecordingTooShort, RecordingTooLong, UnsupportedSampleRate,
    TooManyChannels or NonFiniteSamples.
    """
    if not data:
        raise EmptyRecording("The file is empty (0 bytes). Send a recording.")
    kind = audio_format(data)
    if kind is None:
        raise UnsupportedFormat(
            "The content is not audio that Earshot reads. Send WAV, FLAC, OGG or MP3; "
            "the file's name and content type are not looked at."
        )
    samples, sample_rate = _read(data, kind)
    if not np.isfinite(samples).all():
        raise NonFiniteSamples(
            "The recording holds NaN or infinite samples. Export it again as integer PCM."
        )
    if np.abs(samples).max() > MAX_AMPLITUDE:
        raise SamplesOutOfScale(
            f"Samples reach {np.abs(samples).max():.3g} times full scale. Export the recording as "
            "integer PCM, or divide the samples so that they lie within ±1."
        )
    if len(samples) < MIN_DURATION_S * sample_rate:
        raise RecordingTooShort(
            f"The recording lasts {len(samples) / sample_rate:.4f} s; "
            f"at least {MIN_DURATION_S} s are needed."
        )
    return Waveform(samples, sample_rate)


def _read(data: bytes, kind: str) -> tuple[Samples, int]:
    """Decode to mono float32 ``[n]`` and the rate, with the limits checked before the samples."""
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            sample_rate, channels, promised = file.samplerate, file.channels, file.frames
            _check_header(sample_rate, channels)
            limit = min(int(MAX_DURATION_S * sample_rate), MAX_FRAMES)
            if promised > limit and kind != "mp3":
                raise _too_long(promised, limit, sample_rate)
            samples = _mono(file, limit, sample_rate)
    except soundfile.LibsndfileError as error:
        raise UndecodableRecording(
            f"The {kind} file is damaged: {error.error_string.strip().rstrip('.')}. "
            "Check that it plays, or export it again."
        ) from error
    if _is_cut(data, kind, len(samples), promised):
        raise TruncatedRecording(
            f"The {kind} file is cut short: its header promises more audio than the "
            f"{len(samples) / sample_rate:.3f} s it holds. Upload it again."
        )
    if not len(samples):
        raise EmptyRecording(f"The {kind} file holds no samples. Send a recording with sound.")
    return samples, sample_rate


def _mono(file: soundfile.SoundFile, limit: int, sample_rate: int) -> Samples:
    """The mean of the channels, block by block, until the end or the limit."""
    blocks: list[Samples] = []
    length = 0
    for block in file.blocks(BLOCK, dtype="float32", always_2d=True):
        blocks.append(block[:, 0] if block.shape[1] == 1 else block.mean(axis=1))
        length += len(block)
        if length > limit:
            raise _too_long(length, limit, sample_rate)
    return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.float32)


def _check_header(sample_rate: int, channels: int) -> None:
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise UnsupportedSampleRate(
            f"The sample rate is {sample_rate} Hz; between {MIN_SAMPLE_RATE} and "
            f"{MAX_SAMPLE_RATE} Hz can be used."
        )
    if channels > MAX_CHANNELS:
        raise TooManyChannels(
            f"The recording has {channels} channels; at most {MAX_CHANNELS} can be mixed to mono."
        )


def _too_long(frames: int, limit: int, sample_rate: int) -> RecordingTooLong:
    return RecordingTooLong(
        f"The recording lasts {frames / sample_rate:.0f} s or more; at {sample_rate} Hz at most "
        f"{limit / sample_rate:.0f} s are taken here. Put a longer one into the recordings bucket, "
        "under recordings/<site>/."
    )


def _is_cut(data: bytes, kind: str, decoded: int, promised: int) -> bool:
    """Whether fewer samples came out than the file's own header promises."""
    # libsndfile trims its frame count to what is there, so the containers have to be asked.
    if kind == "wav":
        return _wav_data_missing(data)
    if kind == "ogg":
        return not _ogg_is_ended(data)
    # An MP3 without a Xing header has only an estimate of its length.
    return kind != "mp3" and decoded < promised


def _wav_data_missing(data: bytes) -> bool:
    """Whether the ``data`` chunk of a RIFF file claims more bytes than the file holds."""
    if data[:4] == b"RF64":
        return False
    order = ">" if data[:4] == b"RIFX" else "<"
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], struct.unpack_from(order + "I", data, at + 4)[0]
        if name == b"data":
            return size not in _UNKNOWN_SIZES and at + 8 + size > len(data)
        at += 8 + size + (size & 1)
    return True


def _ogg_is_ended(data: bytes) -> bool:
    """Whether the last Ogg page carries the end-of-stream flag (RFC 3533, section 6)."""
    last = data.rfind(b"OggS")
    return last + 5 < len(data) and bool(data[last + 5] & 0x04)


def resample(waveform: Waveform, sample_rate: int) -> Waveform:
    """The same sound at another rate (soxr, high quality); itself when nothing changes."""
    if waveform.sample_rate == sample_rate:
        return waveform
    import soxr  # 70 ms to import, and most recordings come at the model's own rate

    samples = soxr.resample(waveform.samples, waveform.sample_rate, sample_rate)
    return Waveform(np.ascontiguousarray(samples, dtype=np.float32), sample_rate)
