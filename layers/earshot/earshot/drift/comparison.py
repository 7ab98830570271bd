"""Whether what is heard still sounds as what a version was judged by: statistics of answers.

Answers to live sound are compared with a version's answers to its held-out clips, a label at a
time: a site with more sirens than there are among the clips does not differ by that. Of an answer
two numbers are looked at, how sure it is and how novel the sound, by a **kernel two-sample test**:
the maximum mean discrepancy with a Gaussian kernel as wide as the median distance (Gretton et al.,
A Kernel Two-Sample Test, JMLR 13, 2012), against permutations of who is live within each label.

A permutation test has the level that it states whatever the answers are spread like, as long as
they are independent, and the live ones are of the same kind. Each label's discrepancy is a test,
and so is their sum; the least of their p-values is held against the least ones that the same
permutations have (Westfall and Young, Resampling-Based Multiple Testing, 1993, minP), and of many
sites Holm's procedure takes those that differ (Scand. J. Statist. 6, 1979). So of all sites and
labels together, when none has changed, a day raises an alarm with no more than the stated
probability. ``docs/drift.md`` has what the test finds, and from how many answers.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from earshot.recording import Answer

    Array = NDArray[np.float64]

# Of a label there have to be so many answers to compare with, and live ones.
MIN_REFERENCE = 5
MIN_LIVE = 3
# So many of each label and side are compared, the first ones: a kernel has a row for each.
MOST = 250
# Answers as sure as this are all alike to a float32.
SUREST = 1 - 1e-6
# What is nowhere near a verdict is told after so many permutations,
ROUGH = 499
CLEAR = 0.05
# and the rest after so many for each unit that the last test's level is a part of; a thousand
# sites can still be told at a level of 1%.
FINE = 5
MOST_PERMUTATIONS = 99_999
AT_ONCE = 1_000


@dataclass(frozen=True)
class Shift:
    """How live answers of a label, or of all, lie beside those of the reference.

    ``p`` is the probability of so much discrepancy if nothing has changed, adjusted for all tests
    of its site; None when there are too few to test. ``more_novel`` is the share of pairs, of one
    label, in which the live one is more novel than that of the reference, ties half: 0.5 is no
    shift, 1 all; ``surer`` the same of the confidence.
    """

    live: int
    reference: int
    p: float | None = None
    more_novel: float | None = None
    surer: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Live answers beside a reference: all together, and by label."""

    all: Shift
    labels: dict[str, Shift]


def comparable(reference: Sequence[Answer], live: Sequence[Answer]) -> int:
    """How many live answers are of labels that can be compared."""
    there = Counter(answer.label for answer in reference)
    asked = Counter(answer.label for answer in live)
    return sum(n for label, n in asked.items() if n >= MIN_LIVE and there[label] >= MIN_REFERENCE)


