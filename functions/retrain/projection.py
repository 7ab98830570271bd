"""What more recordings of a label would bring: its learning curve, and where that leads."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from retrain import heads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from retrain.dataset import Clip, Dataset
    from retrain.heads import Head

    Floats = NDArray[np.float64]
    Numbers = NDArray[np.int64]

# A label is learnt from these shares of its recordings; of the others, at the same time, from
# another share each, drawn by lot: so it is this label's recordings that a curve tells of.
SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
# Lots drawn in each fold: few clips are learnt fast, and tell less.
LOTS, LOTS_OF_MANY = 2, 1
MANY = 1_000
# So many more recordings are asked about, but no more than SOON or as many as there are: so few
# points lead no further.
MORE = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
SOON = 20
# With fewer recordings the smallest share is the next one's.
FEWEST = 8
# Power laws that are thought possible, all as likely before the data are seen: their exponents, and
# which share of today's error stays for ever.
EXPONENTS = np.geomspace(0.1, 1.5, 12)
FLOORS = np.linspace(0.0, 0.6, 7)
# An error rate of so few clips is not known to the last digit, even if all resamples agree.
LEAST_VARIANCE = 1e-4
# What is measured of a gain sways, for clips change sides: by this share of the deviation of the
# step from half of the recordings to all. On SESA, with 20 more to 8 to 60 recordings a label, 79%
# of 63 measured gains were inside the 80% interval with it, 71% with 0.1 and 84% with 0.2.
SWAY = 0.15
# Of so many labels at most it is told, those that gain most: a run's record has 400 KB.
MOST_TOLD = 100
RESAMPLES = 400
DRAWS = 4_000
# Ends of the 80% interval.
INTERVAL = (0.1, 0.9)
SEED = 20


def project(
    dataset: Dataset,
    head: Head,
    parts: Sequence[int] = (),
    progress: Callable[[float], None] = lambda _: None,
) -> dict[str, Any]:
    """By how much each label's F1 would rise with more recordings of it, and no more of others.

    The clips on which the head was chosen are answered again, fold by fold, by heads that have
    learnt from 1/8, 1/4, 1/2 and all of a label's other recordings. An inverse power law of the
    number of recordings with a floor goes through its errors, 1 - F1 (Figueroa et al., BMC Medical
    Informatics and Decision Making 12:8, 2012; Viering and Loog, IEEE TPAMI 45, 2022): not the best
    one, but all of a grid, each as likely as it fits errors of that covariance. The covariance is
    of a bootstrap over recordings, folds and lots.

    ``f1`` is by cross-validation, as ``recordings`` and ``curve`` are of its training part;
    ``more`` has ``recordings`` to come with the ``gain`` in F1, at least 0 and at most 1 - F1, and
    the 80% ``interval`` of what will be measured of it on as many clips as these. It is empty where
    F1 does not surely rise from the smallest part to the largest: there it cannot be told.
    ``collect`` are the labels that can be told of, the one that gains most from SOON more first.
    Each label has its ``sentence``, and all have one. ``parts`` are the embedding's, as in
    ``heads.fit``; ``progress`` is told the share done.
    """
    trials = _Trials.of(dataset, head, parts, progress)
    recordings = _recordings(dataset.training, dataset.labels)
    weights = trials.resampled()
    labels = {}
    for n, label in enumerate(dataset.labels):
        outlook = _outlook(trials, weights, n, len(recordings[label]))
        labels[label] = {**outlook, "sentence": _sentence(label, outlook)}
    told = {name: _soon(one) for name, one in labels.items() if one["more"]}
    collect = sorted(told, key=lambda name: (-told[name]["gain"], name))
    first = dict.fromkeys([*collect, *labels])
    return {
        "labels": {label: labels[label] for label in [*first][:MOST_TOLD]},
        "collect": collect[:MOST_TOLD],
        "sentence": f"Collect {collect[0]} first. {labels[collect[0]]['sentence']}"
        if collect
        else "Of no label can it be told what more recordings would bring.",
    }


def _soon(outlook: dict[str, Any]) -> dict[str, Any]:
    return next(row for row in outlook["more"] if row["recordings"] == SOON)


def _sentence(label: str, outlook: dict[str, Any]) -> str:
    if outlook["more"]:
        row = _soon(outlook)
        low, high = row["interval"]
        return (
            f"With {SOON} more {label} recordings expect F1 +{row['gain']:.2f} "
            f"({low:.2f} to {high:.2f})."
        )
    why = (
        f"there are only {outlook['recordings']}"
        if outlook["recordings"] < FEWEST
        else "with fewer of those there are, it was not surely heard worse"
    )
    return f"What more {label} recordings would bring cannot be told: {why}."


@dataclass(frozen=True, eq=False)
class _Trials:
    """What the clips were answered by heads that had learnt from parts of the others.

    ``answers`` ``[lots, shares, labels, clips]``: the label number that each clip was answered when
    a label was learnt from a share. ``sizes`` ``[labels, shares]`` are recordings learnt from.
    ``whole`` ``[clips]`` are the answers with all labels whole.
    """

    answers: Numbers
    sizes: Floats
    whole: Numbers
    truth: Numbers
    recording: Numbers
    fold: Numbers

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        head: Head,
        parts: Sequence[int],
        progress: Callable[[float], None],
    ) -> _Trials:
        clips, labels = heads.judged_by(dataset), dataset.labels
        number = {label: n for n, label in enumerate(labels)}
        names, recording = np.unique([clip.group for clip in clips], return_inverse=True)
        lots = LOTS_OF_MANY if len(clips) > MANY else LOTS
        answers = np.zeros((lots, len(SHARES), len(labels), len(clips)), dtype=np.int64)
        sizes = np.zeros((len(labels), len(SHARES)))
        of_fold = np.zeros(len(names), dtype=np.int64)
        random = np.random.default_rng(SEED)
        folds = list(heads.folds_of(clips, labels))
        for number_of_fold, fold in enumerate(folds):
            of_fold[recording[fold]] = number_of_fold
            asked = [clips[n] for n in fold]
            others = [clips[n] for n in np.setdiff1d(np.arange(len(clips)), fold)]
            for lot in range(lots):
                turns = _turns(others, labels, random)
                share = np.array([random.permutation(len(SHARES)) for _ in labels])
                for trial in range(len(SHARES)):
                    learnt = share[:, trial]
                    until = {
                        label: ceil(SHARES[learnt[n]] * len(turns[label]))
                        for n, label in enumerate(labels)
                    }
                    part = [c for c in others if turns[c.label][c.group] < until[c.label]]
                    said = heads.refit(head, part, labels, parts).answers(asked).argmax(axis=1)
                    for n, label in enumerate(labels):
                        answers[lot, learnt[n], n, fold] = said
                        sizes[n, learnt[n]] += until[label] / (lots * len(folds))
            progress((number_of_fold + 1) / len(folds))
        truth = np.array([number[clip.label] for clip in clips])
        return cls(answers, sizes, head.unseen_answers, truth, recording, of_fold)

    def resampled(self) -> Floats:
        """How often each recording's answers in each lot count, ``[resamples, lots, recordings]``.

        The first is the sample as it is.
        """
        random = np.random.default_rng(SEED)
        lots, recordings, folds = len(self.answers), len(self.fold), self.fold.max() + 1
        drawn = _drawn(random, recordings, (RESAMPLES, 1))
        drawn = drawn * _drawn(random, folds, (RESAMPLES, 1))[..., self.fold]
        drawn = drawn * _drawn(random, lots, (RESAMPLES, folds)).swapaxes(1, 2)[..., self.fold]
        return np.concatenate([np.ones((1, lots, recordings)), drawn])

    def errors(self, weights: Floats, label: int) -> Floats:
        """A label's 1 - F1 in each resample: ``[resamples, shares + 1]``, the last of the whole."""
        lots = len(self.answers)
        whole = np.broadcast_to(self.whole, (lots, 1, len(self.whole)))
        said = np.concatenate([self.answers[:, :, label], whole], axis=1) == label
        there = np.broadcast_to(self.truth == label, said.shape)
        rows = weights.reshape(len(weights), -1)
        hits, both = (
            rows @ self._by_recording(counted) for counted in (said & there, said * 1.0 + there)
        )
        return 1 - 2 * hits / np.maximum(both, 1)

    def _by_recording(self, counted: NDArray[Any]) -> Floats:
        """Sums over clips: ``[lots, shares, clips]`` → ``[lots * recordings, shares]``."""
        lots, shares, _ = counted.shape
        sums = np.zeros((len(self.fold), lots, shares))
        np.add.at(sums, self.recording, np.moveaxis(counted, 2, 0))
        return sums.swapaxes(0, 1).reshape(-1, shares)


