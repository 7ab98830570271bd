"""What a challenger in the shadow amounts to: counts of what both models said, and the rule.

The counts are a tally's (``earshot.tally``), named by the shadow's id:

===========================  ==========================================================
name                         counts
===========================  ==========================================================
``s#<id>#<label>``           comparisons in which both heard this label
``s#<id>#<label>#<other>``   comparisons in which the champion heard the one, the
                             challenger the other
``d#<id>#<decisions>``       comparisons by both decisions, the champion's first: ``a``
                             for accepted, ``u`` for uncertain
``x#<id>``                   what the challenger failed at, and the champion did not
``w#<id>``                   the challenger's time in µs, all together
===========================  ==========================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from earshot.recording import Prediction

Key = TypeVar("Key")

# A challenger that fails more often than that is not promoted, once it failed so many times: one
# process that ran out of memory is no reason.
MOST_FAILURES = 0.01
FAILED_TIMES = 3
# Nor one that is unsure of more: the share of uncertain answers may grow by so much, and by more
# as long as chance explains it at this level (McNemar's test, exact and one-sided: McNemar,
# Psychometrika 12, 1947; both models heard the same).
UNCERTAIN_JUMP = 0.05
LEVEL = 0.01


@dataclass(frozen=True)
class Comparison:
    """What a champion and its challenger said to the same sounds.

    ``labels`` counts by the champion's label and the challenger's, ``decisions`` by both
    decisions, as the table above has it; ``failed`` is what only the challenger failed at,
    ``spent_ms`` the time that it took in all.
    """

    labels: dict[tuple[str, str], int] = field(default_factory=dict)
    decisions: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    spent_ms: float = 0.0

    def __add__(self, other: Comparison) -> Comparison:
        """Both together."""
        return Comparison(
            labels=dict(sorted(_sum(self.labels, other.labels).items())),
            decisions=_sum(self.decisions, other.decisions),
            failed=self.failed + other.failed,
            spent_ms=self.spent_ms + other.spent_ms,
        )

    @property
    def compared(self) -> int:
        """How many sounds both have answered."""
        return sum(self.labels.values())

    @property
    def agreed(self) -> int:
        """How many of them with one label."""
        return sum(n for (mine, theirs), n in self.labels.items() if mine == theirs)

    @property
    def uncertain(self) -> tuple[int, int]:
        """The uncertain answers, the champion's and the challenger's."""
        count = self.decisions.get
        both = count("uu", 0)
        return count("ua", 0) + both, count("au", 0) + both

    @property
    def mean_ms(self) -> float | None:
        """What a sound takes the challenger; None without any."""
        return self.spent_ms / self.compared if self.compared else None

    def against(self, needed: int) -> str | None:
        """Why the challenger is not to serve; None as long as nothing says so.

        Its failures count at once, its doubts when ``needed`` comparisons are there: a look at
        each would find a jump by chance sooner or later.
        """
        tried = self.compared + self.failed
        if self.failed >= FAILED_TIMES and self.failed > MOST_FAILURES * tried:
            return (
                f"It failed at {self.failed} of {tried} sounds; {MOST_FAILURES:.0%} are the most."
            )
        if not needed or self.compared < needed:
            return None
        before, after = self.uncertain
        only_mine, only_its = self.decisions.get("ua", 0), self.decisions.get("au", 0)
        jump = (after - before) / self.compared
        if jump > UNCERTAIN_JUMP and _at_least(only_its, only_mine + only_its) < LEVEL:
            return (
                f"It is unsure of {after} of {self.compared} sounds, the champion of {before}: "
                f"more than {UNCERTAIN_JUMP:.0%} more."
            )
        return None


def compared(shadow: str, mine: Prediction, its: Prediction, took_ms: float) -> dict[str, int]:
    """What a comparison adds to the counts of a shadow, by its id: the champion's first."""
    pair = mine.label if mine.label == its.label else f"{mine.label}#{its.label}"
    return {
        f"s#{shadow}#{pair}": 1,
        f"d#{shadow}#{mine.decision[0]}{its.decision[0]}": 1,
        f"w#{shadow}": round(took_ms * 1e3),
    }


def failed(shadow: str) -> dict[str, int]:
    """What a sound adds that the challenger could not hear."""
    return {f"x#{shadow}": 1}


def read(shadow: str, counts: Mapping[str, int]) -> Comparison:
    """The comparison that a shadow's counts, among others, amount to."""
    labels, decisions = {}, {}
    for name, n in counts.items():
        kind, _, rest = name.partition("#")
        one, *more = rest.split("#")
        if one != shadow:
            continue
        if kind == "s":
            labels[more[0], more[-1]] = n
        elif kind == "d":
            decisions[more[0]] = n
    return Comparison(
        labels=dict(sorted(labels.items())),
        decisions=decisions,
        failed=counts.get(f"x#{shadow}", 0),
        spent_ms=counts.get(f"w#{shadow}", 0) / 1e3,
    )


def _sum(some: Mapping[Key, int], others: Mapping[Key, int]) -> dict[Key, int]:
    return {key: some.get(key, 0) + others.get(key, 0) for key in (*some, *others)}


def _at_least(successes: int, tries: int) -> float:
    """How probable so many heads or more are in so many throws of a fair coin."""
    outcomes: int = sum(math.comb(tries, n) for n in range(successes, tries + 1))
    return float(Fraction(outcomes, 2**tries))
