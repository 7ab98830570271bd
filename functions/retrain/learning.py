"""Whether more recordings would help: how a head hears that has learnt from fewer."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from retrain import figures, heads
from retrain.calibration import log_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from retrain.dataset import Clip, Dataset
    from retrain.heads import Head

# The whole, a half, a quarter, and so on: doubling the data is what one can decide to do.
POINTS = 5
# Only parts of so many clips are learnt from anew, so that 100,000 take no longer than 10,000.
MOST_CLIPS = 10_000


def learning_curve(
    dataset: Dataset,
    head: Head,
    parts: Sequence[int] = (),
    progress: Callable[[float], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """How the held-out clips are answered after learning from ever larger parts of the training.

    Each part is in the next one, and the last is what ``head`` has learnt from: rows of
    ``recordings`` and ``clips`` learnt from, ``accuracy`` with its interval by recording, and
    ``log_loss``. The classifier and its temperature stay as they were chosen for the whole.
    ``parts`` are the embedding's, as in ``heads.fit``. All answers are by the stored embeddings.
    """
    learnt = _parts(dataset)
    rows = []
    for number, clips in enumerate(learnt):
        whole = number == len(learnt) - 1
        tried = head if whole else heads.refit(head, clips, dataset.labels, parts)
        groups = {clip.group for clip in clips}
        rows.append({"recordings": len(groups), "clips": len(clips), **_asked(tried, dataset)})
        progress((number + 1) / len(learnt))
    return rows


def _parts(dataset: Dataset) -> list[list[Clip]]:
    """Growing parts of the training clips; a recording's turn hangs on its name alone.

    Of every label there is the same share of recordings, rounded up.
    """
    recordings: dict[str, set[str]] = defaultdict(set)
    for clip in dataset.training:
        recordings[clip.label].add(clip.group)
    in_turn = [sorted(groups, key=_turn) for groups in recordings.values()]
    parts = [list(dataset.training)]
    share = 1.0
    while len(parts) < POINTS and max(map(len, in_turn)) * share > 1:
        share /= 2
        taken = {g for groups in in_turn for g in groups[: ceil(share * len(groups))]}
        part = [clip for clip in dataset.training if clip.group in taken]
        if len(part) <= MOST_CLIPS:
            parts.append(part)
    return parts[::-1]


def _turn(group: str) -> bytes:
    return hashlib.sha256(f"earshot learning {group}".encode()).digest()


def _asked(head: Head, dataset: Dataset) -> dict[str, Any]:
    held_out = dataset.held_out
    heard = head.answers(held_out)
    truth = np.array([dataset.labels.index(one.label) for one in held_out])
    right = figures.share((heard.argmax(axis=1) == truth).tolist(), [one.group for one in held_out])
    return {
        "accuracy": right["share"],
        "accuracy_interval": right["interval"],
        "log_loss": round(log_loss(heard, truth), 4),
    }
