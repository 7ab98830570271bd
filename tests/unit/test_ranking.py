"""What is asked first: the best, each next one unlike those before, nothing lost or asked twice."""

from __future__ import annotations

from collections import Counter

from earshot.recording import Doubt, Reason
from earshot.review.ranking import Waiting, place, rank, spread, why
from hypothesis import assume, example, given
from hypothesis import strategies as st

SHARES = st.floats(0, 1)
FAR = st.floats(0, 50)
REASONS = st.sampled_from(["disagreement", "drift", "uncertain", "novel"])


def doubt(margin: float, novelty: float = 0.0, reason: Reason = "uncertain") -> Doubt:
    return Doubt(0.0, 4.0, "siren", 0.5, margin, {"siren": 0.5}, novelty, reason)


DOUBTS = st.builds(doubt, SHARES, FAR, REASONS)


@st.composite
def queues(draw: st.DrawFn) -> list[Waiting]:
    doubts = draw(st.lists(DOUBTS, max_size=40))
    return [
        Waiting(f"{n:016x}", place(one), draw(st.sampled_from("abc")), draw(st.sampled_from("xyz")))
        for n, one in enumerate(doubts)
    ]


@given(DOUBTS, DOUBTS)
def test_the_text_of_places_sorts_as_their_worth_does(one: Doubt, other: Doubt) -> None:
    ahead = {"disagreement": 0, "drift": 1}

    def worth(doubt: Doubt) -> tuple[int, float]:
        return ahead.get(doubt.reason, 2), round(rank(doubt.margin, doubt.novelty), 4)

    assume(worth(one) != worth(other))
    assert (place(one) < place(other)) == (worth(one) < worth(other))


@given(SHARES, FAR)
def test_less_certain_and_more_novel_are_worth_more(margin: float, novelty: float) -> None:
    assert 0 <= rank(margin, novelty) <= 1
    assert rank(margin / 2, novelty) <= rank(margin, novelty)
    assert rank(margin, novelty + 1) <= rank(margin, novelty)


def test_a_clear_answer_is_asked_about_for_its_novelty_alone() -> None:
    assert (rank(0.98, 0.5), why(0.98, 0.5)) == (0.98, "uncertain")
    assert (rank(0.98, 1.0), why(0.98, 1.0)) == (0.5, "novel")
    assert (rank(0.1, 1.2), why(0.1, 1.2)) == (0.1, "uncertain")


def test_a_place_of_an_earlier_release_sorts_among_those_of_this() -> None:
    assert place(doubt(0.0512)) == "0.0512"
    assert place(doubt(1.0)) == "1.0000"


@given(queues(), st.sets(st.sampled_from("xyz")))
def test_nothing_is_lost_and_nothing_asked_twice(queue: list[Waiting], favoured: set[str]) -> None:
    everything = spread(queue, len(queue), favoured)
    assert sorted(everything, key=lambda one: one.review) == queue
    assert spread(reversed(queue), len(queue), favoured) == everything
    # Who asks for fewer gets the first of them.
    assert spread(queue, 5, favoured) == everything[:5]


@given(queues())
def test_the_first_is_the_best(queue: list[Waiting]) -> None:
    assume(queue)
    assert spread(queue, 1)[0].place == min(one.place for one in queue)


@given(queues(), st.sets(st.sampled_from("xyz")))
def test_disagreements_come_first_and_then_what_drifts(
    queue: list[Waiting], favoured: set[str]
) -> None:
    def standing(one: Waiting) -> int:
        if one.place[0] == "!":
            return 0
        return 1 if one.place[0] == "+" or one.site in favoured else 2

    order = [standing(one) for one in spread(queue, len(queue), favoured)]
    assert order == sorted(order)


@given(st.lists(st.tuples(SHARES, st.sampled_from("abcdefgh")), min_size=30, max_size=60))
@example([(0.0, label) for label in "aaaaaaaabcdefgh" * 2])
def test_no_site_has_all_of_the_first_page_while_another_waits(
    noisy: list[tuple[float, str]],
) -> None:
    queue = [
        Waiting(f"{n:016x}", place(doubt(margin)), label, "noisy")
        for n, (margin, label) in enumerate(noisy)
    ]
    quiet = Waiting("f" * 16, place(doubt(1.0)), "a", "quiet")
    # GET /review answers twenty, if it is not asked for more or fewer.
    assert quiet in spread([*queue, quiet], 20)


def test_of_equals_each_label_and_each_site_has_its_turn() -> None:
    queue = [
        Waiting(f"{n:016x}", "0.1000", label, site)
        for n, (label, site) in enumerate((a, b) for a in "abc" for b in "xyz" for _ in range(5))
    ]
    first = spread(queue, 9)
    assert Counter(one.label for one in first) == {"a": 3, "b": 3, "c": 3}
    assert Counter(one.site for one in first) == {"x": 3, "y": 3, "z": 3}
