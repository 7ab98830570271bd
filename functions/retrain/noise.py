"""Sounds in which nothing happens, made up: silence and steady noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from earshot.recording import Waveform
from scipy.fft import next_fast_len

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from earshot.recording import Samples

    Array = np.ndarray[Any, np.dtype[Any]]

# Up to this level, in dB of full scale, noise is silence: 8-bit converters are as loud.
SILENT_DB = -50.0
# Steady noise is drawn between these bounds: its level in dB of full scale, its power rising with
# frequency to the power of -2 (brown) to 1 (blue), half of it without what is below 1/256 to 1/4 of
# the highest frequency, half of it without what is above 1/4 to all of it; a quarter of a window to
# a whole one long. With noise of -50 dB, or of shorter bits, silence was refused too.
STEADY_DB = (-47.0, -10.0)
SLOPES = (-2.0, 1.0)
LOW_CUT_OCTAVES = (-8.0, -2.0)
HIGH_CUT_OCTAVES = (-2.0, 0.0)
LENGTHS = (1 / 4, 1.0)
# Of 300 other draws the default bundle accepted 133 without any (57 as gunshots), 11 with 200 (one
# as a gunshot), none with 400; but of 300 soft ones, up to -55 dB, it refused none, 6 and 39.
DRAWS = 200


def silences(sample_rate: int, duration_s: float) -> list[Waveform]:
    """What a dead or covered microphone records: nothing, an offset, or the noise of its parts."""
    random = np.random.default_rng(0)
    length = round(sample_rate * duration_s)
    offsets = np.array([0.0, 0.001, -0.001, 0.01, -0.01, 0.1, -0.1, 0.5, -0.5, 1.0, -1.0])
    levels = np.logspace(-5, SILENT_DB / 20, 24)
    white = [random.standard_normal(length) for _ in levels]
    pink = [coloured(random.standard_normal(length)) for _ in levels]
    sounds = [
        *(np.full(length, offset) for offset in offsets),
        *(
            level * noise / noise.std()
            for noises in (white, pink)
            for level, noise in zip(levels, noises, strict=True)
        ),
    ]
    return [Waveform(sound.astype(np.float32), sample_rate) for sound in sounds]


def steady_noise(
    random: np.random.Generator, sample_rate: int, duration_s: float, level_db: tuple[float, float]
) -> Waveform:
    """What a hissing microphone, wind or an empty channel records: of a drawn colour and band.

    Its level is drawn between the two of ``level_db``, in dB of full scale.
    """
    slope = random.uniform(*SLOPES)
    low_cut = 2 ** random.uniform(*LOW_CUT_OCTAVES) if random.random() < 0.5 else 0
    high_cut = 2 ** random.uniform(*HIGH_CUT_OCTAVES) if random.random() < 0.5 else 1
    length = round(sample_rate * duration_s)
    # An FFT of a prime length takes several times as long.
    white = random.standard_normal(next_fast_len(length, real=True))
    noise = coloured(white, slope, low_cut, high_cut)[:length]
    level = 10 ** (random.uniform(*level_db) / 20)
    sound = np.clip(level * noise / noise.std(), -1, 1)
    return Waveform(sound.astype(np.float32), sample_rate)


def steady_noises(sample_rate: int, window_s: float) -> Iterator[Waveform]:
    """DRAWS of steady noise, the same each time; one after the other, for bats' are 180 MB."""
    random = np.random.default_rng(0)
    for _ in range(DRAWS):
        yield steady_noise(random, sample_rate, window_s * random.uniform(*LENGTHS), STEADY_DB)


def embed_noises(
    sample_rate: int, window_s: float, embed: Callable[[Waveform], Samples]
) -> Samples:
    """Steady noise as a model hears it, ``[DRAWS, dim]``."""
    return np.concatenate([embed(sound) for sound in steady_noises(sample_rate, window_s)])


def coloured(noise: Array, slope: float = -1, low_cut: float = 0, high_cut: float = 1) -> Array:
    """White noise made pink, or with power that rises with frequency to the power of ``slope``.

    Cut off below and above shares of the highest frequency; nothing is left at 0 Hz.
    """
    spectrum = np.fft.rfft(noise)
    number = np.arange(1, len(spectrum))
    share = number / number[-1]
    spectrum[1:] *= number ** (slope / 2) * ((share >= low_cut) & (share <= high_cut))
    spectrum[0] = 0
    return np.fft.irfft(spectrum, len(noise))
