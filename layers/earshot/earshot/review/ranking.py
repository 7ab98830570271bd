"""What a person is asked first: the doubts of all recordings, in the order of their worth.

A doubt's **rank** is 0 for what is worth most and 1 for least: the margin between the two best
labels (margin sampling: Scheffer, Decomain and Wrobel, 2001; Settles, Active Learning Literature
Survey, 2009, section 3.1), or, where that is less, half the inverse cube of its novelty. So what
two labels contend for is asked about, and what is like little that was learnt, however sure the
answer: a window that is just too novel to be accepted counts as one with a margin of a half, one
of twice that novelty as next to a tie.

Novelty finds what is wrong where a label was never heard; it does not teach more (docs/review.md):
60 clips by novelty alone taught less than 60 by the margin, though farthest-first methods promise
otherwise (Shuyang, Heittola and Virtanen, Active Learning for Sound Event Detection, IEEE/ACM TASLP
28, 2020). So it counts only where the margin says nothing.

Before all others come **disagreements** of two models, as of a committee (Settles, section 3.2),
then what comes of sites that **drift**.

Whoever is asked the best ones alone is asked about one noisy site, and one label, for an hour:
such a batch teaches less than one of its size that is spread (Brinker, Incorporating Diversity in
Active Learning with Support Vector Machines, ICML 2003). So each next one is the best after a
penalty for each that its label, and its site, had already.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from earshot.recording import Doubt, Reason

# For each that its label or its site had already, a stretch counts as so much worse: so little that
# the best still come early, and so much that no site has all of twenty while another waits.
PENALTY = 0.125
# Far below what makes a difference; so nothing is divided by zero.
LEAST = 0.5
# Ahead of all digits in the order of text, in this order.
_AHEAD: dict[Reason, str] = {"disagreement": "!", "drift": "+"}


@dataclass(frozen=True)
class Waiting:
    """An entry of the queue: a review's id, its ``place`` in text, and what it is spread by."""

    review: str
    place: str
    label: str
    site: str


def rank(margin: float, novelty: float) -> float:
    """From 0, what is worth most, to 1; of a Doubt's margin and novelty."""
    return min(margin, 1.0, 0.5 / max(novelty, LEAST) ** 3)


def why(margin: float, novelty: float) -> Reason:
    """Which of the two is the reason to ask."""
    return "uncertain" if rank(margin, novelty) == margin else "novel"


def place(doubt: Doubt) -> str:
    """A doubt's place among all: of one width for each reason, so that text sorts as it should."""
    return f"{_AHEAD.get(doubt.reason, '')}{rank(doubt.margin, doubt.novelty):.4f}"


def spread(waiting: Iterable[Waiting], limit: int, favoured: Collection[str] = ()) -> list[Waiting]:
    """So many of those that wait, the best first and each next one not like those before.

    ``favoured`` are sites whose stretches come before others, but for disagreements.
    """
    left = {one: _standing(one, favoured) for one in waiting}
    labels, sites = Counter[str](), Counter[str]()

    def cost(one: Waiting) -> tuple[int, float, str, str]:
        ahead, ranked = left[one]
        seen = labels[one.label] + sites[one.site]
        return ahead, ranked + PENALTY * seen, one.place, one.review

    chosen: list[Waiting] = []
    while left and len(chosen) < limit:
        best = min(left, key=cost)
        del left[best]
        labels[best.label] += 1
        sites[best.site] += 1
        chosen.append(best)
    return chosen


def _standing(one: Waiting, favoured: Collection[str]) -> tuple[int, float]:
    """How far ahead it is of others, 0 before 1 before 2, and its rank."""
    marks = [*_AHEAD.values()]
    mark = one.place[0]
    if mark in marks:
        return marks.index(mark), float(one.place[1:])
    return (marks.index("+") if one.site in favoured else len(marks)), float(one.place)
