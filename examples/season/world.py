"""What there is to hear: sounds of known labels, and the microphones that they are recorded by."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
from earshot.audio import decode, resample
from scipy.signal import butter, sosfilt

from infra.local.sounds import surveillance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Samples = np.ndarray[Any, np.dtype[np.float32]]

RATE = 16_000
LENGTH = 4 * RATE
# How often each label sounds at a site, and a shot is loud, and most of what is heard is nothing.
SHARES = {"casual": 0.4, "siren": 0.2, "gunshot": 0.2, "explosion": 0.2}
# So many recordings of each label are labelled before the season.
LABELLED = 40


@dataclass(frozen=True)
class Sound:
    """Four seconds at RATE; ``group`` names the recording that it was cut from."""

    label: str
    group: str
    samples: Samples


@dataclass(frozen=True)
class World:
    """``labelled`` sounds are known from the beginning; ``field`` ones by label are met later."""

    labelled: list[Sound]
    field: Mapping[str, list[Sound]]
    source: str

    def week(self, n: int, random: np.random.Generator) -> list[Sound]:
        """``n`` sounds of the field, as they come in a week; none twice if there are enough."""
        labels = random.choice(list(SHARES), size=n, p=list(SHARES.values())).tolist()
        sounds: list[Sound] = []
        for label in SHARES:
            there, wanted = self.field[label], labels.count(label)
            chosen = random.choice(len(there), size=wanted, replace=wanted > len(there))
            sounds += [there[at] for at in chosen]
        random.shuffle(sounds)
        return sounds


def recorded(folder: Path, random: np.random.Generator) -> World:
    """The world of a folder of real clips with a ``manifest.csv``: path, label, group.

    No recording is in both parts. Raises FileNotFoundError.
    """
    by_label: dict[str, dict[str, list[Sound]]] = defaultdict(lambda: defaultdict(list))
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as manifest:
        for row in csv.DictReader(manifest):
            if row["label"] in SHARES:
                samples = resample(decode((folder / row["path"]).read_bytes()), RATE).samples
                sound = Sound(row["label"], row["group"], _loudest(samples))
                by_label[row["label"]][row["group"]].append(sound)
    labelled: list[Sound] = []
    field: dict[str, list[Sound]] = {}
    taken: set[str] = set()
    for label, groups in by_label.items():
        names = sorted(groups)
        random.shuffle(names)
        known = set(names[:LABELLED]) | (taken & groups.keys())
        taken |= known
        labelled += [groups[name][0] for name in sorted(known)]
        field[label] = [groups[name][0] for name in names if name not in known]
    return World(labelled, field, f"clips of {folder.name}")


def made_up(random: np.random.Generator) -> World:
    """A world of made-up sounds, for those who have no recordings at hand."""

    def sounds(label: str, kind: str, n: int) -> list[Sound]:
        make = surveillance.SOUNDS[label]
        return [
            Sound(label, f"{kind}-{label}-{i}", make(random).astype(np.float32)) for i in range(n)
        ]

    return World(
        labelled=[one for label in SHARES for one in sounds(label, "known", LABELLED)],
        field={label: sounds(label, "field", 80) for label in SHARES},
        source="made-up sounds",
    )


def _loudest(samples: Samples) -> Samples:
    """The four seconds around the loudest moment; a shorter sound as it is."""
    if len(samples) <= LENGTH:
        return samples
    energy = np.convolve(samples.astype(float) ** 2, np.ones(RATE // 4), "same")
    start = int(np.clip(energy.argmax() - LENGTH // 4, 0, len(samples) - LENGTH))
    return samples[start : start + LENGTH]


def good_microphone(samples: Samples, random: np.random.Generator) -> Samples:
    """As a recorder of the first weeks has it: nearer or farther, with a little noise."""
    far = 10 ** (random.uniform(-9, 0) / 20)
    return _noisy(far * samples, -70, random)


def broken_microphone(samples: Samples, random: np.random.Generator) -> Samples:
    """As through a membrane that is wet: low, soft, and with the amplifier's hiss."""
    dull = sosfilt(butter(4, 600, fs=RATE, output="sos"), good_microphone(samples, random))
    return _noisy(0.5 * np.asarray(dull, np.float32), -42, random)


def wav(samples: Samples) -> bytes:
    """A WAV file of 16 bits at RATE."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _noisy(samples: Samples, level_db: float, random: np.random.Generator) -> Samples:
    noise = random.standard_normal(len(samples)).astype(np.float32)
    return np.asarray(samples + 10 ** (level_db / 20) * noise, np.float32)
