"""Writes one sound of each label to ``infra/applications/examples``: ``make examples``."""

from __future__ import annotations

import numpy as np
import soundfile

from infra.local.endpoint import REPOSITORY
from infra.local.sounds import REPERTOIRES

FOLDER = REPOSITORY / "infra" / "applications" / "examples"
# Unlike those of the demonstration and of the tests.
SEED = 2026
# Vorbis is a fifth of FLAC's size, and not made for ultrasound.
VORBIS_RATE = 48_000


def main() -> None:
    """Write every application's."""
    for application, repertoire in REPERTOIRES.items():
        folder = FOLDER / application
        folder.mkdir(parents=True, exist_ok=True)
        suffix = "ogg" if repertoire.sample_rate <= VORBIS_RATE else "flac"
        for label, maker in repertoire.sounds.items():
            sound = maker(np.random.default_rng(SEED))
            soundfile.write(folder / f"{label}.{suffix}", sound, repertoire.sample_rate)


if __name__ == "__main__":
    main()
