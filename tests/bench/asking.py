"""What reviews teach, by how they were chosen: a table in Markdown, as ``docs/review.md`` has it.

``python -m tests.bench.asking FOLDER``, where FOLDER holds ``sesa``, ``esc10`` and ``esc50_by``,
each with its ``manifest.csv``. An oracle answers with a clip's label, a head is fitted anew with
what it said, and judged on recordings that nobody learnt from. Nothing of a recording is on both
sides.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from earshot.application import Application
from earshot.recording import Waveform
from earshot.review.ranking import Waiting, rank, spread
from sklearn.metrics import f1_score

from infra.local.endpoint import REPOSITORY
from retrain import backbones, heads
from retrain.backbones.folder import BackboneFolder
from retrain.calibration import by_clip
from retrain.dataset import Clip, Dataset
from retrain.export import Embedder
from retrain.folder import labelled_files, read_clips
from retrain.heads import Head

Numbers = np.ndarray[Any, np.dtype[Any]]
Make = Callable[[Waveform], Numbers]

ASKED = (20, 60)
HELD_OUT = 0.35
SITES = 4


@dataclass(frozen=True)
class Trial:
    """What is known, what could be asked about and where each of it was heard, and the judges."""

    known: list[Clip]
    pool: list[Clip]
    sites: list[str]
    judges: list[Clip]


class Sounds:
    """The sets, embedded once."""

    def __init__(self, folder: Path) -> None:
        application = Application.load(REPOSITORY / "infra/applications/surveillance.toml")
        backbone = backbones.of_application(application, BackboneFolder.of_user().read)
        self.parts = backbone.parts
        embed = Embedder(backbone, application.window_s, application.hop_s)
        self.sesa = _read(folder / "sesa", embed)
        self.muffled = {
            one.sha256: one for one in _read(folder / "sesa", lambda wave: embed(_muffled(wave)))
        }
        self.esc = _read(folder / "esc10", embed) + _read(folder / "esc50_by", embed)


def _read(folder: Path, embed: Make) -> list[Clip]:
    clips, _ = read_clips(labelled_files(folder), embed)
    return [replace(one, group=f"{folder.name}/{one.group}") for one in clips]


def _muffled(wave: Waveform) -> Waveform:
    """As another microphone hears it: nothing much above 2 kHz, quiet, with noise 15 dB below."""
    size = len(wave.samples)
    hertz = np.fft.rfftfreq(size, 1 / wave.sample_rate)
    low = np.fft.irfft(np.fft.rfft(wave.samples) / np.sqrt(1 + (hertz / 2000) ** 8), size)
    level = max(float(np.sqrt((wave.samples**2).mean())), 1e-4) * 10 ** (-15 / 20)
    noise = np.random.default_rng(int(wave.sha256[:8], 16)).normal(0, level, size)
    return Waveform((0.3 * (low + noise)).clip(-1, 1).astype(np.float32), wave.sample_rate)


# --- trials ---------------------------------------------------------------------------------


def unheard_labels(sounds: Sounds, random: np.random.Generator) -> Trial:
    """Five of the twenty labels of ESC-50 were never heard, of the others six clips each."""
    judges, rest = _split(sounds.esc, random)
    new = {*random.choice(sorted({one.label for one in rest}), 5, replace=False)}
    known, pool = _first(rest, lambda label: 0 if label in new else 6)
    return Trial(known, pool, _anywhere(pool, random), judges)


def everyday_sounds(sounds: Sounds, random: np.random.Generator) -> Trial:
    """Of SESA's four labels 12 clips each are known; one stretch in twenty is no everyday sound."""
    judges, rest = _split(sounds.sesa, random)
    known, heard = _first(rest, lambda _: 12)
    everyday = [replace(one, label="casual") for one in sounds.esc]
    more, everyday = _split(everyday, random)
    everyday += [one for one in heard if one.label == "casual"]
    events = [one for one in heard if one.label != "casual"][: len(everyday) // 19]
    pool = _shuffled(everyday + events, random)
    return Trial(known, pool, _anywhere(pool, random), judges + more)


def another_microphone(sounds: Sounds, random: np.random.Generator) -> Trial:
    """Of SESA's four labels 25 clips each are known; two of five stretches are muffled."""
    judges, rest = _split(sounds.sesa, random)
    known, heard = _first(rest, lambda _: 25)
    sites = ["new" if random.random() < 0.4 else "old" for _ in heard]
    pairs = zip(heard, sites, strict=True)
    pool = [sounds.muffled[one.sha256] if site == "new" else one for one, site in pairs]
    return Trial(known, pool, sites, judges + [sounds.muffled[one.sha256] for one in judges])


TRIALS = {
    "five labels of twenty unheard": unheard_labels,
    "events among everyday sounds": everyday_sounds,
    "another microphone": another_microphone,
}


def _split(clips: Sequence[Clip], random: np.random.Generator) -> tuple[list[Clip], list[Clip]]:
    """Those of some recordings, to judge by, and the others in any order."""
    groups = _shuffled(sorted({one.group for one in clips}), random)
    judges = {*groups[: int(len(groups) * HELD_OUT)]}
    rest = [one for one in clips if one.group not in judges]
    return [one for one in clips if one.group in judges], _shuffled(rest, random)


def _first(clips: Sequence[Clip], most: Callable[[str], int]) -> tuple[list[Clip], list[Clip]]:
    """The first so many of each label, and the rest."""
    seen = Counter[str]()
    known: list[Clip] = []
    rest: list[Clip] = []
    for one in clips:
        seen[one.label] += 1
        (known if seen[one.label] <= most(one.label) else rest).append(one)
    return known, rest


def _shuffled(things: Sequence[Any], random: np.random.Generator) -> list[Any]:
    return [things[number] for number in random.permutation(len(things))]


def _anywhere(pool: Sequence[Clip], random: np.random.Generator) -> list[str]:
    return [str(random.integers(SITES)) for _ in pool]


# --- choosing and judging --------------------------------------------------------------------


def _heard(head: Head, clips: Sequence[Clip]) -> tuple[Numbers, Numbers]:
    """A head's probabilities ``[clips, labels]``, and the novelty of each clip."""
    windows = np.concatenate([one.embedding for one in clips])
    clip = np.repeat(np.arange(len(clips)), [len(one.embedding) for one in clips])
    return by_clip(head.probabilities(windows), clip), by_clip(head.novelty(windows), clip)


def _f1(head: Head, labels: Sequence[str], judges: Sequence[Clip]) -> float:
    probabilities, _ = _heard(head, judges)
    said = [labels[number] for number in probabilities.argmax(axis=1)]
    wanted = [one.label for one in judges]
    return float(f1_score(wanted, said, labels=sorted({*wanted}), average="macro", zero_division=0))


def _orders(
    margins: Numbers, novelty: Numbers, guesses: Sequence[str], sites: Sequence[str], seed: int
) -> Iterator[tuple[str, list[int]]]:
    """Ways to choose, and the numbers of what each would ask about first."""
    most = max(ASKED)
    yield "random", [*np.random.default_rng(seed).permutation(len(margins))[:most]]
    yield "margin alone", [*np.argsort(margins, kind="stable")[:most]]
    yield "novelty alone", [*np.argsort(-novelty, kind="stable")[:most]]
    for name, ranks in (
        ("margin, spread", margins.tolist()),
        ("as `GET /review`", [*map(rank, margins.tolist(), novelty.tolist())]),
    ):
        waiting = [
            Waiting(f"{number:016x}", f"{ranked:.4f}", guess, site)
            for number, (ranked, guess, site) in enumerate(zip(ranks, guesses, sites, strict=True))
        ]
        yield name, [int(one.review, 16) for one in spread(waiting, most)]


def trial(
    made: Trial, parts: Sequence[int], seed: int
) -> tuple[float, dict[tuple[str, int], tuple[float, float]]]:
    """The F1 before, and by way and number asked: the F1 then, and the share that was wrong."""
    labels = sorted({one.label for one in made.known})
    head = heads.fit(Dataset(tuple(labels), tuple(made.known), ()), (), lambda *_: None, parts)
    probabilities, novelty = _heard(head, made.pool)
    ranked = np.sort(probabilities, axis=1)
    guesses = [labels[number] for number in probabilities.argmax(axis=1)]
    found = {}
    for name, order in _orders(
        ranked[:, -1] - ranked[:, -2], novelty / head.novelty_threshold, guesses, made.sites, seed
    ):
        for many in ASKED:
            said = [made.pool[number] for number in order[:many]]
            learnt = made.known + said
            now = sorted({one.label for one in learnt})
            wrong = np.mean([guesses[n] != made.pool[n].label for n in order[:many]])
            f1 = _f1(heads.refit(head, learnt, now, parts), now, made.judges)
            found[name, many] = f1, float(wrong)
    return _f1(head, labels, made.judges), found


def told(values: Sequence[float]) -> str:
    """A mean of differences with its interval of 95%, by the normal distribution."""
    spread_out = 1.96 * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):+.3f} ± {spread_out:.3f}"


def main() -> None:
    """Try, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.asking", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=16, help="trials of each kind")
    options = parser.parse_args()
    sounds = Sounds(options.folder)
    print("| | asked | macro-F1 | against random | against the margin alone | answers wrong |")
    print("|---|---|---|---|---|---|", flush=True)
    for kind, make in TRIALS.items():
        trials = [
            trial(make(sounds, np.random.default_rng(seed)), sounds.parts, seed)
            for seed in range(options.seeds)
        ]
        print(f"| **{kind}** | 0 | {np.mean([before for before, _ in trials]):.3f} | | | |")
        for name, many in trials[0][1]:
            of = partial(_column, [found for _, found in trials], many)
            f1, wrong = of(name, 0), of(name, 1)
            print(
                f"| {name} | {many} | {np.mean(f1):.3f} | {told(f1 - of('random', 0))} "
                f"| {told(f1 - of('margin alone', 0))} | {np.mean(wrong):.0%} |",
                flush=True,
            )


def _column(
    trials: Sequence[dict[tuple[str, int], tuple[float, float]]], many: int, name: str, which: int
) -> Numbers:
    return np.array([found[name, many][which] for found in trials])


if __name__ == "__main__":
    main()
