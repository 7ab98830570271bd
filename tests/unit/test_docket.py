"""The queue of what waits for a verdict, in the table: read by its head, and still right."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from earshot.field.logbook import Logbook
from earshot.recording import Doubt, Reason, Review, object_id
from earshot.review import docket as module
from earshot.review.docket import Docket
from earshot.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import Aws


@pytest.fixture
def docket(aws: Aws) -> Docket:
    return Docket(aws.dynamodb, "earshot")


def asked(
    site: str, number: int = 0, margin: float = 0.5, label: str = "siren", **doubt: Any
) -> Review:
    clip = f"clips/{site}/{number}.wav"
    return Review(
        review=object_id(clip),
        recording=object_id(site),
        key=f"recordings/{site}/a.wav",
        site=site,
        doubt=Doubt(0.0, 4.0, label, 0.5, margin, {label: 0.5}, **doubt),
        clip=clip,
        model_version="v",
        queued_at="2026-11-21T10:15:01.456Z",
    )


def queue(aws: Aws, reviews: Iterable[Review]) -> None:
    """Queue them as the end of an analysis does."""
    docket, table = Docket(aws.dynamodb, "earshot"), Table(aws.dynamodb, "earshot")
    for review in reviews:
        assert table.transact(*docket.asking([review]))


def of_an_earlier_release(aws: Aws, review: Review) -> None:
    """A doubt without novelty and reason, an entry without label and site.

    Its one entry's place is the margin.
    """
    queue(aws, [review])
    table = Table(aws.dynamodb, "earshot")
    for item in [*table.query("REVIEWS"), *table.query("REVIEWS#SITES")]:
        if item["sk"].endswith(review.review):
            table.delete(item["pk"], item["sk"])
    table.put({"pk": "REVIEWS", "sk": f"{review.doubt.margin:.4f}_{review.review}"})
    doubt = (
        '{"start_s": 0.0, "end_s": 4.0, "label": "siren", "confidence": 0.5, '
        f'"margin": {review.doubt.margin}, "probabilities": {{"siren": 0.5}}}}'
    )
    table.update(f"REVIEW#{review.review}", "REVIEW", "SET doubt = :doubt", {"doubt": doubt})


def test_what_waits_is_spread_over_sites(aws: Aws, docket: Docket) -> None:
    noisy = [asked("noisy", n, n / 1000) for n in range(10)]
    quiet = asked("quiet", margin=0.1)
    queue(aws, [*noisy, quiet])
    assert docket.waiting(3) == [noisy[0], quiet, noisy[1]]
    assert len(docket.waiting(100)) == 11


def test_no_site_hides_others_however_much_of_it_waits(
    aws: Aws, docket: Docket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEAD", 10)
    quiet = [asked(site, margin=0.9) for site in ("a", "b b", "b", "quiet", "z")]
    queue(aws, [asked("noisy", n, n / 1000) for n in range(30)])
    queue(aws, quiet)
    shown = docket.waiting(14)
    assert {one.site for one in shown} == {"noisy", *(one.site for one in quiet)}
    assert len({one.review for one in shown}) == 14


def test_what_waits_of_a_site_or_a_label_is_found_behind_all_others(
    aws: Aws, docket: Docket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEAD", 10)
    monkeypatch.setattr(module, "PAGE", 4)
    shot = asked("quiet", 1, margin=0.9, label="gunshot")
    siren = asked("quiet", 2, margin=0.8)
    queue(aws, [*(asked("noisy", n, n / 1000) for n in range(30)), shot, siren])
    assert docket.waiting(100, label="gunshot") == [shot]
    assert docket.waiting(100, site="quiet") == [siren, shot]
    assert docket.waiting(100, site="quiet", label="gunshot") == [shot]
    assert docket.waiting(100, site="noisy", label="gunshot") == []
    assert docket.waiting(100, site="qui") == []


def test_sites_of_long_names_are_told_apart(aws: Aws, docket: Docket) -> None:
    one, other = (asked("x" * 900 + last) for last in "ab")
    queue(aws, [one, other])
    assert docket.waiting(100, site=one.site) == [one]
    assert docket.waiting(100, site=other.site) == [other]


@pytest.mark.parametrize("reason", ["disagreement", "drift"])
def test_a_reason_of_its_own_goes_before_all_doubts(
    aws: Aws, docket: Docket, reason: Reason
) -> None:
    torn, certain = asked("ridge", 1, margin=0.0), asked("ridge", 2, margin=1.0, reason=reason)
    queue(aws, [torn, certain])
    assert docket.waiting(100) == [certain, torn]


def test_a_favoured_site_comes_first_until_it_is_favoured_no_more(
    aws: Aws, docket: Docket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEAD", 10)
    monkeypatch.setattr(module, "MORE_SITES", 0)
    sure = asked("valley", 1, margin=0.9)
    disputed = asked("ridge", 1, margin=0.9, reason="disagreement")
    queue(aws, [*(asked("ridge", n, 0.01) for n in range(20, 40)), sure, disputed])
    assert sure not in docket.waiting(100)
    for _ in range(2):
        docket.favour({"valley", "elsewhere"})
    assert docket.favoured() == {"valley", "elsewhere"}
    assert docket.waiting(2, docket.favoured()) == [disputed, sure]
    docket.favour([])
    assert docket.favoured() == frozenset()


def test_what_an_earlier_release_queued_is_asked_judged_and_taken_back(
    aws: Aws, docket: Docket
) -> None:
    old, new = asked("ridge", 1, margin=0.2), asked("ridge", 2, margin=0.3, novelty=0.7)
    of_an_earlier_release(aws, old)
    queue(aws, [new])
    assert docket.waiting(100) == [old, new]
    assert docket.waiting(100, site="ridge") == [new]
    assert docket.is_waiting(old)
    decided = replace(old, verdict="reject", reviewed_by="Ada", reviewed_at="now")
    assert docket.decide(decided)
    assert docket.close(decided)
    assert docket.waiting(100) == [new]
    assert docket.take_back(decided, old)
    # By now it has all the entries that it should have.
    assert docket.waiting(100, site="ridge") == [old, new]


def test_what_is_judged_is_nowhere_any_more(aws: Aws, docket: Docket) -> None:
    review = asked("ridge", margin=0.4, novelty=3.0, reason="novel")
    queue(aws, [review])
    decided = replace(review, verdict="reject", reviewed_by="Ada", reviewed_at="now")
    assert docket.decide(decided)
    assert docket.close(decided)
    assert docket.waiting(100) == docket.waiting(100, site="ridge") == []
    assert not docket.is_waiting(review)
    # Whatever finished its recording once more does not ask again.
    assert docket.asking([review]) == []


def test_a_recording_asks_as_much_as_a_transaction_holds(aws: Aws) -> None:
    from earshot.field.detections import MOST_DOUBTS

    logbook = Logbook(aws.dynamodb, "earshot")
    record = logbook.note("recordings/ridge/a.wav", "ridge", 1, "v")
    reviews = [asked("ridge", n) for n in range(MOST_DOUBTS)]
    logbook.finish(replace(record, state="analysed", results="r"), reviews)
    assert len(Docket(aws.dynamodb, "earshot").waiting(100)) == MOST_DOUBTS
