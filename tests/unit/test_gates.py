from __future__ import annotations

from dataclasses import replace

import pytest
from earshot.gates import GATES, Clip, Trial, judge, permutation_test, sign_test
from hypothesis import given
from hypothesis import strategies as st

LABELS = ("casual", "siren")


def trial(*answers: tuple[str, str, str | None], **changes: object) -> Trial:
    """A trial of clips, each (label, challenger, champion), each a recording of its own."""
    made = Trial(
        clips=[
            Clip(group=str(n), label=label, challenger=challenger, champion=champion)
            for n, (label, challenger, champion) in enumerate(answers)
        ],
        labels=LABELS,
        champion_version="v1",
        champion_labels=LABELS,
        parity=1e-6,
        latency_ms=2.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


GOOD = [("casual", "casual", "casual")] * 20 + [("siren", "siren", "siren")] * 20


def verdicts(made: Trial) -> dict[str, bool]:
    return {verdict.gate: verdict.passed for verdict in judge(made)}


def test_an_equal_challenger_passes_every_gate() -> None:
    assert all(verdicts(trial(*GOOD)).values())


def test_every_verdict_has_its_reason() -> None:
    assert all(verdict.detail.endswith(".") for verdict in judge(trial(*GOOD)))
    assert [verdict.gate for verdict in judge(trial(*GOOD))] == list(GATES)


def test_a_worse_challenger_is_refused_and_noise_is_not() -> None:
    lost = ("casual", "siren", "casual")
    won = ("casual", "casual", "siren")
    assert verdicts(trial(*GOOD, *[lost] * 3, *[won] * 2))["not_worse"]
    assert not verdicts(trial(*GOOD, *[lost] * 8, won))["not_worse"]


def test_many_clips_of_one_recording_have_one_vote() -> None:
    clips = [Clip("one", "casual", "siren", "casual")] * 50
    made = trial(*GOOD)
    assert verdicts(replace(made, clips=[*made.clips, *clips]))["not_worse"]


def test_a_lost_label_is_refused() -> None:
    assert not verdicts(trial(*GOOD, labels=("casual",)))["no_label_collapses"]


def test_a_label_whose_recall_falls_is_refused_though_accuracy_rises() -> None:
    won = [("casual", "casual", "siren")] * 30
    fallen = [("siren", "casual", "siren")] * 8
    heard = [("siren", "siren", "siren")] * 12
    answer = verdicts(trial(*won, *heard, *fallen))
    assert answer["not_worse"]
    assert not answer["no_label_collapses"]


def test_guessing_is_refused() -> None:
    guesses = [("casual", "casual", None)] * 20 + [("siren", "casual", None)] * 10
    made = trial(*guesses, champion_version=None, champion_labels=())
    assert verdicts(made)["not_worse"]
    assert not verdicts(made)["better_than_guessing"]


def test_a_rare_label_is_no_reason_to_refuse() -> None:
    """Always answering 'safe' is right on 20 of 22; a model that hears both is still better."""
    safe = [("safe", "safe", None)] * 20
    hears = trial(*safe, *[("danger", "danger", None)] * 2, champion_version=None)
    assert verdicts(hears)["better_than_guessing"]
    deaf = trial(*safe, *[("danger", "safe", None)] * 2, champion_version=None)
    assert not verdicts(deaf)["better_than_guessing"]


def test_clips_of_one_recording_prove_no_more_than_one() -> None:
    clips = [Clip(label, label, label, None) for label in ("a", "b") for _ in range(50)]
    made = Trial(clips, ("a", "b"), None, (), parity=0.0, latency_ms=1.0)
    assert not verdicts(made)["better_than_guessing"]


def test_the_permutation_test_equals_known_values() -> None:
    assert permutation_test([("a", "a")] * 9) == 1
    # Of 231 ways to deal two answers among 22, one is right.
    pairs = [("b", "b")] * 20 + [("a", "a")] * 2
    assert permutation_test(pairs) == pytest.approx(1 / 231, abs=0.006)
    # One 'a' and one 'b' among two: right every other time.
    assert permutation_test([("a", "a"), ("b", "b")]) == pytest.approx(0.5, abs=0.06)


def test_nothing_to_judge_by_is_refused() -> None:
    answer = verdicts(trial())
    assert not answer["not_worse"]
    assert not answer["better_than_guessing"]


def test_an_export_that_differs_or_dawdles_is_refused() -> None:
    assert not verdicts(trial(*GOOD, parity=0.01))["exported_as_trained"]
    assert not verdicts(trial(*GOOD, parity=float("nan")))["exported_as_trained"]
    assert not verdicts(trial(*GOOD, latency_ms=500.0))["fast_enough"]


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_sign_test_is_a_probability_and_falls_with_wins(wins: int, losses: int) -> None:
    p = sign_test(wins, losses)
    assert 0 < p <= 1
    assert sign_test(wins + 1, losses) <= p


def test_the_sign_test_equals_known_values() -> None:
    assert sign_test(0, 0) == 1
    assert sign_test(5, 0) == pytest.approx(1 / 32)
    assert sign_test(8, 2) == pytest.approx(56 / 1024)
    assert 0 <= sign_test(5000, 100) < 1e-9
