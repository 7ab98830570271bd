"""Songs of three birds that do not exist, three seconds each, over the murmur of a wood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from infra.local.sounds.primitives import clock, level, noise, swell, tone

if TYPE_CHECKING:
    from infra.local.sounds.primitives import Maker, Samples, Signal

RATE = 22_050
DURATION_S = 3.0


def whistler(random: np.random.Generator) -> Samples:
    """Long pure whistles, each falling a little."""
    time = clock(DURATION_S, RATE)
    song, height = np.zeros(len(time)), random.uniform(2200, 3000)
    for start in np.arange(random.uniform(0, 0.4), DURATION_S - 0.3, random.uniform(0.7, 0.9)):
        since = time - start
        pitch = height * (1.08 - 0.25 * np.clip(since, 0, 0.6))
        song += swell(since, 0.6) * tone(pitch, time, RATE)
    return _in_a_wood(song, random)


def triller(random: np.random.Generator) -> Samples:
    """One note some twenty times a second, in bouts."""
    time = clock(DURATION_S, RATE)
    beat = np.maximum(np.sin(2 * np.pi * random.uniform(16, 26) * time), 0)
    bouts = swell((time - random.uniform(0, 0.3)) % 1.5, 1.2)
    return _in_a_wood(beat * bouts * tone(random.uniform(4000, 5500), time, RATE), random)


def warbler(random: np.random.Generator) -> Samples:
    """A hurried phrase that jumps between high and low."""
    time = clock(DURATION_S, RATE)
    song, start = np.zeros(len(time)), random.uniform(0, 0.3)
    while start < DURATION_S - 0.2:
        length_s, since = random.uniform(0.06, 0.16), time - start
        glide = 1 + random.uniform(-3, 3) * np.clip(since, 0, length_s)
        song += swell(since, length_s) * tone(random.uniform(2500, 7000) * glide, time, RATE)
        start += length_s + random.uniform(0, 0.05)
    return _in_a_wood(song, random)


SOUNDS: dict[str, Maker] = {"whistler": whistler, "triller": triller, "warbler": warbler}


def _in_a_wood(song: Signal, random: np.random.Generator) -> Samples:
    murmur = noise(random, len(song), random.uniform(0.8, 1.4), RATE)
    return level(song + random.uniform(0.02, 0.15) * murmur, random)
