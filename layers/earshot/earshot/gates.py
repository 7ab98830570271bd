"""The rules that a challenger must pass before it serves. Pure functions, one row each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# One-sided: how rarely a challenger that is as good as the champion may be refused for noise.
SIGNIFICANCE = 0.05
PERMUTATIONS = 1_000
# A label's recall may fall this far before it counts as a collapse.
RECALL_DROP = 0.15
# Fewer held-out clips of a label say nothing about its recall.
MIN_CLIPS = 5
# So few recordings more or less are chance, however large their share of a rare label.
MIN_LOST = 3
# Largest absolute difference between the exported graph and the features it was fitted on.
PARITY = 1e-3
# Milliseconds for one window on one core: a 4 s clip has to stay interactive.
LATENCY_MS = 100.0


@dataclass(frozen=True)
class Clip:
    """One held-out clip and what each model called it; ``champion`` None when not comparable."""

    group: str
    label: str
    challenger: str
    champion: str | None


@dataclass(frozen=True)
class Trial:
    """What the gates look at; ``parity`` is unitless, ``latency_ms`` per window on one core."""

    clips: Sequence[Clip]
    labels: Sequence[str]
    champion_version: str | None
    champion_labels: Sequence[str]
    parity: float
    latency_ms: float

    @property
    def comparable(self) -> list[Clip]:
        """The clips that both models were asked about, unseen by both in training."""
        return [clip for clip in self.clips if clip.champion is not None]


@dataclass(frozen=True)
class Verdict:
    """What a gate said, in words."""

    gate: str
    passed: bool
    detail: str


def sign_test(wins: int, losses: int) -> float:
    """One-sided exact sign test: the chance of ``wins`` or more if both were equally likely.

    Dixon and Mood, J. Am. Stat. Assoc. 41 (1946).
    """
    n = wins + losses
    # Whole numbers until the end: both are far beyond a float's range for thousands of clips.
    return float(Fraction(sum(comb(n, k) for k in range(wins, n + 1)), 2**n))


def permutation_test(pairs: Sequence[tuple[str, str]]) -> float:
    """The chance that answers dealt out at random are right as often; pairs of label and answer.

    Over PERMUTATIONS deals, the real one among them (Phipson and Smyth, Stat. Appl. Genet. Mol.
    Biol. 9, 2010), which are the same every time.
    """
    _, numbers = np.unique(np.array(pairs), return_inverse=True)
    labels, answers = numbers.reshape(-1, 2).T
    right = (labels == answers).sum()
    random = np.random.default_rng(0)
    as_good = sum(
        bool((labels == random.permutation(answers)).sum() >= right)
        for _ in range(PERMUTATIONS - 1)
    )
    return (1 + as_good) / PERMUTATIONS


def _won_and_lost(clips: Sequence[Clip], rival: Callable[[Clip], str | None]) -> tuple[int, int]:
    """In how many recordings the challenger beats and is beaten by its rival.

    Clips of one recording are not independent, so each recording has one vote.
    """
    balance: dict[str, int] = defaultdict(int)
    for clip in clips:
        balance[clip.group] += (clip.challenger == clip.label) - (rival(clip) == clip.label)
    return sum(b > 0 for b in balance.values()), sum(b < 0 for b in balance.values())


def _accuracy(clips: Sequence[Clip], answer: Callable[[Clip], str | None]) -> float:
    return sum(answer(clip) == clip.label for clip in clips) / len(clips)


def not_worse(trial: Trial) -> tuple[bool, str]:
    """Not worse than the champion on the same held-out clips, beyond noise."""
    if trial.champion_version is None:
        return True, "There is no champion to compare with."
    clips = trial.comparable
    if not clips:
        return False, (
            f"No held-out clip can be compared with {trial.champion_version}: it was trained on "
            "all of them, or knows none of their labels. Add samples."
        )
    won, lost = _won_and_lost(clips, lambda clip: clip.champion)
    p = sign_test(lost, won)
    mine = _accuracy(clips, lambda clip: clip.challenger)
    theirs = _accuracy(clips, lambda clip: clip.champion)
    return p >= SIGNIFICANCE, (
        f"Accuracy {mine:.3f} against the champion's {theirs:.3f} on the same {len(clips)} "
        f"held-out clips; better on {won} recordings, worse on {lost} (sign test for worse: "
        f"p = {p:.3f}, refused below {SIGNIFICANCE})."
    )


def no_label_collapses(trial: Trial) -> tuple[bool, str]:
    """No label that the champion hears is lost, or heard much less."""
    missing = sorted(set(trial.champion_labels) - set(trial.labels))
    if missing:
        return False, f"The challenger no longer knows {', '.join(missing)}."
    fallen = []
    for label in trial.champion_labels:
        clips = [clip for clip in trial.comparable if clip.label == label]
        if len(clips) < MIN_CLIPS:
            continue
        mine = _accuracy(clips, lambda clip: clip.challenger)
        theirs = _accuracy(clips, lambda clip: clip.champion)
        won, lost = _won_and_lost(clips, lambda clip: clip.champion)
        if mine < theirs - RECALL_DROP and lost - won >= MIN_LOST:
            fallen.append(f"{label} from {theirs:.2f} to {mine:.2f} on {len(clips)} clips")
    if fallen:
        return False, f"Recall collapses: {'; '.join(fallen)}."
    return True, f"No label's recall falls by more than {RECALL_DROP}."


def better_than_guessing(trial: Trial) -> tuple[bool, str]:
    """The answers have to do with the recordings, beyond noise.

    Guessing is answering without listening, however often each label: also always the most
    frequent one, which would be hard to beat where an alarming label is rare.
    """
    if not trial.clips:
        return False, "There is no held-out clip to judge by. Add samples."
    answers: dict[tuple[str, str], list[str]] = defaultdict(list)
    for clip in trial.clips:
        answers[clip.group, clip.label].append(clip.challenger)
    pairs = [(label, max(sorted(set(a)), key=a.count)) for (_, label), a in answers.items()]
    right = sum(label == answer for label, answer in pairs)
    p = permutation_test(pairs)
    return p < SIGNIFICANCE, (
        f"Right on {right} of {len(pairs)} held-out recordings; the same answers given without "
        f"listening would be right as often with p = {p:.3f} (permutation test, needed below "
        f"{SIGNIFICANCE})."
    )


def exported_as_trained(trial: Trial) -> tuple[bool, str]:
    """The exported graph answers what the training features said."""
    return trial.parity <= PARITY, (
        f"The exported file differs from the training features by {trial.parity:.1e} at most "
        f"(bound {PARITY})."
    )


def fast_enough(trial: Trial) -> tuple[bool, str]:
    """One window is answered within the latency bound."""
    return trial.latency_ms <= LATENCY_MS, (
        f"{trial.latency_ms:.1f} ms per window on one core (bound {LATENCY_MS:.0f} ms)."
    )


GATES: dict[str, Callable[[Trial], tuple[bool, str]]] = {
    "not_worse": not_worse,
    "no_label_collapses": no_label_collapses,
    "better_than_guessing": better_than_guessing,
    "exported_as_trained": exported_as_trained,
    "fast_enough": fast_enough,
}


def judge(trial: Trial) -> list[Verdict]:
    """Ask every gate; the challenger passes when all do."""
    return [Verdict(name, *gate(trial)) for name, gate in GATES.items()]
