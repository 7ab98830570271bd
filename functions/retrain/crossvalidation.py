"""How well a way of learning hears recordings that it has not learnt from, each in its turn."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from earshot.detector import accepted
from earshot.errors import BadDataset
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold

from retrain import figures, heads
from retrain.calibration import by_clip
from retrain.dataset import Dataset, in_order
from retrain.export import Embedder
from retrain.folder import as_clip, embed_files
from retrain.noise import embed_noises

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from earshot.application import Application
    from earshot.recording import Samples

    from retrain.backbones import Backbone
    from retrain.dataset import Clip
    from retrain.folder import LabelledFile
    from retrain.heads import Head

    Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Plan:
    """Which folds: so many, or ``manifest`` for those of the folder, or ``loo``: leave one out.

    ``repeats`` are made from ``seed`` on, each with other folds if they are drawn.
    """

    folds: str = "5"
    seed: int = 0
    repeats: int = 1

    def __post_init__(self) -> None:
        drawn = self.folds.isdecimal()
        if self.folds not in ("manifest", "loo") and not (drawn and int(self.folds) > 1):
            raise BadDataset(
                f"folds must be a number above 1, or manifest, or loo, not {self.folds!r}."
            )
        if self.repeats > 1 and not drawn:
            raise BadDataset(f"With folds {self.folds}, every repetition would be the same.")

    def draw(self, clips: Sequence[Clip], given_folds: Sequence[str | None]) -> list[list[Numbers]]:
        """For each repetition, the numbers of each fold's clips; raises BadDataset."""
        if self.folds == "manifest":
            return [given(clips, given_folds)]
        if self.folds == "loo":
            return [leave_one_out(clips)]
        return [
            stratified(clips, int(self.folds), self.seed + repeat) for repeat in range(self.repeats)
        ]


def try_folder(
    files: Sequence[LabelledFile],
    application: Application,
    backbone: Backbone,
    plan: Plan,
    progress: Callable[[str, float], None] = lambda *_: None,
) -> dict[str, Any]:
    """Cross-validate on labelled files: the figures, and what they are of, as JSON has it.

    Labels of fewer recordings than the application asks for are left out. Nothing but clips is
    learnt from, and steady noise to refuse: no altered copies of them.
    """
    embed = Embedder(backbone, application.window_s, application.hop_s)
    done = count(1)
    heard, notes = embed_files(files, embed, lambda: progress("embedding", next(done) / len(files)))
    recordings = Counter(label for label, _ in {(one.file.label, one.group) for one in heard})
    few = {label: n for label, n in recordings.items() if n < application.min_recordings}
    notes += [f"{label} is left out: {n} recordings." for label, n in sorted(few.items())]
    heard = [one for one in heard if one.file.label not in few]
    labels = in_order(recordings.keys() - few.keys(), application.labels)
    if len(labels) < 2:
        raise BadDataset("At least two labels need recordings. " + " ".join(notes[:5]))
    clips = [as_clip(one) for one in heard]
    noise = embed_noises(application.sample_rate, application.window_s, embed)
    dataset = Dataset(labels, training=tuple(clips), held_out=(), noise=noise)
    repetitions = []
    drawn = plan.draw(clips, [one.file.fold for one in heard])
    for number, folds in enumerate(drawn):

        def report(share: float, before: int = number) -> None:
            progress("learning", (before + share) / len(drawn))

        repetitions.append(
            crossvalidate(dataset, folds, application.alert_labels, backbone.parts, report)
        )
    return {
        "application": application.name,
        "backbone": backbone.name,
        "backbone_sha256": backbone.sha256,
        "folds": len(drawn[0]),
        "plan": asdict(plan),
        "labels": labels,
        "metrics": measure(clips, labels, repetitions),
        "left_out": notes,
    }


@dataclass(frozen=True, eq=False)
class Answers:
    """What clips were answered by heads that had not learnt from their recordings.

    ``clips`` are the numbers of the clips asked, ``[answers]``, each once per repetition;
    ``probabilities`` ``[answers, labels]``; ``accepted`` ``[answers]``.
    """

    clips: Numbers
    probabilities: Samples
    accepted: Numbers


