"""What reviews changed: the same training without them, asked about the same held-out clips."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from retrain import figures, heads
from retrain.dataset import in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrain.dataset import Dataset
    from retrain.heads import Head

# So many labels are named in a sentence.
MOST_NAMED = 4


def changed_by_reviews(
    dataset: Dataset, head: Head, min_recordings: int, parts: Sequence[int] = ()
) -> dict[str, Any]:
    """The held-out answers of ``head``, and of it without any review that it has learnt from.

    All reviews are meant, not only those since the version before: what they are worth, then,
    does not hang on how often somebody trained. A rejected one makes no sample and is no part of
    this. Classifier and temperature stay as they were chosen.

    ``reviews`` are learnt from, ``held_out`` others are among the clips judged by. ``accuracy``,
    ``macro_f1`` and each label's ``f1`` are ``with_reviews`` and ``without_reviews``, with the
    ``difference`` and its 95% ``interval``, a paired bootstrap by recording; None when a figure
    says nothing of these clips. ``only_by_reviews`` are labels that have fewer than
    ``min_recordings`` recordings else: without reviews they would not be learnt, and are answered
    never. When fewer than two labels are left, or there is no review, nothing is compared.
    """
    reviews = Counter(clip.label for clip in dataset.training if clip.reviewed)
    rest = [clip for clip in dataset.training if not clip.reviewed]
    recordings = Counter(label for label, _ in {(clip.label, clip.group) for clip in rest})
    left = in_order({n for n in dataset.labels if recordings[n] >= min_recordings}, dataset.labels)
    found: dict[str, Any] = {
        "reviews": reviews.total(),
        "held_out": sum(clip.reviewed for clip in dataset.held_out),
        "by_label": dict(sorted(reviews.items())),
        "only_by_reviews": [label for label in dataset.labels if label not in left],
        "clips": len(dataset.held_out),
        "accuracy": None,
        "macro_f1": None,
        "per_label": {},
    }
    if reviews and len(left) > 1:
        learnt = [clip for clip in rest if clip.label in left]
        without = heads.refit(head, learnt, dataset.labels, parts)
        found |= figures.compare(
            head.answers(dataset.held_out),
            without.answers(dataset.held_out),
            [clip.label for clip in dataset.held_out],
            [clip.group for clip in dataset.held_out],
            dataset.labels,
        )
    return {**found, "sentence": _sentence(found)}


def _sentence(found: dict[str, Any]) -> str:
    """The label that reviews changed most, rather one that has some, and all labels together."""
    if not found["reviews"]:
        return "No review has been learnt from."
    subject = f"{found['reviews']} review{'s' if found['reviews'] > 1 else ''}"
    if found["accuracy"] is None:
        return f"{subject}: without them fewer than two labels could be learnt."
    known = _known(found["only_by_reviews"])
    told = {label: one for label, one in found["per_label"].items() if one["difference"]}
    if not told:
        return (
            f"{subject}: {known}no F1 changed on the {found['clips']} held-out clips, macro-F1 is "
            f"{_figure(found['macro_f1']['with_reviews'])} with them and without."
        )
    label = max(told, key=lambda of: (of in found["by_label"], abs(told[of]["difference"])))
    interval = told[label]["interval"]
    chance = interval is None or interval[0] <= 0 <= interval[1]
    return (
        f"{subject}: {known}{label} F1 {_change(told[label])} on the {found['clips']} held-out "
        f"clips, macro-F1 {_change(found['macro_f1'])}."
        + (" So few clips may differ by chance." if chance else "")
    )


def _known(labels: Sequence[str]) -> str:
    """Which labels only reviews know; of many the first ones by name."""
    if not labels:
        return ""
    named = [*labels]
    if len(named) > MOST_NAMED:
        named[MOST_NAMED - 1 :] = [f"{len(named) - MOST_NAMED + 1} more"]
    *first, last = named
    told = f"{', '.join(first)} and {last} are" if first else f"{last} is"
    return f"{told} known only by them; "


def _change(figure: dict[str, Any]) -> str:
    return f"{_figure(figure['without_reviews'])} → {_figure(figure['with_reviews'])}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
