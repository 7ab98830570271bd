"""What drift is found by, and how often it is found where there is none: ``make drift``.

Prints docs/drift.md. FOLDER holds the sets sesa, us8k_eco and distress_nv. A
model is fitted on some of SESA's recordings, judged by others, and hears those that are left: as
they are, altered as another microphone would, or with sounds of other sets among them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from earshot.bundle import Bundle
from earshot.detector import Detector
from earshot.drift.comparison import compare
from earshot.recording import Answer, Waveform
from scipy.signal import butter, sosfilt

from retrain import heads
from retrain.dataset import Dataset, Seed, is_held_out
from retrain.folder import LabelledFile, labelled_files
from retrain.noise import embed_noises

BUNDLE = Path(__file__).parents[2] / "infra" / "bundles" / "surveillance"
LABELS = ("casual", "explosion", "gunshot", "siren")
# Of 419 recordings 30% to learn from, and as many to be judged by as the default bundle has, leave
# 200 to be heard.
LEARNT = 0.3
JUDGED = 75
UNITS = (20, 50, 100, 200)
LEVELS = (0.05, 0.01)

Samples = np.ndarray[Any, np.dtype[np.float64]]


def _noise(below_db: float, samples: Samples, random: np.random.Generator) -> Samples:
    power = float(np.sqrt((samples**2).mean()))
    return samples + random.standard_normal(len(samples)) * power * 10 ** (-below_db / 20)


MICROPHONES: dict[str, Callable[[Samples, int, np.random.Generator], Samples]] = {
    "as it was": lambda x, _rate, _random: x,
    "low-pass, 2 kHz (Butterworth, 4th order)": lambda x, rate, _: sosfilt(
        butter(4, 2000, fs=rate, output="sos"), x
    ),
    "gain -20 dB": lambda x, _rate, _random: x / 10,
    "gain +20 dB, clipped": lambda x, _rate, _random: np.clip(x * 10, -1, 1),
    "white noise, 10 dB below the sound": lambda x, _, random: _noise(10, x, random),
    "white noise, 20 dB below the sound": lambda x, _, random: _noise(20, x, random),
    "hiss, -50 dB of full scale": lambda x, _, random: (
        x + random.standard_normal(len(x)) * 10 ** (-50 / 20)
    ),
}
# Where they come from, and their label if not all.
FLOODS = {
    "dogs that bark (us8k_eco)": ("us8k_eco", "dog_bark"),
    "engines that idle (us8k_eco)": ("us8k_eco", "engine_idling"),
    "people that cry, cough, laugh … (distress_nv)": ("distress_nv", None),
}
SAME = "as it was"


@dataclass(frozen=True)
class Sound:
    """A clip as the shipped network hears it: ``embedding`` ``[windows, dim]``."""

    file: LabelledFile
    group: str
    embedding: Any


@dataclass(frozen=True)
class Sounds:
    """What a trial is made of: ``seed`` and ``noise`` are what the default bundle learnt from."""

    seed: Seed
    noise: Any
    microphones: dict[str, list[Sound]]
    floods: dict[str, list[Sound]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.drift", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fits", type=int, default=10, help="models, each of other recordings")
    parser.add_argument("--draws", type=int, default=10, help="of what is heard, for each model")
    options = parser.parse_args()
    sounds = heard(options.folder)
    found: dict[tuple[str, int], list[float]] = {}
    for fit in range(options.fits):
        print(f"model {fit + 1} of {options.fits} …", file=sys.stderr, flush=True)
        for name, n, p in trials(sounds, fit, options.draws):
            found.setdefault((name, n), []).append(p)
    print(INTRODUCTION.format(fits=options.fits, draws=options.draws, judged=JUDGED))
    print(*_false_alarms(found), sep="\n")
    print(POWER)
    print(*_power(found), sep="\n")
    print(READ, end="")


def heard(folder: Path) -> Sounds:
    """Every clip's embedding, also of the altered ones."""
    bundle = Bundle.load(BUNDLE)
    detector = Detector(bundle)

    def embedded(files: Sequence[LabelledFile], name: str = SAME) -> list[Sound]:
        sounds = []
        for number, file in enumerate(files):
            plain = file.audio()
            random = np.random.default_rng(number)
            samples = MICROPHONES[name](plain.samples.astype(float), plain.sample_rate, random)
            hearing = detector.hear(Waveform(samples.astype(np.float32), plain.sample_rate))
            sounds.append(Sound(file, file.group or str(file.path), hearing.embeddings))
        return sounds

    sesa = labelled_files(folder / "sesa")
    others = {name: embedded(labelled_files(folder / name)) for name in ("us8k_eco", "distress_nv")}
    return Sounds(
        Seed.load(BUNDLE / "embeddings.npz", bundle.card.embedding_id),
        embed_noises(bundle.card.sample_rate, bundle.card.window_s, detector.embed),
        {name: embedded(sesa, name) for name in MICROPHONES},
        {
            name: [one for one in others[where] if label in (None, one.file.label)]
            for name, (where, label) in FLOODS.items()
        },
    )


