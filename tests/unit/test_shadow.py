"""What a challenger in the shadow is judged by, and what it hears."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict

import pytest
from earshot.pointer import (
    UNMOVED,
    Champion,
    PastShadow,
    Promotion,
    Shadow,
    promoted,
    read_pointer,
    shadowed,
    unshadowed,
)
from earshot.recording import Decision, Prediction
from earshot.shadow import comparison as shadow
from earshot.shadow.comparison import Comparison
from hypothesis import given
from hypothesis import strategies as st


def answer(label: str, decision: Decision = "accepted") -> Prediction:
    return Prediction(
        label=label,
        class_id=0,
        confidence=0.9,
        decision=decision,
        probabilities={label: 0.9},
        segments=(),
        model_version="v",
        duration_s=4.0,
    )


def challenger(version: str = "v2", **changes: object) -> Shadow:
    plain = {
        "version": version,
        "began_at": "2026-11-21T10:00:00.000Z",
        "began_by": "run 1",
        "reason": "enough samples",
        "needed": 100,
        "share": 0.25,
    }
    return Shadow(**(plain | changes))  # type: ignore[arg-type]


# --- counts -------------------------------------------------------------------------------------

labels = st.sampled_from(["siren", "a dog", "wind.-'x"])
decisions: st.SearchStrategy[Decision] = st.sampled_from(["accepted", "uncertain"])
answers = st.builds(answer, labels, decisions)


@given(st.lists(st.tuples(answers, answers, st.integers(0, 5000))), st.integers(0, 5))
def test_what_is_counted_is_read_again_whatever_else_is_counted(
    said: list[tuple[Prediction, Prediction, int]], failures: int
) -> None:
    counts = Counter({"n#siren": 7, "uncertain": 3})
    for mine, its, ms in said:
        counts.update(shadow.compared("1a2b", mine, its, ms))
        counts.update(shadow.compared("ffff", its, mine, ms))
    for _ in range(failures):
        counts.update(shadow.failed("1a2b"))
    found = shadow.read("1a2b", counts)
    assert found.compared == len(said)
    assert found.labels == Counter((mine.label, its.label) for mine, its, _ in said)
    assert found.agreed == sum(mine.label == its.label for mine, its, _ in said)
    assert found.uncertain == (
        sum(mine.decision == "uncertain" for mine, _, _ in said),
        sum(its.decision == "uncertain" for _, its, _ in said),
    )
    assert (found.failed, found.spent_ms) == (failures, sum(ms for _, _, ms in said))
    assert (found + found).labels == {pair: 2 * n for pair, n in found.labels.items()}
    assert (found + Comparison()) == found


# --- the rule -----------------------------------------------------------------------------------


def comparison(aa: int, au: int = 0, ua: int = 0, uu: int = 0, failed: int = 0) -> Comparison:
    decisions = {"aa": aa, "au": au, "ua": ua, "uu": uu}
    return Comparison({("siren", "siren"): sum(decisions.values())}, decisions, failed)


@pytest.mark.parametrize(
    ("found", "against"),
    [
        (comparison(100), None),
        # As unsure as the champion, of the same sounds or of others.
        (comparison(70, uu=30), None),
        (comparison(40, au=30, ua=30), None),
        # Five in a hundred more are no jump; ten in ten throws are no chance.
        (comparison(95, au=5), None),
        (comparison(90, au=10), "unsure of 10 of 100 sounds, the champion of 0"),
        # Eight more, of which chance makes as many every tenth time.
        (comparison(40, au=34, ua=26), None),
        # Not yet.
        (comparison(80, au=19), None),
        # One process that failed twice.
        (comparison(98, failed=2), None),
        (comparison(50, failed=3), "failed at 3 of 53 sounds"),
        (comparison(997, failed=3), None),
    ],
)
def test_a_challenger_is_refused_for_failures_at_once_and_for_doubts_at_the_end(
    found: Comparison, against: str | None
) -> None:
    said = found.against(100)
    assert (said is None) == (against is None), said
    assert against is None or against in (said or "")


def test_who_only_hears_along_is_refused_for_failures_alone() -> None:
    assert comparison(0, au=1000).against(0) is None
    assert comparison(0, failed=3).against(0)


def test_chance_refuses_a_challenger_that_is_as_good_in_one_of_a_hundred_cases_at_most() -> None:
    """The stated level: discordant answers fall to either side by the toss of a coin."""
    n, refused = 100, 0.0
    from math import comb

    for au in range(n + 1):
        if comparison(0, au=au, ua=n - au).against(n):
            refused += comb(n, au) / 2**n
    assert 0 < refused < 0.01


# --- the share ----------------------------------------------------------------------------------


def test_a_share_is_chosen_by_name_alike_everywhere() -> None:
    names = [f"request {n}" for n in range(4000)]
    heard = [name for name in names if challenger().hears(name)]
    assert heard == [name for name in names if challenger("another").hears(name)]
    assert len(heard) / len(names) == pytest.approx(0.25, abs=0.03)
    assert all(challenger(share=1.0).hears(name) for name in names)


# --- the pointer --------------------------------------------------------------------------------

FIRST = Promotion("v1", None, "2026-11-20T10:00:00.000Z", "ada", "first")
SECOND = Promotion("v3", "v1", "2026-11-22T10:00:00.000Z", "ada", "quicker")


def told(pointer: Champion) -> Champion:
    return read_pointer(pointer.to_json(), "")


def test_a_pointer_is_read_as_it_was_written() -> None:
    for pointer in (
        promoted(None, FIRST),
        shadowed(None, challenger()),
        shadowed(promoted(None, FIRST), challenger()),
        promoted(shadowed(promoted(None, FIRST), challenger()), SECOND),
    ):
        assert told(pointer) == pointer
    # As releases without shadows wrote it, and read it where there never was one.
    plain = {**asdict(FIRST), "earlier": []}
    assert json.loads(promoted(None, FIRST).to_json()) == plain


def test_where_nothing_was_promoted_a_challenger_makes_no_promotion() -> None:
    pointer = told(shadowed(None, challenger()))
    assert (pointer.version, pointer.history, pointer.undone()) == (None, (), None)
    moved = promoted(pointer, FIRST)
    assert moved.history == (FIRST,)


def test_a_promotion_ends_what_was_in_the_shadow() -> None:
    pointer = shadowed(promoted(None, FIRST), challenger())
    other = promoted(pointer, SECOND)
    assert other.shadow is None
    assert other.shadows[0].why == "v3 serves now."
    assert not other.shadows[0].promoted
    its = promoted(pointer, Promotion("v2", "v1", "later", "run 1", "it has proven itself"))
    assert its.shadows[0].promoted
    assert its.shadows[0].why == "it has proven itself"


def test_another_challenger_takes_the_place_of_the_first() -> None:
    pointer = shadowed(shadowed(promoted(None, FIRST), challenger()), challenger("v3"))
    assert pointer.shadow == challenger("v3")
    assert [(one.version, one.why) for one in pointer.shadows] == [("v2", "v3 took its place.")]
    assert pointer.history == (FIRST,)
    ended = unshadowed(pointer, "now", "ada", "enough")
    assert ended.shadow is None
    assert [one.version for one in ended.shadows] == ["v3", "v2"]


@given(st.lists(st.tuples(st.sampled_from(["promote", "begin", "end"]), st.integers(0, 3))))
def test_challengers_come_and_go_and_leave_the_trail_alone(moves: list[tuple[str, int]]) -> None:
    pointer: Champion | None = None
    trail: list[Promotion] = []
    begun: list[str] = []
    for number, (move, which) in enumerate(moves):
        version, at = f"v{which}", f"{number:06}"
        if move == "promote":
            trail.insert(0, Promotion(version, trail[0].version if trail else None, at, "a", "b"))
            pointer = promoted(pointer, trail[0])
        elif move == "begin":
            pointer = shadowed(pointer, challenger(version, began_at=at))
            begun.insert(0, at)
        elif pointer and pointer.shadow:
            pointer = unshadowed(pointer, at, "a", "b")
        if pointer:
            assert pointer == told(pointer)
            assert [*pointer.history] == trail[:100]
            known = [*([pointer.shadow] if pointer.shadow else []), *pointer.shadows]
            # None is lost, none is twice, and a promotion leaves none behind.
            assert [one.began_at for one in known] == begun[:100]
            assert not (move == "promote" and pointer.shadow)


def test_no_more_challengers_are_remembered_than_promotions() -> None:
    pointer: Champion | None = None
    for n in range(130):
        pointer = shadowed(pointer, challenger(f"v{n}"))
    assert pointer
    assert len(pointer.shadows) == 100
    assert pointer.shadows[0].version == "v128"


@pytest.mark.parametrize(
    "shadow",
    [{}, 7, {**asdict(challenger()), "share": "all"}, {**asdict(challenger()), "version": None}],
)
def test_a_broken_challenger_breaks_the_pointer(shadow: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        read_pointer(json.dumps({"shadow": shadow or {"a": 1}, "shadows": []}).encode(), "")


def test_what_a_later_release_tells_besides_breaks_no_pointer() -> None:
    """Or a process of this release that starts meanwhile would serve the default bundle."""
    later = {"told": True, "fault": "no", "etag": "no", "unmoved": True}
    for pointer in (
        promoted(None, FIRST),
        shadowed(None, challenger()),
        shadowed(promoted(promoted(None, FIRST), SECOND), challenger()),
        unshadowed(shadowed(promoted(None, FIRST), challenger()), "now", "ada", "enough"),
    ):
        content = json.loads(pointer.to_json())
        inside = [one for one in content.values() if isinstance(one, dict)]
        lists = [one for one in content.values() if isinstance(one, list)]
        for one in (content, *inside, *(one for some in lists for one in some)):
            one.update(later)
        assert read_pointer(json.dumps(content).encode(), "") == pointer


def test_ids_tell_one_time_in_the_shadow_from_the_next() -> None:
    again = challenger(began_at="2026-11-22T10:00:00.000Z")
    assert challenger().shadow != again.shadow
    past = PastShadow(**asdict(challenger()), ended_at="", ended_by="", why="")
    assert past.shadow == challenger().shadow
    assert UNMOVED.shadow is None
