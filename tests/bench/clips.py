"""The clips that all are asked about: four seconds, WAV, 16 kHz, 16 bits, each another."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import soundfile

from infra.local.sounds.surveillance import DURATION_S, RATE, SOUNDS

MANY = 16


@cache
def clips() -> tuple[bytes, ...]:
    """Sounds of every label."""
    makers = list(SOUNDS.values())
    return tuple(wav(makers[n % len(makers)](np.random.default_rng(n))) for n in range(MANY))


def wav(samples: np.ndarray) -> bytes:
    """A recording as its file."""
    file = io.BytesIO()
    soundfile.write(file, samples[: int(RATE * DURATION_S)], RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()
