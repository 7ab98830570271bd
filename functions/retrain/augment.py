"""Ways to alter a clip's sound, each drawn from the clip itself."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from earshot.audio import MIN_DURATION_S, ULTRASOUND

from retrain.noise import coloured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earshot.recording import Samples, Waveform

# Part of a copy's name: counted up when the same parameters come to mean another sound.
VERSION = 1
# No more of a clip is altered: a recording of minutes would cost minutes, and teach no more.
LONGEST_S = 30.0
# An 8-bit converter's step.
COARSE_STEP = 1 / 128
# About the length in seconds of the phase vocoder's FFT: librosa's 2,048 samples at 44.1 kHz.
FFT_S = 0.046


class Alteration(ABC):
    """One way to change a sound; its fields are the bounds between which a change is drawn."""

    @abstractmethod
    def __call__(self, waveform: Waveform, random: np.random.Generator) -> Samples:
        """``[n]`` → ``[about n]``; all that is left to chance is drawn from ``random``."""


@dataclass(frozen=True)
class Level(Alteration):
    """Up to ``gain_db`` louder or softer, half of the time with 8 bits and dither.

    A recorder's gain and its distance are anybody's guess; so is its converter. The dither is
    triangular (Lipshitz, Wannamaker and Vanderkooy, J. Audio Eng. Soc. 40, 1992).
    """

    gain_db: float = 12.0

    def __call__(self, waveform: Waveform, random: np.random.Generator) -> Samples:
        """The same length."""
        samples = waveform.samples * 10 ** (random.uniform(-self.gain_db, self.gain_db) / 20)
        if random.random() < 0.5:
            dither = random.random(len(samples)) - random.random(len(samples))
            samples = np.round(samples / COARSE_STEP + dither) * COARSE_STEP
        return samples


@dataclass(frozen=True)
class Noise(Alteration):
    """White or pink noise under the sound, ``lowest_db`` to ``highest_db`` below its power."""

    lowest_db: float = 10.0
    highest_db: float = 30.0

    def __call__(self, waveform: Waveform, random: np.random.Generator) -> Samples:
        """The same length; silence stays silent, for no noise is below its power."""
        samples = waveform.samples
        snr_db = random.uniform(self.lowest_db, self.highest_db)
        noise = random.standard_normal(len(samples))
        if random.random() < 0.5:
            noise = coloured(noise)
        wanted = np.sqrt(np.mean(samples**2)) * 10 ** (-snr_db / 20)
        return np.asarray(samples + noise * (wanted / np.sqrt(np.mean(noise**2))))


@dataclass(frozen=True)
class Shift(Alteration):
    """The end brought to the front, at any place: what was cut by a window is cut elsewhere."""

    def __call__(self, waveform: Waveform, random: np.random.Generator) -> Samples:
        """The same length."""
        return np.roll(waveform.samples, random.integers(len(waveform.samples)))


@dataclass(frozen=True)
class PitchShift(Alteration):
    """Up to ``semitones`` higher or lower, as long as it was (phase vocoder of librosa)."""

    semitones: float = 2.0

    def __call__(self, waveform: Waveform, random: np.random.Generator) -> Samples:
        """The same length."""
        from librosa.effects import pitch_shift  # imports numba, and is seldom needed

        steps = random.uniform(-self.semitones, self.semitones)
        samples, rate = waveform.samples, waveform.sample_rate
        return np.asarray(pitch_shift(samples, sr=rate, n_steps=steps, n_fft=_n_fft(waveform)))


@dataclass(frozen=True)
class TimeStretch(Alteration):
    """Between ``slowest`` and ``fastest`` times as fast, at its own pitch (librosa's vocoder)."""

    slowest: float = 0.8
    fastest: float = 1.25

    def __call__(self, waveform: Waveform, random: np.random.Generator) -> Samples:
        """``n / fastest`` to ``n / slowest`` samples."""
        from librosa.effects import time_stretch  # imports numba, and is seldom needed

        # A copy has to be as long as a recording must.
        fastest = min(self.fastest, waveform.duration_s / MIN_DURATION_S)
        rate = math.exp(random.uniform(math.log(self.slowest), math.log(fastest)))
        return np.asarray(time_stretch(waveform.samples, rate=rate, n_fft=_n_fft(waveform)))


def _n_fft(waveform: Waveform) -> int:
    """A power of two near FFT_S, no longer than the sound."""
    longest = min(FFT_S * waveform.sample_rate * math.sqrt(2), len(waveform.samples))
    return 1 << math.floor(math.log2(longest))


# What a clip's first copy goes through, and what every further one does. Log-mel statistics, one
# label cut to 8 recordings, half of the rest learnt, recall of that label on the other half, over
# splits that nothing was chosen by (SESA 32, ESC-10 30): no copies 0.699 and 0.797; FIRST 0.698 and
# 0.791; with two more of FIRST 0.705 and 0.810; with two of FURTHER 0.717 and 0.798. So FURTHER
# pays on SESA (0.019 ± 0.006 over FIRST) and is within the error on ESC-10. Pitch or tempo alone
# gave less; Noise of 10 to 30 dB cost recall on SESA, so it is rare, and quieter. Pitch and tempo
# are never altered of ultrasound, on which nothing was measured.
FIRST: tuple[Alteration, ...] = (Level(),)
FURTHER: tuple[Alteration, ...] = (PitchShift(), TimeStretch(), Level())
# Where a label has so few recordings that clips get many copies, every third is noisy as well.
NOISY: tuple[Alteration, ...] = (*FURTHER, Noise(20.0, 40.0))
EVERY = 3
# A bat's pitch and the length of its call name the species: pipistrelles at 45 and 55 kHz are 3.5
# semitones apart.
FURTHER_ULTRASOUND: tuple[Alteration, ...] = (Shift(), Level())


def alterations(number: int, sample_rate: int) -> tuple[Alteration, ...]:
    """What the copy of this number, from 0, goes through where ``sample_rate`` is listened at."""
    if number == 0:
        return FIRST
    if sample_rate >= ULTRASOUND:
        return FURTHER_ULTRASOUND
    return FURTHER if number % EVERY else NOISY


def alter(waveform: Waveform, how: Sequence[Alteration], number: int) -> Waveform:
    """A copy, of LONGEST_S at most; a clip's copy of a number is the same whenever it is made."""
    random = np.random.default_rng([int(waveform.sha256[:16], 16), number])
    longest = round(LONGEST_S * waveform.sample_rate)
    start = random.integers(max(len(waveform.samples) - longest, 0) + 1)
    copy = replace(waveform, samples=waveform.samples[start : start + longest])
    for alteration in how:
        copy = replace(copy, samples=alteration(copy, random))
    samples = np.clip(copy.samples, -1, 1)
    return replace(copy, samples=np.ascontiguousarray(samples, dtype=np.float32))
