"""The review queue: what a person says becomes a sample once, and stands."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import soundfile
from conftest import Aws, clip, tape
from earshot.audio import decode
from earshot.review.docket import Docket
from earshot.store import Store
from fastapi.testclient import TestClient

from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.services import Services

KEY = "recordings/ridge/tape.wav"


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def waiting(client: TestClient, services: Services, aws: Aws) -> list[dict[str, Any]]:
    """What a recording with two doubtful sounds, from 28 and from 32 s on, asks."""
    services.receive(aws.drop(KEY, tape()))
    return queue(client)


def queue(client: TestClient) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = client.get("/review").json()["reviews"]
    return listed


def samples(services: Services, aws: Aws) -> list[str]:
    """The keys of all samples in the bucket, each of whose events comes in twice."""
    listed = aws.s3.list_objects_v2(Bucket="recordings", Prefix="samples/").get("Contents", [])
    for one in listed * 2:
        services.receive(one["Key"])
    return [one["Key"] for one in listed]


def test_the_one_worth_most_comes_first_and_says_why(
    client: TestClient, waiting: list[dict[str, Any]]
) -> None:
    first, second = waiting
    assert (first["doubt"]["start_s"], second["doubt"]["start_s"]) == (28.0, 32.0)
    assert first["doubt"]["margin"] < second["doubt"]["margin"]
    assert (first["key"], first["site"]) == (KEY, "ridge")
    assert first["doubt"]["label"] == max(
        first["doubt"]["probabilities"], key=first["doubt"]["probabilities"].get
    )
    # Both are of steady noise, which every model refuses.
    assert first["doubt"]["reason"] == "novel"
    assert first["doubt"]["novelty"] > second["doubt"]["novelty"] > 1
    assert first["verdict"] is None
    assert client.get("/review?limit=1").json()["reviews"] == [first]


def test_what_comes_from_a_site_that_drifts_says_so_while_it_does(
    client: TestClient, services: Services, waiting: list[dict[str, Any]]
) -> None:
    first = waiting[0]
    services.reviews.favour({"ridge"})
    assert [one["doubt"]["reason"] for one in queue(client)] == ["drift", "drift"]
    said = client.post(f"/review/{first['review']}", json={"verdict": "reject"}).json()
    assert said["doubt"] == first["doubt"]
    assert [one["review"] for one in queue(client)] == [waiting[1]["review"]]
    services.reviews.favour([])
    assert queue(client) == waiting[1:]


def test_one_can_ask_for_a_site_or_a_label(
    client: TestClient, waiting: list[dict[str, Any]]
) -> None:
    for query, found in [
        ("site=ridge", waiting),
        ("label=casual&site=ridge", waiting),
        ("site=valley", []),
        ("label=siren", []),
    ]:
        assert client.get(f"/review?{query}").json()["reviews"] == found


def test_one_can_listen_before_one_judges(
    client: TestClient, waiting: list[dict[str, Any]]
) -> None:
    answer = client.get(f"/review/{waiting[0]['review']}/clip")
    assert answer.headers["content-type"] == "audio/wav"
    assert soundfile.info(io.BytesIO(answer.content)).subtype == "PCM_16"
    assert decode(answer.content).sha256 == decode(clip("casual", 1)).sha256


def test_a_confirmed_guess_is_a_sample_that_counts_once(
    client: TestClient, services: Services, aws: Aws, waiting: list[dict[str, Any]]
) -> None:
    first, second = waiting
    answers = [
        client.post(f"/review/{first['review']}", json={"verdict": "confirm", "by": by})
        for by in ("Ada", "Bob")
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    said = answers[0].json()
    assert (said["verdict"], said["reviewed_label"]) == ("confirm", "casual")
    assert (said["reviewed_by"], said["reviewed_at"][:2]) == ("Ada", "20")
    assert samples(services, aws) == [said["sample"]]
    assert services.catalog.standing().labels == {"casual": 1}
    assert queue(client) == [second]


def test_clips_of_one_recording_stay_together(
    client: TestClient, services: Services, aws: Aws, waiting: list[dict[str, Any]]
) -> None:
    first, second = waiting
    client.post(f"/review/{first['review']}", json={"verdict": "confirm"})
    correction = {"verdict": "correct", "label": "siren"}
    said = client.post(f"/review/{second['review']}", json=correction).json()
    assert said["reviewed_label"] == "siren"
    assert len(samples(services, aws)) == 2
    assert services.catalog.standing().labels == {"casual": 1, "siren": 1}
    assert {sample.group for sample in services.catalog.samples()} == {first["recording"]}
    assert queue(client) == []


def test_what_is_rejected_is_no_sample(
    client: TestClient, services: Services, aws: Aws, waiting: list[dict[str, Any]]
) -> None:
    first, second = waiting
    for _ in range(2):
        said = client.post(f"/review/{first['review']}", json={"verdict": "reject"}).json()
        assert (said["verdict"], said["sample"]) == ("reject", None)
    assert samples(services, aws) == []
    assert queue(client) == [second]


@pytest.mark.parametrize(
    ("said", "then"),
    [
        ({"verdict": "confirm"}, {"verdict": "reject"}),
        ({"verdict": "reject"}, {"verdict": "confirm"}),
        ({"verdict": "confirm"}, {"verdict": "correct", "label": "siren"}),
        ({"verdict": "correct", "label": "siren"}, {"verdict": "correct", "label": "gunshot"}),
    ],
)
def test_the_first_verdict_stands(
    client: TestClient,
    services: Services,
    aws: Aws,
    waiting: list[dict[str, Any]],
    said: dict[str, str],
    then: dict[str, str],
) -> None:
    path = f"/review/{waiting[0]['review']}"
    client.post(path, json=said | {"by": "Ada"})
    before = samples(services, aws)
    answer = client.post(path, json=then)
    assert (answer.status_code, answer.json()["code"]) == (409, "review_conflict")
    assert "Ada" in answer.json()["detail"]
    assert samples(services, aws) == before


def test_a_guess_corrected_to_itself_is_confirmed(
    client: TestClient, waiting: list[dict[str, Any]]
) -> None:
    path = f"/review/{waiting[0]['review']}"
    said = client.post(path, json={"verdict": "correct", "label": "casual"})
    assert said.json() == client.post(path, json={"verdict": "confirm"}).json()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"verdict": "correct", "label": "owl"}, "unknown_label"),
        ({"verdict": "correct", "label": "si/ren"}, "bad_key"),
        ({"verdict": "correct", "label": ""}, "bad_key"),
        ({"verdict": "correct"}, "invalid_request"),
        ({"verdict": "confirm", "label": "siren"}, "invalid_request"),
        ({"verdict": "reject", "label": "siren"}, "invalid_request"),
        ({"verdict": "perhaps"}, "invalid_request"),
    ],
)
def test_an_answer_that_makes_no_sense_changes_nothing(
    client: TestClient, waiting: list[dict[str, Any]], answer: dict[str, str], code: str
) -> None:
    refused = client.post(f"/review/{waiting[0]['review']}", json=answer)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert queue(client) == waiting


def test_nothing_is_waiting_by_another_id(client: TestClient) -> None:
    for path in ("/review/0123456789abcdef/clip", "/review/0123456789abcdef"):
        answer = client.request(
            "GET" if "clip" in path else "POST", path, json={"verdict": "reject"}
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "review_not_found")


@pytest.mark.parametrize(("of", "what"), [(Store, "write"), (Docket, "close")])
def test_what_was_interrupted_waits_and_the_same_answer_ends_it(
    client: TestClient,
    services: Services,
    aws: Aws,
    waiting: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    of: type,
    what: str,
) -> None:
    first, second = waiting
    path = f"/review/{first['review']}"

    def fail(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(of, what, fail)
        assert client.post(path, json={"verdict": "confirm"}).status_code == 500
    shown = queue(client)
    assert [(one["review"], one["verdict"]) for one in shown] == [
        (first["review"], "confirm"),
        (second["review"], None),
    ]
    assert client.post(path, json={"verdict": "reject"}).status_code == 409
    assert client.post(path, json={"verdict": "confirm"}).status_code == 200
    assert queue(client) == [second]
    assert len(samples(services, aws)) == 1
    assert services.catalog.standing().labels == {"casual": 1}


def test_a_sample_that_was_taken_away_does_not_come_back_by_a_repetition(
    client: TestClient, services: Services, aws: Aws, waiting: list[dict[str, Any]]
) -> None:
    path = f"/review/{waiting[0]['review']}"
    said = client.post(path, json={"verdict": "confirm"}).json()
    aws.s3.delete_object(Bucket="recordings", Key=said["sample"])
    assert client.post(path, json={"verdict": "confirm"}).status_code == 200
    assert samples(services, aws) == []


def test_an_event_that_comes_again_asks_nothing_again(
    client: TestClient, services: Services, waiting: list[dict[str, Any]]
) -> None:
    client.post(f"/review/{waiting[0]['review']}", json={"verdict": "reject"})
    services.receive(KEY)
    assert queue(client) == waiting[1:]


def test_a_confirmed_sound_that_is_catalogued_otherwise_is_refused_by_its_event(
    client: TestClient, services: Services, aws: Aws, waiting: list[dict[str, Any]]
) -> None:
    services.receive(aws.drop("samples/gunshot/x.wav", clip("casual", 1)))
    said = client.post(f"/review/{waiting[0]['review']}", json={"verdict": "confirm"}).json()
    samples(services, aws)
    (refused,) = client.get("/samples").json()["refused"]
    assert (refused["key"], refused["code"]) == (said["sample"], "label_conflict")
    assert services.catalog.standing().labels == {"gunshot": 1}