def stratified(clips: Sequence[Clip], folds: int, seed: int) -> list[Numbers]:
    """The numbers of each fold's clips, by recording, labels spread evenly; raises BadDataset."""
    recordings = Counter(label for label, _ in {(clip.label, clip.group) for clip in clips})
    rarest, fewest = min(recordings.items(), key=lambda pair: pair[1])
    if folds > fewest:
        raise BadDataset(
            f"{rarest} has only {fewest} recordings, too few for {folds} folds. Ask for fewer, "
            "or for --folds loo."
        )
    labels, groups = [clip.label for clip in clips], [clip.group for clip in clips]
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return [fold for _, fold in splitter.split(labels, labels, groups)]


def leave_one_out(clips: Sequence[Clip]) -> list[Numbers]:
    """A fold for each recording."""
    groups = [clip.group for clip in clips]
    return [fold for _, fold in LeaveOneGroupOut().split(groups, groups, groups)]


def given(clips: Sequence[Clip], folds: Sequence[str | None]) -> list[Numbers]:
    """The folds that somebody gave, by name; raises BadDataset if a recording is in two."""
    if not all(folds):
        raise BadDataset(
            f"{sum(not fold for fold in folds)} clips are in no fold: fill the manifest's column "
            "fold, or ask for a number of folds."
        )
    of_group: dict[str, set[str | None]] = defaultdict(set)
    for clip, fold in zip(clips, folds, strict=True):
        of_group[clip.group].add(fold)
    if torn := sorted(group for group, names in of_group.items() if len(names) > 1):
        raise BadDataset(
            f"The manifest has one recording in several folds: {', '.join(torn[:10])}."
        )
    if len(set(folds)) < 2:
        raise BadDataset("The manifest puts every clip into one fold; nothing is left to learn.")
    return [np.flatnonzero(np.array(folds) == name) for name in sorted(set(map(str, folds)))]


def crossvalidate(
    dataset: Dataset,
    folds: Sequence[Numbers],
    alert_labels: Sequence[str],
    parts: Sequence[int] = (),
    progress: Callable[[float], None] = lambda _: None,
) -> Answers:
    """Fit a head without each fold of the training clips and ask it about the fold's.

    All that a training chooses (classifier, temperature, thresholds) is chosen without the fold.
    ``parts`` are the embedding's, as in ``heads.fit``.
    """
    clips, labels = dataset.training, dataset.labels
    asked = []
    for number, fold in enumerate(folds):
        inside = np.isin(np.arange(len(clips)), fold)
        rest = tuple(clip for clip, left_out in zip(clips, inside, strict=True) if not left_out)
        if unheard := set(labels) - {clip.label for clip in rest}:
            raise BadDataset(f"Without one fold, nothing of {min(unheard)} is left to learn.")

        def report(share: float, _: Any, done: int = number) -> None:
            progress((done + share) / len(folds))

        head = heads.fit(replace(dataset, training=rest), alert_labels, report, parts)
        asked.append(_answer(head, [clips[n] for n in fold], labels))
    return Answers(
        np.concatenate(folds),
        np.concatenate([probabilities for probabilities, _ in asked]),
        np.concatenate([passed for _, passed in asked]),
    )


def _answer(head: Head, clips: Sequence[Clip], labels: Sequence[str]) -> tuple[Samples, Numbers]:
    """A head's probabilities ``[clips, labels]``, and which answers it accepts ``[clips]``."""
    windows = np.concatenate([clip.embedding for clip in clips])
    clip = np.repeat(np.arange(len(clips)), [len(one.embedding) for one in clips])
    probabilities = head.answers(clips)
    novelty = by_clip(head.novelty(windows), clip)
    thresholds = np.array([head.thresholds[label] for label in labels])
    return probabilities, accepted(probabilities, novelty, thresholds, head.novelty_threshold)


def measure(
    clips: Sequence[Clip], labels: Sequence[str], repetitions: Sequence[Answers]
) -> dict[str, Any]:
    """The figures of all answers, as ``figures.measure`` gives them; ``clips`` counts clips once.

    Repetitions are pooled: a recording is drawn with all its answers, so that intervals do not
    shrink by asking again.
    """
    asked = [clips[n] for answers in repetitions for n in answers.clips]
    measured = figures.measure(
        np.concatenate([answers.probabilities for answers in repetitions]),
        [clip.label for clip in asked],
        [clip.group for clip in asked],
        labels,
        np.concatenate([answers.accepted for answers in repetitions]).tolist(),
    )
    return {**measured, "clips": len(clips), "answers": len(asked)}
