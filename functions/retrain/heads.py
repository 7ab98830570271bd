"""The head: a small classifier fitted on embeddings, chosen by cross-validation, calibrated."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from earshot.detector import accepted
from earshot.errors import BadDataset
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from retrain.calibration import (
    by_clip,
    fit_novelty_threshold,
    fit_temperature,
    fit_thresholds,
    log_loss,
    softmax,
)
from retrain.classifiers import Logistic, Network, Windows, logits, softened, standard
from retrain.novelty import Novelty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from earshot.recording import Samples

    from retrain.classifiers import Layers
    from retrain.dataset import Clip, Dataset

    Row = dict[str, Any]
    Numbers = np.ndarray[Any, np.dtype[Any]]

CANDIDATES: tuple[Logistic | Network, ...] = (
    Logistic(0.03),
    Logistic(0.1),
    Logistic(0.3),
    Network(0.3),
)
FOLDS = 5
# What a window of an altered copy weighs beside one of its clip. On SESA, by grouped 5-fold
# cross-validation over four seeds: without copies 0.907 on the clips and 0.762 on copies of unheard
# ones; at 0.1 0.907 and 0.843; at 0.25 0.901 and 0.869; at 1 0.899 and 0.878.
COPY_WEIGHT = 0.2
# The candidate is chosen on about so many clips, a few of each label at least; more would cost time
# and change nothing.
CV_CLIPS = 2_000
SEED = 20
# Somebody has labelled a noise when so many clips of one label are nearer to it than to any label.
# None of SESA's is; one window of seven shots is.
LABELLED = 3
# So many clips are held against noise at a time: 40 MB.
AT_ONCE = 10_000


@dataclass(frozen=True, eq=False)
class Head:
    """Probabilities are the softmax of ``layers``; the temperature is inside.

    ``layers`` are affine, with a rectifier between them. ``thresholds`` are the confidence from
    which a label is accepted, ``novelty_threshold`` the novelty up to which anything is.
    ``classifier`` is what was chosen; ``unseen_accuracy`` and ``unseen_accepted`` are
    its share of right answers, and of accepted ones, over the folds of ``unseen_clips``, and
    ``unseen_answers`` ``[unseen_clips]`` the number of each one's label as it was answered;
    ``curve`` one row per candidate and fold.
    """

    layers: Layers
    novelty: Novelty
    temperature: float
    thresholds: dict[str, float]
    novelty_threshold: float
    classifier: Logistic | Network
    unseen_clips: int
    unseen_accuracy: float
    unseen_accepted: float
    unseen_answers: Numbers
    curve: list[Row]

    @property
    def dim(self) -> int:
        """The length of an embedding."""
        return len(self.layers[0][0])

    def probabilities(self, embedding: Samples) -> Samples:
        """``[windows, dim]`` → ``[windows, labels]``."""
        return softmax(logits(self.layers, embedding))

    def answers(self, clips: Sequence[Clip]) -> Samples:
        """``[clips, labels]``: the mean over each clip's windows, as the detector answers."""
        windows = np.concatenate([clip.embedding for clip in clips])
        clip = np.repeat(np.arange(len(clips)), [len(one.embedding) for one in clips])
        return by_clip(self.probabilities(windows), clip)


