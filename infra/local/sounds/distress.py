"""Voices in need and in peace, three seconds each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from infra.local.sounds.primitives import clock, level, noise, swell, tone

if TYPE_CHECKING:
    from infra.local.sounds.primitives import Maker, Samples, Signal

RATE = 16_000
DURATION_S = 3.0


def danger(random: np.random.Generator) -> Samples:
    """Screams: high, held, and rough by beating at 30 to 150 Hz.

    Arnal et al., Curr. Biol. 25 (2015).
    """
    time = clock(DURATION_S, RATE)
    voice = np.zeros(len(time))
    start = random.uniform(0, 0.5)
    while start < DURATION_S - 0.8:
        length_s, since = random.uniform(0.7, 1.5), time - start
        pitch = random.uniform(900, 1800) * (1 + 0.15 * swell(since, length_s))
        rough = 1 + 0.8 * np.sin(2 * np.pi * random.uniform(40, 120) * time)
        voice += swell(since, length_s) * rough * tone(pitch, time, RATE, 6)
        start += length_s + random.uniform(0.1, 0.5)
    return _in_a_room(voice, random)


def laughing(random: np.random.Generator) -> Samples:
    """A voice in short bursts, four to six a second, falling."""
    time = clock(DURATION_S, RATE)
    voice, pitch = np.zeros(len(time)), random.uniform(180, 380)
    pace_s = random.uniform(0.17, 0.25)
    for n, start in enumerate(np.arange(random.uniform(0, 0.5), DURATION_S - 0.5, pace_s)):
        voice += swell(time - start, 0.6 * pace_s) * tone(pitch * 0.97**n, time, RATE, 10)
    return _in_a_room(voice, random)


def coughing(random: np.random.Generator) -> Samples:
    """Bursts of breath that start at once."""
    time = clock(DURATION_S, RATE)
    voice = np.zeros(len(time))
    for _ in range(random.integers(1, 5)):
        since = time - random.uniform(0, DURATION_S - 0.4)
        burst = np.where(since > 0, np.exp(-np.maximum(since, 0) / random.uniform(0.05, 0.12)), 0)
        voice += burst * noise(random, len(time), 0.6, RATE)
    return _in_a_room(voice, random)


def talking(random: np.random.Generator) -> Samples:
    """Syllables of a low voice, now and then a hiss."""
    time = clock(DURATION_S, RATE)
    voice, pitch, start = np.zeros(len(time)), random.uniform(90, 230), random.uniform(0, 0.4)
    while start < DURATION_S - 0.3:
        length_s, since = random.uniform(0.12, 0.28), time - start
        melody = pitch * random.uniform(0.85, 1.2)
        voice += swell(since, length_s) * tone(melody, time, RATE, int(random.integers(6, 20)))
        if random.random() < 0.3:
            voice += 0.3 * swell(since - length_s, 0.1) * noise(random, len(time), 0.0, RATE)
        start += length_s + random.uniform(0.02, 0.2)
    return _in_a_room(voice, random)


def safe(random: np.random.Generator) -> Samples:
    """Somebody laughs, coughs or talks."""
    return np.asarray(random.choice(np.array([laughing, coughing, talking]))(random))


SOUNDS: dict[str, Maker] = {"danger": danger, "safe": safe}


def _in_a_room(voice: Signal, random: np.random.Generator) -> Samples:
    hum = noise(random, len(voice), 1.2, RATE)
    return level(voice + random.uniform(0.01, 0.05) * hum, random)
