"""A verdict is taken back: once, with its sample and its count, whoever dies or comes between."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Aws, tape
from earshot.errors import ReviewConflict
from earshot.review.docket import Docket
from earshot.services.review import MOST_UNDONE
from earshot.store import Store
from fastapi.testclient import TestClient

from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from earshot.services import Services

UNDO = {"verdict": "undo"}


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def path(client: TestClient, services: Services, aws: Aws) -> str:
    """Where the least certain of two stretches is judged."""
    services.receive(aws.drop("recordings/ridge/tape.wav", tape()))
    return f"/review/{queue(client)[0]['review']}"


def queue(client: TestClient) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = client.get("/review").json()["reviews"]
    return listed


def keys(aws: Aws) -> list[str]:
    listed = aws.s3.list_objects_v2(Bucket="recordings", Prefix="samples/").get("Contents", [])
    return [one["Key"] for one in listed]


def everything_said(aws: Aws) -> list[str]:
    """Every key below samples/ that something happened at."""
    told = aws.s3.list_object_versions(Bucket="recordings", Prefix="samples/")
    return [one["Key"] for kind in ("Versions", "DeleteMarkers") for one in told.get(kind, [])]


def deliver(services: Services, aws: Aws, seen: list[str] | None = None) -> None:
    """Bring the events of all that happened, twice and in any order."""
    events = (seen or everything_said(aws)) * 2
    random.Random(7).shuffle(events)
    for key in events:
        services.forget(key)


def test_the_sample_goes_and_the_stretch_waits_again(
    client: TestClient, services: Services, aws: Aws, path: str
) -> None:
    before = queue(client)
    said = client.post(path, json={"verdict": "correct", "label": "siren", "by": "Ada"}).json()
    deliver(services, aws, [said["sample"]])
    assert services.catalog.standing().labels == {"siren": 1}
    undone = client.post(path, json=UNDO | {"by": "Bob"})
    assert undone.status_code == 200
    assert keys(aws) == []
    deliver(services, aws, [said["sample"]])
    assert services.catalog.standing().labels.get("siren", 0) == 0
    assert [one["review"] for one in queue(client)] == [one["review"] for one in before]
    shown = queue(client)[0]
    assert shown == undone.json()
    assert [shown[name] for name in ("verdict", "reviewed_label", "sample", "reviewed_by")] == (
        [None] * 4
    )
    (past,) = shown["history"]
    assert {name: past[name] for name in said.keys() & past.keys()} == {
        name: said[name] for name in said.keys() & past.keys()
    }
    assert past["undone_by"] == "Bob"
    assert past["undone_at"] >= past["reviewed_at"]


def test_who_undoes_twice_takes_back_one_verdict(client: TestClient, aws: Aws, path: str) -> None:
    first = client.post(path, json={"verdict": "confirm"}).json()
    taken = UNDO | {"reviewed_at": first["reviewed_at"]}
    answers = [client.post(path, json=taken) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    second = client.post(path, json={"verdict": "confirm", "by": "Bob"}).json()
    # The late repetition means the first verdict, not this one.
    assert client.post(path, json=taken).status_code == 200
    assert keys(aws) == [second["sample"]]
    assert client.get("/review").json()["reviewed"] == {"confirm": 1, "correct": 0, "reject": 0}
    assert client.post(path, json=UNDO).json()["history"][1]["reviewed_by"] == "Bob"
    assert keys(aws) == []


def test_a_rejection_is_taken_back_too(client: TestClient, aws: Aws, path: str) -> None:
    client.post(path, json={"verdict": "reject"})
    assert client.get("/review").json()["reviewed"]["reject"] == 1
    assert client.post(path, json=UNDO).json()["history"][0]["verdict"] == "reject"
    assert client.get("/review").json()["reviewed"]["reject"] == 0
    assert client.post(path, json={"verdict": "confirm"}).json()["verdict"] == "confirm"
    assert len(keys(aws)) == 1


@pytest.mark.parametrize("label", ["siren", "gunshot"])
def test_what_is_said_afterwards_counts(
    client: TestClient, services: Services, aws: Aws, path: str, label: str
) -> None:
    client.post(path, json={"verdict": "correct", "label": "siren"})
    client.post(path, json=UNDO)
    client.post(path, json={"verdict": "correct", "label": label})
    deliver(services, aws)
    counted = services.catalog.standing().labels
    assert {name: n for name, n in counted.items() if n} == {label: 1}
    assert len(queue(client)) == 1


def test_there_has_to_be_something_to_take_back(client: TestClient, path: str) -> None:
    for answer in (UNDO, UNDO | {"reviewed_at": "2026-11-21T11:02:03.004Z"}):
        refused = client.post(path, json=answer)
        assert (refused.status_code, refused.json()["code"]) == (409, "review_conflict")
    client.post(path, json={"verdict": "reject", "by": "Ada"})
    refused = client.post(path, json=UNDO | {"reviewed_at": "2026-11-21T11:02:03.004Z"})
    assert refused.status_code == 409
    assert "Ada" in refused.json()["detail"]
    assert client.post("/review/0123456789abcdef", json=UNDO).status_code == 404


@pytest.mark.parametrize(
    "answer", [UNDO | {"label": "siren"}, {"verdict": "reject", "reviewed_at": "2026"}]
)
def test_an_answer_that_makes_no_sense_is_refused(
    client: TestClient, path: str, answer: dict[str, str]
) -> None:
    assert client.post(path, json=answer).json()["code"] == "invalid_request"


def test_a_review_keeps_so_many_verdicts_and_no_more(services: Services, path: str) -> None:
    review = path.rpartition("/")[2]
    for number in range(MOST_UNDONE):
        services.reviews.decide(review, "reject", None, f"{number}")
        services.reviews.undo(review, None, "Ada")
    services.reviews.decide(review, "reject", None, "Ada")
    with pytest.raises(ReviewConflict, match="100 times"):
        services.reviews.undo(review, None, "Ada")


# --- crashes and others ---------------------------------------------------------------------


def fail(*_: object) -> None:
    raise ConnectionError


@pytest.mark.parametrize("then", [UNDO, {"verdict": "confirm"}])
@pytest.mark.parametrize(("of", "what"), [(Docket, "take_back"), (Store, "remove")])
def test_what_was_interrupted_the_same_call_ends_and_so_does_the_next_verdict(
    client: TestClient,
    services: Services,
    aws: Aws,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    of: type,
    what: str,
    then: dict[str, str],
) -> None:
    client.post(path, json={"verdict": "correct", "label": "siren"})
    with monkeypatch.context() as patched:
        patched.setattr(of, what, fail)
        assert client.post(path, json=UNDO).status_code == 500
    answer = client.post(path, json=then)
    deliver(services, aws)
    counted = {label: n for label, n in services.catalog.standing().labels.items() if n}
    if then == UNDO:
        assert answer.status_code == 200
        assert (counted, keys(aws)) == ({}, [])
        assert len(queue(client)) == 2
    elif what == "take_back":
        # Nothing was taken back: the first verdict stands.
        assert answer.status_code == 409
        assert counted == {"siren": 1}
    else:
        assert answer.status_code == 200
        assert (counted, keys(aws)) == ({"casual": 1}, [answer.json()["sample"]])
        assert len(queue(client)) == 1


@pytest.mark.parametrize(("of", "what"), [(Store, "write"), (Docket, "close")])
def test_a_verdict_that_was_interrupted_can_be_taken_back(
    client: TestClient,
    aws: Aws,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    of: type,
    what: str,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(of, what, fail)
        assert client.post(path, json={"verdict": "confirm"}).status_code == 500
    assert client.post(path, json=UNDO).status_code == 200
    assert keys(aws) == []
    assert [one["verdict"] for one in queue(client)] == [None, None]


def after(method: Callable[..., Any], happens: Callable[[], None]) -> Callable[..., Any]:
    """A method, after which something else happens, the first time."""
    left = [happens]

    def then(*arguments: Any) -> Any:
        answer = method(*arguments)
        if left:
            left.pop()()
        return answer

    return then


@pytest.mark.parametrize(("of", "what"), [(Docket, "decide"), (Store, "write")])
def test_who_is_slow_to_judge_leaves_nothing_of_a_verdict_that_was_taken_back(
    services: Services,
    aws: Aws,
    client: TestClient,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    of: type,
    what: str,
) -> None:
    review = path.rpartition("/")[2]

    def undo() -> None:
        services.reviews.undo(review, None, "Bob")

    monkeypatch.setattr(of, what, after(getattr(of, what), undo))
    with pytest.raises(ReviewConflict, match="Bob took its verdict back"):
        services.reviews.decide(review, "confirm", None, "Ada")
    assert keys(aws) == []
    assert queue(client)[0]["review"] == review


def test_who_is_slow_to_undo_takes_nothing_of_the_next_verdict(
    services: Services,
    aws: Aws,
    client: TestClient,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    review = path.rpartition("/")[2]
    services.reviews.decide(review, "confirm", None, "Ada")

    def decide() -> None:
        services.reviews.decide(review, "confirm", None, "Bob")

    monkeypatch.setattr(Docket, "take_back", after(Docket.take_back, decide))
    services.reviews.undo(review, None, "Ada")
    stands = services.reviews.decide(review, "confirm", None, "whoever repeats it")
    assert stands.reviewed_by == "Bob"
    assert keys(aws) == [stands.sample]
    assert len(queue(client)) == 1


@pytest.mark.parametrize("late", ["decide", "undo"])
def test_who_has_read_it_before_it_was_taken_back_changes_nothing(
    services: Services,
    client: TestClient,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    late: str,
) -> None:
    reviews, review = services.reviews, path.rpartition("/")[2]

    def others() -> None:
        if late == "decide":
            reviews.decide(review, "reject", None, "Bob")
        reviews.undo(review, None, "Bob")
        reviews.decide(review, "reject", None, "Bob")
        reviews.undo(review, None, "Bob")

    if late == "undo":
        reviews.decide(review, "reject", None, "Bob")
    monkeypatch.setattr(Docket, "review", after(Docket.review, others))
    if late == "decide":
        with pytest.raises(ReviewConflict, match="Bob took its verdict back"):
            reviews.decide(review, "reject", None, "Ada")
    else:
        reviews.undo(review, None, "Ada")
    (shown,) = (one for one in queue(client) if one["review"] == review)
    assert [one["undone_by"] for one in shown["history"]] == ["Bob", "Bob"]
    assert client.get("/review").json()["reviewed"]["reject"] == 0