def compare(
    reference: Sequence[Answer], live: Sequence[Answer], seed: str, level: float = 0.01
) -> Comparison:
    """Test whether live answers differ from a reference's; the same ``seed`` answers the same.

    ``level`` is what p will be held against at the least: it decides how finely p is known.
    Raises ValueError when nothing is ``comparable``.
    """
    strata = dict(_strata(reference, live))
    if not strata:
        raise ValueError("No label has answers enough on both sides.")
    digest = hashlib.sha256(seed.encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    p = _test(strata, random, ROUGH)
    if p[0] < CLEAR:
        # Drawn anew, so that having looked once does not count.
        wanted = min(max(10 * ROUGH, math.ceil(FINE / level)), MOST_PERMUTATIONS)
        p = _test(strata, random, wanted)
    there, asked = (Counter(answer.label for answer in side) for side in (reference, live))
    shifts = {
        label: Shift(asked[label], there[label]) for label in sorted(there.keys() | asked.keys())
    }
    for stratum, adjusted in zip(strata.values(), p[1:], strict=True):
        shifts[stratum.label] = Shift(
            live=asked[stratum.label],
            reference=there[stratum.label],
            p=adjusted,
            more_novel=stratum.above(1),
            surer=stratum.above(0),
        )
    compared = [shift for shift in shifts.values() if shift.p is not None]
    return Comparison(
        Shift(
            live=len(live),
            reference=len(reference),
            p=p[0],
            more_novel=_mean([(one.more_novel, one.live) for one in compared]),
            surer=_mean([(one.surer, one.live) for one in compared]),
        ),
        shifts,
    )


def holm(p: Mapping[str, float], level: float) -> frozenset[str]:
    """Those of several tests that reject, with at most ``level`` of any false one among them."""
    rejected = set()
    for before, (name, value) in enumerate(sorted(p.items(), key=lambda one: (one[1], one[0]))):
        if value > level / (len(p) - before):
            break
        rejected.add(name)
    return frozenset(rejected)


def stability(reference: Iterable[str], live: Iterable[str]) -> float:
    """The population stability index of how often each label is answered; 0 is no change.

    From the scoring of credit, where 0.1 is called a small shift and 0.25 a large one; half an
    answer is added to each label, so that one that is missing makes no infinity.
    """
    there, asked = Counter(reference), Counter(live)
    labels = there.keys() | asked.keys()
    total = 0.0
    for label in labels:
        expected = (there[label] + 0.5) / (there.total() + 0.5 * len(labels))
        actual = (asked[label] + 0.5) / (asked.total() + 0.5 * len(labels))
        total += (actual - expected) * math.log(actual / expected)
    return total


@dataclass(frozen=True, eq=False)
class _Stratum:
    """The answers of one label: ``values`` ``[n, 2]``, first those of the reference."""

    label: str
    values: Array
    reference: int

    @property
    def live(self) -> int:
        return len(self.values) - self.reference

    def above(self, column: int) -> float:
        """The share of pairs in which the live value is the larger one, ties half."""
        before, after = np.split(self.values[:, column], [self.reference])
        difference = after[:, np.newaxis] - before
        return float((difference > 0).mean() + (difference == 0).mean() / 2)

    def kernel(self) -> Array:
        """``[n, n]``; nothing in it depends on who is live, as a permutation test wants it."""
        scaled = self.values / _spread(self.values)
        squared = ((scaled[:, np.newaxis] - scaled) ** 2).sum(axis=2)
        median = float(np.median(squared[np.triu_indices(len(squared), 1)]))
        return np.asarray(np.exp(-squared / (2 * (median or 1.0))))

    def discrepancies(self, random: np.random.Generator, permutations: int) -> Array:
        """``[1 + permutations]``: the squared discrepancy of who is live, and of who might be."""
        kernel = self.kernel()
        weight = np.repeat([-1 / self.reference, 1 / self.live], [self.reference, self.live])
        found = [weight @ kernel @ weight]
        for start in range(0, permutations, AT_ONCE):
            rows = np.tile(weight, (min(AT_ONCE, permutations - start), 1))
            drawn = random.permuted(rows, axis=1)
            found.extend(((drawn @ kernel) * drawn).sum(axis=1))
        # Weighed by what it would be known to, so that the sum is of like with like; and rounded,
        # so that one that is drawn again is no smaller by its last digit.
        return np.round(np.asarray(found) * self.live * self.reference / len(self.values), 9)


def _strata(reference: Sequence[Answer], live: Sequence[Answer]) -> Iterable[tuple[str, _Stratum]]:
    before, after = _by_label(reference), _by_label(live)
    for label in sorted(before.keys() & after.keys()):
        old, new = before[label][:MOST], after[label][:MOST]
        if len(old) >= MIN_REFERENCE and len(new) >= MIN_LIVE:
            yield label, _Stratum(label, np.array([*old, *new]), len(old))


def _by_label(answers: Sequence[Answer]) -> dict[str, list[tuple[float, float]]]:
    """What is compared of answers: the log-odds of the confidence, and the novelty."""
    found = defaultdict(list)
    for answer in answers:
        sure = min(max(answer.confidence, 1 - SUREST), SUREST)
        found[answer.label].append((math.log(sure / (1 - sure)), answer.novelty))
    return found


def _spread(values: Array) -> Array:
    """Each column's deviation as the median has it, or as it is, or 1 where there is none."""
    robust = 1.4826 * np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    plain = values.std(axis=0)
    return np.where(robust > 1e-9, robust, np.where(plain > 1e-9, plain, 1.0))


def _test(
    strata: Mapping[str, _Stratum], random: np.random.Generator, permutations: int
) -> list[float]:
    """The p-value of all, and each stratum's, adjusted for each other."""
    parts = [stratum.discrepancies(random, permutations) for stratum in strata.values()]
    tests = np.stack([sum(parts), *parts])
    least = np.ones(permutations + 1)
    observed = []
    for found in tests:
        # How many are as large as each one, itself included.
        p = 1 - np.searchsorted(np.sort(found), found) / len(found)
        observed.append(p[0])
        least = np.minimum(least, p)
    adjusted = [float((least <= p + 1e-12).mean()) for p in observed]
    return [min(adjusted), *adjusted[1:]]


def _mean(pairs: Iterable[tuple[float | None, int]]) -> float | None:
    known = [(value, weight) for value, weight in pairs if value is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None
