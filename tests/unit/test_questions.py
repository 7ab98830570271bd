"""``POST /review``: a sound that was sent is put to people, once, and teaches what they say."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import soundfile
from conftest import Aws, clip, encode, pcm, tape
from earshot.recording import object_id
from earshot.services.review import is_reviewed
from fastapi.testclient import TestClient

from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.services import Services

WAV = {"content-type": "audio/wav"}


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        yield client


def ask(client: TestClient, content: bytes) -> list[dict[str, Any]]:
    answer = client.post("/review", content=content, headers=WAV)
    assert answer.status_code == 200, answer.text
    reviews: list[dict[str, Any]] = answer.json()["reviews"]
    return reviews


def queue(client: TestClient) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = client.get("/review").json()["reviews"]
    return listed


def test_a_sound_that_the_model_is_not_sure_of_waits_and_can_be_heard(client: TestClient) -> None:
    predicted = client.post("/predict", content=clip("casual", 1), headers=WAV).json()
    assert predicted["decision"] == "uncertain"
    assert queue(client) == []
    (asked,) = ask(client, clip("casual", 1))
    assert queue(client) == [asked]
    assert (asked["site"], asked["key"], asked["verdict"]) == ("/predict", "/predict", None)
    assert asked["doubt"]["label"] == predicted["label"]
    heard = client.get(f"/review/{asked['review']}/clip")
    assert heard.headers["content-type"] == "audio/wav"
    samples, _ = soundfile.read(io.BytesIO(heard.content), dtype="int16")
    assert samples.tolist() == pcm("casual", 1).tolist()


def test_of_a_sound_that_the_model_is_sure_of_the_least_sure_window_is_asked(
    client: TestClient,
) -> None:
    predicted = client.post("/predict", content=clip("gunshot"), headers=WAV).json()
    assert predicted["decision"] == "accepted"
    (asked,) = ask(client, clip("gunshot"))
    assert asked["doubt"]["confidence"] == pytest.approx(predicted["confidence"], abs=1e-3)


def test_of_a_long_sound_three_windows_are_asked_at_most(client: TestClient) -> None:
    asked = ask(client, tape())
    assert 1 < len(asked) <= 3
    assert {one["review"] for one in asked} == {one["review"] for one in queue(client)}
    assert len({one["recording"] for one in asked}) == 1


def test_the_same_sound_again_answers_what_became_of_it(
    client: TestClient, services: Services, aws: Aws
) -> None:
    (asked,) = ask(client, clip("casual", 1))
    path = f"/review/{asked['review']}"
    said = client.post(path, json={"verdict": "correct", "label": "siren", "by": "Ada"}).json()
    again = encode(pcm("casual", 1), container="FLAC")
    assert ask(client, again) == [said]
    assert queue(client) == []
    services.receive(said["sample"])
    (sample,) = services.catalog.samples()
    assert (sample.label, sample.group) == ("siren", asked["recording"])
    assert is_reviewed(sample.key)
    undone = client.post(path, json={"verdict": "undo"}).json()
    assert ask(client, clip("casual", 1)) == [undone]
    assert [one["review"] for one in queue(client)] == [asked["review"]]


def test_it_is_no_prediction_and_no_recording(client: TestClient) -> None:
    (asked,) = ask(client, clip("casual", 1))
    assert client.get("/metrics").json()["totals"]["predictions"] == 0
    assert client.get("/recordings").json()["recordings"] == []
    assert client.get(f"/recordings/{asked['recording']}").status_code == 404


def test_a_recording_of_the_same_sound_is_asked_about_beside_it(
    client: TestClient, services: Services, aws: Aws
) -> None:
    ask(client, clip("casual", 1))
    services.receive(aws.drop("recordings/ridge/a.wav", clip("casual", 1)))
    assert {one["site"] for one in queue(client)} == {"/predict", "ridge"}
    (of_site,) = client.get("/review", params={"site": "/predict"}).json()["reviews"]
    assert of_site["recording"] != object_id("recordings/ridge/a.wav")


@pytest.mark.parametrize(("content", "code"), [(b"", "empty_body"), (b"no sound", "bad_audio")])
def test_what_is_no_sound_is_refused_as_predict_does(
    client: TestClient, content: bytes, code: str
) -> None:
    refused = client.post("/review", content=content, headers=WAV)
    known = client.post("/predict", content=content, headers=WAV)
    assert (refused.status_code, refused.json()["code"]) == (
        known.status_code,
        known.json()["code"],
    )
    assert refused.status_code >= 400
    assert queue(client) == []
