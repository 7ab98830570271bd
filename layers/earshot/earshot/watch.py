"""What a new champion is watched for: answers that fail, or are unsure, far more often than before.

Pure functions over tallies and answers; ``services.watching`` acts on them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from earshot.recording import Answer
    from earshot.tally import Tally

# A version is watched for so long after it came into service: what is wrong with it shows at once,
# and what changes later is the world, not the version.
WATCH_S = 3 * 86_400
# Before it has answered so often, nothing is judged.
LEAST_ANSWERS = 50
# How much a share may grow: by so much in any case, and by more while chance explains it.
FAILURE_JUMP = 0.05
UNCERTAIN_JUMP = 0.15
# The sweep looks every few minutes, so that one look's level has to be small.
LEVEL = 1e-4


@dataclass(frozen=True)
class Answers:
    """How often a version was asked, and how often it was unsure or failed.

    A question that another version answered, since this one is refused, it has failed.
    """

    asked: int
    uncertain: int
    failed: int

    @property
    def answered(self) -> int:
        """How often it said something."""
        return self.asked - self.failed


def of_version(tally: Tally, version: str) -> Answers:
    """What a tally tells of one version."""
    answered = tally.by_version.get(version, 0)
    failed = tally.failed_by_version.get(version, 0) + tally.missed_by_version.get(version, 0)
    return Answers(answered + failed, tally.uncertain_by_version.get(version, 0), failed)


def of_others(tally: Tally, version: str) -> Answers:
    """What it tells of all others together: those that served before."""
    answered = tally.predictions - tally.by_version.get(version, 0)
    failed = tally.failed - tally.failed_by_version.get(version, 0)
    uncertain = tally.uncertain - tally.uncertain_by_version.get(version, 0)
    return Answers(answered + failed, uncertain, failed)


def of_answers(answers: Collection[Answer]) -> Answers:
    """What single answers amount to."""
    return Answers(len(answers), sum(not one.accepted for one in answers), 0)


def against(now: Answers, before: Answers, what: str = "recordings") -> str | None:
    """Why a new champion is to be taken back; None when nothing says so.

    It was asked of ``what``, in a word for people.

    Each share has to have grown by more than its jump, and by more than chance explains: Fisher's
    exact test, one-sided (Fisher, Statistical Methods for Research Workers, 1934, section 21.02).
    With nothing before it to compare with, nothing is judged.
    """
    looks = (
        ("failed at", now.failed, now.asked, before.failed, before.asked, FAILURE_JUMP),
        (
            "is unsure of",
            now.uncertain,
            now.answered,
            before.uncertain,
            before.answered,
            UNCERTAIN_JUMP,
        ),
    )
    for did, bad, of, bad_before, of_before, jump in looks:
        if (
            of >= LEAST_ANSWERS
            and of_before >= LEAST_ANSWERS
            and bad / of - bad_before / of_before > jump
            and _as_many(bad, of, bad_before, of_before) < LEVEL
        ):
            return (
                f"It {did} {bad} of {of} {what} ({bad / of:.0%}); those before it were "
                f"{bad_before} of {of_before} ({bad_before / of_before:.0%})."
            )
    return None


def _as_many(bad: int, of: int, bad_before: int, of_before: int) -> float:
    """How probable so many bad ones or more are among ``of``, if both are of one kind."""
    all_bad, everything = bad + bad_before, of + of_before
    whole = _log_comb(everything, of)
    terms = (
        math.exp(_log_comb(all_bad, n) + _log_comb(everything - all_bad, of - n) - whole)
        for n in range(bad, min(all_bad, of) + 1)
    )
    return math.fsum(terms)


def _log_comb(n: int, k: int) -> float:
    if not 0 <= k <= n:
        return -math.inf
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
