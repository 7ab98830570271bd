"""City sounds, four seconds each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from infra.local.sounds.primitives import bang, clock, echo, level, noise

if TYPE_CHECKING:
    from infra.local.sounds.primitives import Maker, Samples

RATE = 16_000
DURATION_S = 4.0


def siren(random: np.random.Generator) -> Samples:
    """A sweep between two pitches, wailing slowly or yelping fast, with its harmonics."""
    time = clock(DURATION_S, RATE)
    low, high = random.uniform(500, 700), random.uniform(1100, 1600)
    pace_hz = random.choice([random.uniform(0.2, 0.4), random.uniform(2.5, 4.0)])
    sweep = np.abs(2 * ((time * pace_hz + random.uniform()) % 1) - 1)
    phase = 2 * np.pi * np.cumsum(low + (high - low) * sweep) / RATE
    voice = np.sin(phase) + np.sin(2 * phase) / 3 + np.sin(3 * phase) / 5
    return level(echo(voice, random, RATE) + 0.1 * noise(random, len(time), 1.0, RATE), random)


def gunshot(random: np.random.Generator) -> Samples:
    """One to four sharp cracks that die within a tenth of a second, with echoes."""
    return bang(random, DURATION_S, RATE, int(random.integers(1, 5)), (0.02, 0.07), colour=0.3)


def explosion(random: np.random.Generator) -> Samples:
    """One low boom that rolls for a second or more."""
    return bang(random, DURATION_S, RATE, 1, (0.4, 1.2), colour=1.8)


def casual(random: np.random.Generator) -> Samples:
    """Wind and traffic that come and go, now and then a bird."""
    time = clock(DURATION_S, RATE)
    swelling = 1 + 0.5 * np.sin(2 * np.pi * random.uniform(0.1, 0.5) * time + random.uniform(0, 6))
    sound = swelling * noise(random, len(time), random.uniform(0.6, 1.4), RATE)
    for _ in range(random.integers(0, 5)):
        pitch, start = random.uniform(2500, 5000), random.uniform(0, DURATION_S - 0.2)
        inside = np.exp(-(((time - start - 0.1) / 0.04) ** 2))
        sound += 0.5 * inside * np.sin(2 * np.pi * pitch * time * (1 + 0.02 * time))
    return level(sound, random)


SOUNDS: dict[str, Maker] = {
    "casual": casual,
    "explosion": explosion,
    "gunshot": gunshot,
    "siren": siren,
}