def _recordings(clips: Sequence[Clip], labels: Sequence[str]) -> dict[str, list[str]]:
    pairs = sorted({(clip.label, clip.group) for clip in clips})
    return {label: [group for of, group in pairs if of == label] for label in labels}


def _turns(
    clips: Sequence[Clip], labels: Sequence[str], random: np.random.Generator
) -> dict[str, dict[str, int]]:
    """In which order each label's recordings are learnt from; a fold may leave it none."""
    return {
        label: dict(zip(groups, random.permutation(len(groups)).tolist(), strict=True))
        for label, groups in _recordings(clips, labels).items()
    }


def _drawn(random: np.random.Generator, many: int, shape: tuple[int, ...]) -> Floats:
    """How often each of so many is drawn with replacement, ``[*shape, many]``."""
    return random.multinomial(many, np.full(many, 1 / many), size=shape).astype(float)


def _outlook(trials: _Trials, weights: Floats, label: int, recordings: int) -> dict[str, Any]:
    errors = trials.errors(weights, label)
    sample, drawn = errors[0], errors[1:]
    # The others were learnt from in part: as they are whole, all of the curve is higher.
    lifted = sample[:-1] * (sample[-1] / sample[-2] if sample[-2] else 1)
    found: dict[str, Any] = {
        "recordings": recordings,
        "f1": round(1 - float(sample[-1]), 4),
        "curve": [
            {"recordings": round(float(size), 1), "f1": round(max(0.0, 1 - float(error)), 4)}
            for size, error in zip(trials.sizes[label], lifted, strict=True)
        ],
        "more": [],
    }
    falls = drawn[:, 0] - drawn[:, -2]
    if recordings >= FEWEST and np.quantile(falls, INTERVAL[0]) > 0:
        found["more"] = _gains(trials.sizes[label] / recordings, errors, recordings)
    return found