@dataclass(frozen=True, eq=False)
class _Clips:
    """The windows of clips, and ``clip`` ``[windows]``, the number of each window's clip.

    ``judged`` is false for windows of altered copies.
    """

    windows: Windows
    clip: Numbers
    judged: Numbers

    @classmethod
    def of(cls, clips: Sequence[Clip], labels: Sequence[str]) -> _Clips:
        """A clip weighs the same however many windows it has, and so does each label."""
        originals = [clip.embedding for clip in clips]
        copies = [clip.embedding[:0] if clip.copies is None else clip.copies for clip in clips]
        pairs = list(zip(originals, copies, strict=True))
        parts = [part for pair in pairs for part in pair]
        sizes = [len(a) + len(b) for a, b in pairs]
        weights = [len(a) + COPY_WEIGHT * len(b) for a, b in pairs]
        number = {label: n for n, label in enumerate(labels)}
        y = np.array([number[clip.label] for clip in clips])
        counts = np.bincount(y, minlength=len(labels))
        # A label without clips is none to be shared with.
        per_label = len(clips) / (np.count_nonzero(counts) * np.maximum(counts, 1))
        judged = np.repeat([n % 2 == 0 for n in range(len(parts))], [len(p) for p in parts])
        weight = np.repeat(per_label[y] / weights, sizes)
        return cls(
            Windows(
                x=np.concatenate(parts),
                label=np.repeat(y, sizes),
                weight=np.where(judged, weight, COPY_WEIGHT * weight),
            ),
            clip=np.repeat(np.arange(len(clips)), sizes),
            judged=judged,
        )

    def outside(self, fold: Numbers) -> Windows:
        """All windows but those of a fold's clips."""
        inside = ~np.isin(self.clip, fold)
        return Windows(
            self.windows.x[inside], self.windows.label[inside], self.windows.weight[inside]
        )

    def judged_of(self, fold: Numbers) -> Numbers:
        """Which windows a fold's clips are judged by."""
        return np.isin(self.clip, fold) & self.judged


def fit(
    dataset: Dataset,
    alert_labels: Sequence[str],
    progress: Callable[[float, list[Row]], None],
    parts: Sequence[int] = (),
) -> Head:
    """Choose the classifier by cross-validation grouped by recording, calibrate, fit on everything.

    ``progress`` is told the share done and the curve so far after every fold. ``parts`` are the
    widths of what an embedding consists of, if it was put together from several. Raises BadDataset
    when a fold leaves only one label to learn, or nothing tells clips apart.
    """
    with _one_thread():
        return _fit(dataset, alert_labels, progress, parts)


def _fit(
    dataset: Dataset,
    alert_labels: Sequence[str],
    progress: Callable[[float, list[Row]], None],
    parts: Sequence[int],
) -> Head:
    labels = dataset.labels
    chosen = judged_by(dataset)
    clips = _Clips.of(chosen, labels)
    if not standard(clips.windows.x)[1].any():
        raise BadDataset("All clips are the same to the backbone: nothing tells the labels apart.")
    parts = parts or (clips.windows.x.shape[1],)
    background = np.concatenate(
        [clips.windows.x[:0], *(clip.embedding for clip in dataset.background)]
    )
    truth = np.array([labels.index(clip.label) for clip in chosen])
    noise = clips.windows.x[:0] if dataset.noise is None else dataset.noise
    measure = Novelty.fit(clips.windows, background, noise)
    refused = _unlabelled(measure, dataset.training)
    measure, noise = replace(measure, noise=measure.noise[refused]), noise[refused]
    folds = list(folds_of(chosen, labels))
    curve: list[Row] = []
    steps = len(CANDIDATES) * len(folds) + 1
    unseen = [np.zeros((len(clips.clip), len(labels)), np.float32) for _ in CANDIDATES]
    novelty = np.zeros(len(clips.clip), np.float32)
    for number, fold in enumerate(folds):
        windows, asked = clips.outside(fold), clips.judged_of(fold)
        if len(left := np.unique(windows.label)) < 2:
            raise BadDataset(
                f"Without one fold, nothing but {labels[left[0]]} is left to learn. Add recordings "
                "of the other labels."
            )
        novelty[asked] = Novelty.fit(windows, background, noise)(clips.windows.x[asked])
        for candidate, answers in zip(CANDIDATES, unseen, strict=True):
            layers = candidate.fit(windows, len(labels), parts)
            answers[asked] = logits(layers, clips.windows.x[asked])
            heard = by_clip(softmax(answers[asked]), clips.clip[asked])
            curve.append(
                {
                    "candidate": str(candidate),
                    "fold": number + 1,
                    "accuracy": round(float((heard.argmax(axis=1) == truth[fold]).mean()), 4),
                    "log_loss": round(log_loss(heard, truth[fold]), 4),
                }
            )
            progress(len(curve) / steps, curve)
    clip = clips.clip[clips.judged]
    candidate, temperature, heard = _best([part[clips.judged] for part in unseen], clip, truth)
    thresholds = fit_thresholds(heard, truth, labels, alert_labels)
    lowest = np.array([thresholds[label] for label in labels])
    strange = by_clip(novelty[clips.judged], clip)
    novelty_threshold = fit_novelty_threshold(heard, strange, lowest)
    everything = _Clips.of(dataset.training, labels).windows
    layers = softened(candidate.fit(everything, len(labels), parts), temperature)
    head = Head(
        layers=layers,
        novelty=measure,
        temperature=temperature,
        thresholds=thresholds,
        novelty_threshold=novelty_threshold,
        classifier=candidate,
        unseen_clips=len(truth),
        unseen_accuracy=float((heard.argmax(axis=1) == truth).mean()),
        unseen_answers=heard.argmax(axis=1),
        unseen_accepted=float(accepted(heard, strange, lowest, novelty_threshold).mean()),
        curve=curve,
    )
    progress(1.0, curve)
    return head


