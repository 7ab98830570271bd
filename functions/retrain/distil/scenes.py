"""Sound scenes to learn from: clips cut, bent, filtered, mixed, buried in noise and requantised."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earshot.recording import Samples

    Array = np.ndarray[Any, np.dtype[Any]]

RATE = 16_000

# How many clips are heard at once, and how often.
VOICES = {1: 0.4, 2: 0.42, 3: 0.18}
# The second and third voice beside the first, in dB.
BESIDE_DB = (-15.0, 10.0)
# Playing a clip slower or faster moves its pitch and its pace alike.
SPEED = (0.7, 1.4)
NOISE_SHARE = 0.4
NOISES = 16
SNR_DB = (5.0, 40.0)
# Peak level of a scene: recorders are near and far.
PEAK_DB = (-36.0, 0.0)
EIGHT_BIT_SHARE = 0.3
FILTER_SHARE = 0.5
# A filter's gain wanders by so many dB over so many knots from 0 Hz to Nyquist.
FILTER_DB = 9.0
FILTER_KNOTS = 9
# A microphone or a codec that hears no high tones.
LOW_PASS_SHARE = 0.15
# Some scenes hold silence after a clip's end instead of its repetition.
PAD_SHARE = 0.3


@dataclass(frozen=True, eq=False)
class Scenes:
    """Draws scenes of ``clips``, each mono float32 at RATE."""

    clips: Sequence[Samples]

    def draw(self, random: np.random.Generator, length: int) -> Samples:
        """One scene, float32 ``[length]`` within ±1."""
        voices = random.choice(list(VOICES), p=list(VOICES.values()))
        scene: Array = np.zeros(length, dtype=np.float32)
        for number in range(voices):
            voice = self._voice(random, length)
            gain = 0.0 if number == 0 else random.uniform(*BESIDE_DB)
            scene += voice / (_rms(voice) + 1e-9) * 10 ** (gain / 20)
        if random.random() < NOISE_SHARE:
            noise = _noises()[int(random.integers(NOISES))]
            start = random.integers(len(noise) - length)
            noise = noise[start : start + length]
            scene += noise * _rms(scene) * 10 ** (-random.uniform(*SNR_DB) / 20)
        peak = np.abs(scene).max()
        if peak > 0:
            scene *= 10 ** (random.uniform(*PEAK_DB) / 20) / peak
        if random.random() < EIGHT_BIT_SHARE:
            dither = random.random(length, np.float32) - random.random(length, np.float32)
            is_dithered = random.random() < 0.5
            scene = np.round(scene * 128 + is_dithered * dither) / 128
        return np.clip(scene, -1, 1).astype(np.float32)

    def _voice(self, random: np.random.Generator, length: int) -> Array:
        """A stretch of one clip, bent and filtered."""
        clip = self.clips[int(random.integers(len(self.clips)))]
        speed = np.exp(random.uniform(*np.log(SPEED))) if random.random() < 0.7 else 1.0
        wanted = int(np.ceil(length * speed)) + 1
        if len(clip) > wanted:
            start = random.integers(len(clip) - wanted)
            piece = clip[start : start + wanted]
        elif random.random() < PAD_SHARE:
            piece = np.zeros(wanted, dtype=np.float32)
            start = random.integers(wanted - len(clip) + 1)
            piece[start : start + len(clip)] = clip
        else:
            piece = np.resize(np.roll(clip, random.integers(len(clip))), wanted)
        if random.random() < 0.1:
            piece = piece[::-1]
        if speed != 1.0:
            piece = np.interp(np.arange(length) * speed, np.arange(wanted), piece)
        piece = piece[:length]
        return _filtered(random, piece) if random.random() < FILTER_SHARE else piece


def _filtered(random: np.random.Generator, sound: Array) -> Array:
    spectrum = np.fft.rfft(sound.astype(np.float32))
    place = np.linspace(0, 1, len(spectrum), dtype=np.float32)
    knots = random.uniform(-FILTER_DB, FILTER_DB, FILTER_KNOTS) * random.random()
    gain_db = np.interp(place, np.linspace(0, 1, FILTER_KNOTS), knots)
    if random.random() < LOW_PASS_SHARE:
        gain_db -= 60 * np.clip((place - random.uniform(0.2, 0.8)) * 10, 0, 1)
    gain = (10 ** (gain_db / 20)).astype(np.float32)
    return np.fft.irfft(spectrum * gain, len(sound))


def _rms(sound: Array) -> float:
    return float(np.sqrt(np.mean(np.square(sound))))


@cache
def _noises() -> tuple[Samples, ...]:
    """Half a minute each of unit noise, from white to brown."""
    random = np.random.default_rng(0)
    length = 30 * RATE
    frequency = np.maximum(np.fft.rfftfreq(length), 20 / RATE)
    noises = []
    for slope in np.linspace(0, 1, NOISES):
        spectrum = np.fft.rfft(random.standard_normal(length)) * frequency**-slope
        sound = np.fft.irfft(spectrum, length)
        noises.append((sound / _rms(sound)).astype(np.float32))
    return tuple(noises)
