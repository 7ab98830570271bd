"""Sounds made by us, for the demonstration and the tests: mono float32, full scale ±1.

They are sketches of the real thing (sweeps, bangs with decay and echo, ambience), enough to be
told apart, and free of anybody's rights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE = 16_000


def siren(random: np.random.Generator, duration_s: float = 4.0) -> Samples:
    """A sweep between two pitches, wailing slowly or yelping fast, with its harmonics."""
    time = _time(duration_s)
    low, high = random.uniform(500, 700), random.uniform(1100, 1600)
    pace_hz = random.choice([random.uniform(0.2, 0.4), random.uniform(2.5, 4.0)])
    sweep = np.abs(2 * ((time * pace_hz + random.uniform()) % 1) - 1)
    phase = 2 * np.pi * np.cumsum(low + (high - low) * sweep) / RATE
    tone = np.sin(phase) + np.sin(2 * phase) / 3 + np.sin(3 * phase) / 5
    return _level(_echo(tone, random) + 0.1 * _noise(random, len(time), 1.0), random)


def gunshot(random: np.random.Generator, duration_s: float = 4.0) -> Samples:
    """One to four sharp cracks that die within a tenth of a second, with echoes."""
    return _bangs(
        random, duration_s, count=int(random.integers(1, 5)), decay_s=(0.02, 0.07), colour=0.3
    )


def explosion(random: np.random.Generator, duration_s: float = 4.0) -> Samples:
    """One low boom that rolls for a second or more."""
    return _bangs(random, duration_s, count=1, decay_s=(0.4, 1.2), colour=1.8)


def casual(random: np.random.Generator, duration_s: float = 4.0) -> Samples:
    """Wind and traffic that come and go, now and then a bird."""
    time = _time(duration_s)
    swell = 1 + 0.5 * np.sin(2 * np.pi * random.uniform(0.1, 0.5) * time + random.uniform(0, 6))
    sound = swell * _noise(random, len(time), random.uniform(0.6, 1.4))
    for _ in range(random.integers(0, 5)):
        pitch, start = random.uniform(2500, 5000), random.uniform(0, duration_s - 0.2)
        inside = np.exp(-(((time - start - 0.1) / 0.04) ** 2))
        sound += 0.5 * inside * np.sin(2 * np.pi * pitch * time * (1 + 0.02 * time))
    return _level(sound, random)


SOUNDS: dict[str, Callable[[np.random.Generator], Samples]] = {
    "casual": casual,
    "explosion": explosion,
    "gunshot": gunshot,
    "siren": siren,
}


def _bangs(
    random: np.random.Generator,
    duration_s: float,
    count: int,
    decay_s: tuple[float, float],
    colour: float,
) -> Samples:
    time = _time(duration_s)
    sound = np.zeros(len(time))
    for _ in range(count):
        since = time - random.uniform(0.1, duration_s * 0.6)
        after = np.where(since > 0, np.exp(-np.maximum(since, 0) / random.uniform(*decay_s)), 0)
        sound += after * _noise(random, len(time), colour)
    return _level(_echo(sound, random) + 0.01 * _noise(random, len(time), 1.0), random)


def _time(duration_s: float) -> NDArray[np.float64]:
    return np.arange(int(duration_s * RATE)) / RATE


def _noise(random: np.random.Generator, length: int, colour: float) -> NDArray[np.float64]:
    """Noise of unit variance whose power falls with frequency: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(random.standard_normal(length))
    frequency = np.maximum(np.fft.rfftfreq(length), 20 / RATE)
    sound = np.fft.irfft(spectrum * frequency ** (-colour / 2), length)
    return np.asarray(sound / sound.std())


def _echo(sound: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    heard = sound.copy()
    for _ in range(3):
        delay = int(random.uniform(0.05, 0.5) * RATE)
        heard[delay:] += random.uniform(0.1, 0.35) * sound[:-delay]
    return heard


def _level(sound: NDArray[np.float64], random: np.random.Generator) -> Samples:
    """A recorder's level is anybody's guess."""
    return np.asarray(sound / np.abs(sound).max() * random.uniform(0.2, 0.95), dtype=np.float32)