def trials(sounds: Sounds, seed: int, draws: int) -> Iterator[tuple[str, int, float]]:
    """What was changed, how many answers there were, and the p-value."""
    random = np.random.default_rng(seed)
    groups = sorted({clip.group for clip in sounds.seed.clips})
    # Only these have the altered copies that a model learns from, too.
    candidates = random.permutation([group for group in groups if not is_held_out(group)])
    learnt = set(candidates[: round(LEARNT * len(groups))])
    left = [group for group in groups if group not in learnt]
    training = tuple(clip for clip in sounds.seed.clips if clip.group in learnt)
    background = tuple(sounds.seed.background)
    head = heads.fit(
        Dataset(LABELS, training, (), background=background, noise=sounds.noise),
        ("gunshot", "explosion"),
        lambda *_: None,
    )

    def answers(some: Sequence[Sound]) -> dict[str, list[Answer]]:
        by_group: dict[str, list[Answer]] = {}
        for sound in some:
            by_group.setdefault(sound.group, []).append(_answer(head, sound))
        return by_group

    microphones = {
        name: answers([sound for sound in some if sound.group not in learnt])
        for name, some in sounds.microphones.items()
    }
    floods = {name: [_answer(head, one) for one in some] for name, some in sounds.floods.items()}

    def one_of_each(by_group: dict[str, list[Answer]], some: Sequence[str]) -> list[Answer]:
        return [by_group[group][random.integers(len(by_group[group]))] for group in some]

    for draw in range(draws):
        drawn = random.permutation(left)
        reference = one_of_each(microphones[SAME], drawn[:JUDGED])
        live = drawn[JUDGED:]
        for n in UNITS:
            for name, by_group in microphones.items():
                shown = one_of_each(by_group, live[:n])
                yield name, n, _p(reference, shown, f"{seed} {draw}")
            plain = one_of_each(microphones[SAME], live[: n - n // 2])
            for name, flood in floods.items():
                chosen = random.permutation(len(flood))[: n // 2]
                if len(chosen) == n // 2:
                    shown = [*plain, *(flood[number] for number in chosen)]
                    yield name, n, _p(reference, shown, f"{seed} {draw}")


def _answer(head: heads.Head, sound: Sound) -> Answer:
    mean = head.probabilities(sound.embedding).mean(axis=0)
    novelty = float(head.novelty(sound.embedding).mean())
    return Answer(LABELS[int(mean.argmax())], float(mean.max()), novelty, accepted=True)


def _p(reference: Sequence[Answer], live: Sequence[Answer], seed: str) -> float:
    return compare(reference, live, seed).all.p or 0.0


def _false_alarms(found: dict[tuple[str, int], list[float]]) -> Iterator[str]:
    yield "| answers | " + " | ".join(f"p ≤ {level:g}" for level in LEVELS) + " | comparisons |"
    yield "|---|" + "---|" * (len(LEVELS) + 1)
    for n in UNITS:
        p = np.array(found[SAME, n])
        shares = " | ".join(f"{(p <= level).mean():.1%}" for level in LEVELS)
        yield f"| {n} | {shares} | {len(p)} |"


def _power(found: dict[tuple[str, int], list[float]]) -> Iterator[str]:
    yield "| what changed | " + " | ".join(f"{n} answers" for n in UNITS) + " |"
    yield "|---|" + "---|" * len(UNITS)
    for name in (*MICROPHONES, *FLOODS):
        if name == SAME:
            continue
        cells = []
        for n in UNITS:
            p = found.get((name, n))
            cells.append("" if p is None else f"{(np.array(p) <= min(LEVELS)).mean():.0%}")
        what = name if name in MICROPHONES else f"half of it {name}"
        yield f"| {what} | " + " | ".join(cells) + " |"


INTRODUCTION = """# Drift: what is found, from how many answers

Written by `make drift FOLDER=…`, from SESA's training part. {fits} models were fitted with the
shipped network, each on other 30% of the 419 recordings. {judged} further recordings are what a
model was judged by, its reference, as many as the default bundle has; what is left is what it hears
at a site, a clip of each recording. Both are drawn {draws} times for each model.

What is compared, and how, is in the docstring of `earshot.drift.comparison`; a version's reference
is in its `evaluation.json`; what follows from drift is in the docstring of
`earshot.services.drift`.

## Nothing has changed

How often fresh recordings of the same kind were taken for drift, which should be no more often than
the level says. The draws of one model share recordings, so the shares scatter more than as many
independent ones would; answers that are made up, and independent, are tested in
`tests/unit/test_drift_statistics.py`.
"""

POWER = """
## Something has changed

How often it was found at a level of 1%, the setting `false_alarms` of an application's `[drift]`
for one site. With ten sites each is tested at a tenth of that, or more as Holm's procedure goes on.
Where nothing stands, the set has too few clips.
"""

READ = """
Models learn from altered copies too, softer, louder and with noise, so that they hear past what is
slight: a gain or a little noise is found from fifty to a hundred answers on, and hiss far below the
sound hardly ever. What they learn nothing of, such as a filter or an unknown sound, twenty to fifty
show. Without the copies a gain of -20 dB was always found from twenty.

A site gives one answer for each label and hour that it is heard in: a hundred are a week of a dozen
hours a day. Tried beside this test were the energy distance and rank sums of the novelty, of the
confidence and of both: none was better at all of the changes. The rank sum of the novelty finds
filters and unknown sounds somewhat earlier, and noise hardly at all.

## What it says, and what it does not

The measure is the version, not the site's own past. A site that never was like the held-out clips
drifts from its first day: label some of what it hears, and train.

A site differs both ways. What is further from what was learnt, or answered less surely, is what one
expects; but what comes through a wet membrane sounds dull and all alike, so it may lie nearer to
what was learnt than held-out clips do, and be answered surely, and wrongly. `DriftDetected` and its
mail say which way it went. After a training on many recordings of one site its sounds are nearer,
too: then listen to a few, and if they are answered rightly, leave it.

The rate above is that of days that begin an episode. It goes on until p was 0.1 or more for as many
days as are looked at (`days`): from some forty answers p sways from day to day, though nothing
changes, and many a day of a microphone that broke passes for calm.
"""


if __name__ == "__main__":
    main()