def _unlabelled(measure: Novelty, clips: Sequence[Clip]) -> Numbers:
    """Which points of noise nobody has labelled, ``[noise]`` of booleans.

    Rain may be a label, and so may a recorder's own hiss.
    """
    near = np.concatenate(
        [
            measure.like_noise(np.stack([clip.embedding.mean(axis=0) for clip in some]))
            for some in (clips[at : at + AT_ONCE] for at in range(0, len(clips), AT_ONCE))
        ]
    )
    labels = np.array([clip.label for clip in clips])
    told = Counter(labels[near.any(axis=1)].tolist())
    noisy = [label for label, count in told.items() if count >= LABELLED]
    return np.asarray(~near[np.isin(labels, noisy)].any(axis=0))


def judged_by(dataset: Dataset) -> list[Clip]:
    """The training clips that a head is chosen on, in the order of its ``unseen_answers``."""
    return _at_most(dataset.training, max(FOLDS, CV_CLIPS // len(dataset.labels)))


def refit(
    head: Head, clips: Sequence[Clip], labels: Sequence[str], parts: Sequence[int] = ()
) -> Head:
    """The head as it would be, had it learnt from other clips: only its layers are fitted anew."""
    windows = _Clips.of(clips, labels).windows
    with _one_thread():
        layers = head.classifier.fit(windows, len(labels), parts or (head.dim,))
    return replace(head, layers=softened(layers, head.temperature))


def _one_thread() -> threadpool_limits:
    # The matrices are small: threads of the linear algebra would wait for each other, and on a
    # busy machine a fit would take a hundred times as long.
    return threadpool_limits(1)


def _best(
    unseen: Sequence[Samples], clip: Numbers, truth: Numbers
) -> tuple[Logistic | Network, float, Samples]:
    """The candidate whose unseen clips fit best, its temperature, and its probabilities by clip."""
    tried = []
    for candidate, answers in zip(CANDIDATES, unseen, strict=True):
        temperature = fit_temperature(answers, clip, truth)
        tried.append((candidate, temperature, by_clip(softmax(answers / temperature), clip)))
    return min(tried, key=lambda one: log_loss(one[2], truth))


def _at_most(clips: Sequence[Clip], per_label: int) -> list[Clip]:
    """A fixed subset of at most ``per_label`` clips of each label, from all recordings in turn."""
    groups = sorted({clip.group for clip in clips})
    np.random.default_rng(SEED).shuffle(groups)
    rank = {group: n for n, group in enumerate(groups)}
    seen: Counter[str] = Counter()
    turns = {}
    for clip in clips:
        turns[clip.sha256] = (seen[clip.group], rank[clip.group])
        seen[clip.group] += 1
    taken: Counter[str] = Counter()
    chosen = []
    for clip in sorted(clips, key=lambda clip: turns[clip.sha256]):
        taken[clip.label] += 1
        if taken[clip.label] <= per_label:
            chosen.append(clip)
    return chosen


def folds_of(clips: Sequence[Clip], labels: Sequence[str]) -> Iterator[Numbers]:
    """The clips of each fold; no recording is in two.

    A label with fewer recordings than folds is missing from some, which judge the others.
    """
    recordings = Counter(label for label, _ in {(clip.label, clip.group) for clip in clips})
    folds = min(FOLDS, max(recordings[label] for label in labels))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=SEED)
    labels_of = [clip.label for clip in clips]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for _, fold in splitter.split(labels_of, labels_of, [clip.group for clip in clips]):
            yield fold
