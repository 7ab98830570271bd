"""Sounds made by us, for the demonstration and the tests: mono float32, full scale ±1.

They are sketches of the real thing (sweeps, bangs with decay and echo, calls, ambience), enough to
be told apart, and free of anybody's rights. An application has a module of them, and a row here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.local.sounds import bats, birds, distress, surveillance, wildlife

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.sounds.primitives import Maker


@dataclass(frozen=True)
class Repertoire:
    """What makes a clip of each label at ``sample_rate`` Hz; ``alarming`` is one of the labels."""

    sample_rate: int
    sounds: Mapping[str, Maker]
    alarming: str


REPERTOIRES = {
    "bats": Repertoire(bats.RATE, bats.SOUNDS, "pipistrellus"),
    "birds": Repertoire(birds.RATE, birds.SOUNDS, "triller"),
    "distress": Repertoire(distress.RATE, distress.SOUNDS, "danger"),
    "surveillance": Repertoire(surveillance.RATE, surveillance.SOUNDS, "siren"),
    "wildlife": Repertoire(wildlife.RATE, wildlife.SOUNDS, "gun_shot"),
}