def _gains(sizes: Floats, errors: Floats, recordings: int) -> list[dict[str, Any]]:
    """A row for each number of MORE recordings; ``sizes`` are shares of those that there are."""
    exponents, floors = (grid.ravel() for grid in np.meshgrid(EXPONENTS, FLOORS))
    chance = _chances(_law(sizes, exponents, floors), errors[:, :-1])
    today, drawn = errors[0, -1], errors[1:, -1]
    random = np.random.default_rng(SEED)
    law = random.choice(len(chance), DRAWS, p=chance)
    error = random.choice(drawn, DRAWS)
    sway = random.normal(0, SWAY * (errors[1:, -3] - errors[1:, -2]).std(), DRAWS)
    rows = []
    for more in MORE:
        if more <= max(SOON, recordings):
            saved = 1 - _law(np.array([1 + more / recordings]), exponents, floors)[:, 0]
            measured = np.clip(saved[law] * error + sway, 0, today)
            low, high = map(float, np.quantile(measured, INTERVAL))
            gain = float(chance @ saved * today)
            rows.append(
                {
                    "recordings": more,
                    "gain": round(gain, 4),
                    "interval": [round(min(low, gain), 4), round(max(high, gain), 4)],
                }
            )
    return rows


def _law(sizes: Floats, exponents: Floats, floors: Floats) -> Floats:
    """Errors of each law at each size, both relative to those of today: ``[laws, sizes]``."""
    falling = sizes ** -exponents[:, np.newaxis]
    return floors[:, np.newaxis] + (1 - floors[:, np.newaxis]) * falling


def _chances(laws: Floats, errors: Floats) -> Floats:
    """How likely each law is ``[laws]``; the first of ``errors`` ``[resamples, sizes]`` is known.

    A law's scale is free: it is integrated over, with no scale likelier than another.
    """
    covariance = np.cov(errors[1:].T) + LEAST_VARIANCE * np.eye(errors.shape[1])
    weighed = np.linalg.solve(covariance, laws.T).T
    stiffness = (weighed * laws).sum(axis=1)
    left = errors[0] - laws * (weighed @ errors[0] / stiffness)[:, np.newaxis]
    misfit = (left * np.linalg.solve(covariance, left.T).T).sum(axis=1)
    likely = np.exp(-(misfit - misfit.min()) / 2) / np.sqrt(stiffness)
    return np.asarray(likely / likely.sum())
