"""Sounds of a reserve, four seconds each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from infra.local.sounds.primitives import bang, clock, level, noise, swell, tone

if TYPE_CHECKING:
    from infra.local.sounds.primitives import Maker, Samples

RATE = 16_000
DURATION_S = 4.0


def gun_shot(random: np.random.Generator) -> Samples:
    """One to three cracks, dull with distance."""
    return bang(random, DURATION_S, RATE, int(random.integers(1, 4)), (0.02, 0.1), colour=0.5)


def guineafowl(random: np.random.Generator) -> Samples:
    """A harsh call of two syllables, the second one higher, over and over without a pause."""
    time = clock(DURATION_S, RATE)
    pitch, pace_s = random.uniform(900, 1300), random.uniform(0.3, 0.5)
    sound = 0.05 * noise(random, len(time), 1.0, RATE)
    for start in np.arange(random.uniform(0, pace_s), DURATION_S, pace_s):
        for since, height in ((time - start, 1.0), (time - start - 0.4 * pace_s, 1.35)):
            rasp = 1 + 0.6 * np.sin(2 * np.pi * 90 * time)
            sound += swell(since, 0.35 * pace_s) * rasp * tone(height * pitch, time, RATE, 5)
    return level(sound, random)


def dog(random: np.random.Generator) -> Samples:
    """A few barks, each a falling voice with breath in it, at odd times."""
    time = clock(DURATION_S, RATE)
    sound = 0.02 * noise(random, len(time), 1.0, RATE)
    height = random.uniform(350, 700)
    for _ in range(random.integers(2, 6)):
        since, length_s = time - random.uniform(0, DURATION_S - 0.4), random.uniform(0.12, 0.25)
        pitch = height * (1 + 0.4 * np.exp(-np.maximum(since, 0) / 0.08))
        breath = 0.5 * noise(random, len(time), 0.7, RATE)
        sound += swell(since, length_s) * (tone(pitch, time, RATE, 8) + breath)
    return level(sound, random)


def vehicle(random: np.random.Generator) -> Samples:
    """An engine that turns at about one speed, and rolls."""
    time = clock(DURATION_S, RATE)
    turning = random.uniform(25, 70) * (1 + 0.04 * np.sin(2 * np.pi * 0.4 * time))
    engine = tone(turning, time, RATE, 20)
    return level(engine + 0.8 * noise(random, len(time), 1.6, RATE), random)


def silence(random: np.random.Generator) -> Samples:
    """The recorder's own noise, hardly above nothing."""
    colour, loudness = random.uniform(0, 1.2), 10 ** random.uniform(-3.2, -2.4)
    faint = loudness * noise(random, int(DURATION_S * RATE), colour, RATE)
    return np.asarray(faint, dtype=np.float32)


SOUNDS: dict[str, Maker] = {
    "gun_shot": gun_shot,
    "guineafowl": guineafowl,
    "dog": dog,
    "vehicle": vehicle,
    "silence": silence,
}
