"""Echolocation calls of three kinds of bats, half a second each, at the rate they are recorded.

The shapes are those of the field's books (Russ, *British Bat Calls*, 2012): a held note, a steep
sweep, and a sweep that ends in a held note.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from infra.local.sounds.primitives import clock, level, noise, swell, tone

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.sounds.primitives import Maker, Samples, Signal

RATE = 384_000
DURATION_S = 0.5


def rhinolophus(random: np.random.Generator) -> Samples:
    """A note held for some 40 ms at about 110 kHz, with a short rise and a short fall."""
    note = random.uniform(105e3, 113e3)
    length_s = random.uniform(0.03, 0.05)

    def pitch(since: Signal) -> Signal:
        from_an_end_s = np.minimum(since, length_s - since)
        return note - 12e3 * np.clip(1 - from_an_end_s / 0.003, 0, 1)

    return _calls(random, pitch, length_s, every_s=random.uniform(0.07, 0.1))


def myotis(random: np.random.Generator) -> Samples:
    """A steep sweep of some 4 ms from about 80 down to about 35 kHz."""
    high, low = random.uniform(75e3, 90e3), random.uniform(30e3, 38e3)
    length_s = random.uniform(0.003, 0.005)
    return _calls(
        random,
        lambda since: high * (low / high) ** np.clip(since / length_s, 0, 1),
        length_s,
        every_s=random.uniform(0.06, 0.1),
    )


def pipistrellus(random: np.random.Generator) -> Samples:
    """A sweep that levels out at 46 to 55 kHz within some 6 ms."""
    note = random.uniform(46e3, 55e3)
    length_s = random.uniform(0.005, 0.008)
    return _calls(
        random,
        lambda since: note + 30e3 * np.exp(-np.maximum(since, 0) / 0.001),
        length_s,
        every_s=random.uniform(0.08, 0.12),
    )


SOUNDS: dict[str, Maker] = {
    "rhinolophus": rhinolophus,
    "myotis": myotis,
    "pipistrellus": pipistrellus,
}


def _calls(
    random: np.random.Generator,
    pitch: Callable[[Signal], Signal],
    length_s: float,
    every_s: float,
) -> Samples:
    """A call again and again, as the bat passes, over the microphone's noise."""
    time = clock(DURATION_S, RATE)
    since = (time - random.uniform(0, every_s)) % every_s
    passing = np.exp(-(((time - random.uniform(0.15, 0.35)) / 0.25) ** 2))
    calls = passing * swell(since, length_s) * tone(pitch(since), time, RATE)
    return level(calls + 0.01 * noise(random, len(time), 0.0, RATE), random)
