"""What sounds are made of. Times are in seconds, rates and pitches in Hz."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]
    Signal = NDArray[np.float64]

# Makes another clip of its kind with every call.
Maker = Callable[[np.random.Generator], "NDArray[Any]"]


def clock(duration_s: float, rate: int) -> Signal:
    """The time of each sample."""
    return np.arange(int(duration_s * rate), dtype=np.float64) / rate


def tone(pitch: Signal | float, time: Signal, rate: int, harmonics: int = 1) -> Signal:
    """A voice at a pitch that may glide, its harmonics falling as 1 / n; none above Nyquist."""
    pitches = np.broadcast_to(pitch, time.shape)
    phase = 2 * np.pi * np.cumsum(pitches) / rate
    voice = np.zeros(len(time))
    for n in range(1, harmonics + 1):
        voice += np.sin(n * phase) / n * (n * pitches < rate / 2)
    return voice


def noise(random: np.random.Generator, length: int, colour: float, rate: int) -> Signal:
    """Noise of unit variance whose power falls with frequency: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(random.standard_normal(length))
    frequency = np.maximum(np.fft.rfftfreq(length), 20 / rate)
    sound = np.fft.irfft(spectrum * frequency ** (-colour / 2), length)
    return np.asarray(sound / sound.std())


def swell(since: Signal, duration_s: float) -> Signal:
    """A rise and a fall, from 0 on and as long as ``duration_s``; silence outside."""
    inside = (since > 0) & (since < duration_s)
    return np.where(inside, np.sin(np.pi * np.clip(since / duration_s, 0, 1)), 0)


def bang(
    random: np.random.Generator,
    duration_s: float,
    rate: int,
    count: int,
    decay_s: tuple[float, float],
    colour: float,
) -> Samples:
    """Bursts of noise that start at once and die away, with echoes."""
    time = clock(duration_s, rate)
    sound = np.zeros(len(time))
    for _ in range(count):
        since = time - random.uniform(0.1, duration_s * 0.6)
        after = np.where(since > 0, np.exp(-np.maximum(since, 0) / random.uniform(*decay_s)), 0)
        sound += after * noise(random, len(time), colour, rate)
    return level(echo(sound, random, rate) + 0.01 * noise(random, len(time), 1.0, rate), random)


def echo(sound: Signal, random: np.random.Generator, rate: int) -> Signal:
    """The sound, and three times a later and fainter one."""
    heard = sound.copy()
    for _ in range(3):
        delay = int(random.uniform(0.05, 0.5) * rate)
        heard[delay:] += random.uniform(0.1, 0.35) * sound[:-delay]
    return heard


def level(sound: Signal, random: np.random.Generator) -> Samples:
    """A recorder's level is anybody's guess."""
    return np.asarray(sound / np.abs(sound).max() * random.uniform(0.2, 0.95), dtype=np.float32)
