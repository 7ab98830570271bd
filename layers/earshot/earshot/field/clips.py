"""Clips: short pieces of a recording, kept so that a person can listen."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import soundfile

if TYPE_CHECKING:
    from earshot.recording import Samples

# What is heard before and after a detection's surest window.
AROUND_S = 1.0
MOST_S = 8.0
# As 16-bit samples these are 4 MB: what the API can answer.
MOST_FRAMES = 2_000_000
MEDIA_TYPES = {".flac": "audio/flac", ".wav": "audio/wav"}


@dataclass(frozen=True)
class Clip:
    """The stretch from ``start_s`` to ``end_s`` of a recording, kept under ``name``."""

    name: str
    start_s: float
    end_s: float


def around(peak_s: float, window_s: float, duration_s: float, sample_rate: int, mark: str) -> Clip:
    """The clip of a window that starts at ``peak_s``, with what is around it.

    At most MOST_S and MOST_FRAMES, the window in the middle. ``mark`` sets apart clips of other
    content, or of what another model heard.
    """
    most_s = min(window_s + 2 * AROUND_S, MOST_S, MOST_FRAMES / sample_rate)
    middle_s = (peak_s + min(peak_s + window_s, duration_s)) / 2
    start_s = round(max(middle_s - most_s / 2, 0.0), 3)
    end_s = round(min(middle_s + most_s / 2, duration_s), 3)
    return Clip(name(mark, start_s, end_s, suffix_at(sample_rate)), start_s, end_s)


def suffix_at(sample_rate: int) -> str:
    """What a clip's name ends with: ``.flac``, or ``.wav`` at rates that FLAC does not take."""
    # Any FLAC player takes these; libsndfile writes no others.
    return ".flac" if sample_rate < 1 << 16 or sample_rate % 10 == 0 else ".wav"


def name(mark: str, start_s: float, end_s: float, suffix: str) -> str:
    """What a clip is called: the same stretch of the same content always the same."""
    return f"{mark}-{start_s:010.3f}-{end_s:010.3f}{suffix}"


def media_type(clip: str) -> str:
    """What a clip's name says of its kind."""
    return MEDIA_TYPES[clip[clip.rindex(".") :]]


def encode(samples: Samples, sample_rate: int, clip: str) -> bytes:
    """A clip's audio, 16-bit, in the kind that its name says."""
    kind = clip[clip.rindex(".") + 1 :].upper()
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate, format=kind, subtype="PCM_16")
    return file.getvalue()
