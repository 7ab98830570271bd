"""``POST /review``: a sound that was sent is put to people, once, and teaches what they say."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import soundfile
from conftest import clip, encode, pcm, tape
from earshot.recording import object_id
from earshot.services.review import is_reviewed

if TYPE_CHECKING:
    from conftest import Aws
    from earshot.services import Services
    from fastapi.testclient import TestClient

WAV = {"content-type": "audio/wav"}


def ask(api: TestClient, content: bytes) -> list[dict[str, Any]]:
    answer = api.post("/review", content=content, headers=WAV)
    assert answer.status_code == 200, answer.text
    reviews: list[dict[str, Any]] = answer.json()["reviews"]
    return reviews


def queue(api: TestClient) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = api.get("/review").json()["reviews"]
    return listed


def test_a_sound_that_the_model_is_not_sure_of_waits_and_can_be_heard(api: TestClient) -> None:
    predicted = api.post("/predict", content=clip("casual", 1), headers=WAV).json()
    assert predicted["decision"] == "uncertain"
    assert queue(api) == []
    (asked,) = ask(api, clip("casual", 1))
    assert queue(api) == [asked]
    assert (asked["site"], asked["key"], asked["verdict"]) == ("/predict", "/predict", None)
    assert asked["doubt"]["label"] == predicted["label"]
    heard = api.get(f"/review/{asked['review']}/clip")
    assert heard.headers["content-type"] == "audio/wav"
    samples, _ = soundfile.read(io.BytesIO(heard.content), dtype="int16")
    assert samples.tolist() == pcm("casual", 1).tolist()


def test_of_a_sound_that_the_model_is_sure_of_the_least_sure_window_is_asked(
    api: TestClient,
) -> None:
    predicted = api.post("/predict", content=clip("gunshot"), headers=WAV).json()
    assert predicted["decision"] == "accepted"
    (asked,) = ask(api, clip("gunshot"))
    assert asked["doubt"]["confidence"] == pytest.approx(predicted["confidence"], abs=1e-3)


def test_of_a_long_sound_three_windows_are_asked_at_most(api: TestClient) -> None:
    asked = ask(api, tape())
    assert 1 < len(asked) <= 3
    assert {one["review"] for one in asked} == {one["review"] for one in queue(api)}
    assert len({one["recording"] for one in asked}) == 1


def test_the_same_sound_again_answers_what_became_of_it(
    api: TestClient, services: Services, aws: Aws
) -> None:
    (asked,) = ask(api, clip("casual", 1))
    path = f"/review/{asked['review']}"
    said = api.post(path, json={"verdict": "correct", "label": "siren", "by": "Ada"}).json()
    again = encode(pcm("casual", 1), container="FLAC")
    assert ask(api, again) == [said]
    assert queue(api) == []
    services.receive(said["sample"])
    (sample,) = services.catalog.samples()
    assert (sample.label, sample.group) == ("siren", asked["recording"])
    assert is_reviewed(sample.key)
    undone = api.post(path, json={"verdict": "undo"}).json()
    assert ask(api, clip("casual", 1)) == [undone]
    assert [one["review"] for one in queue(api)] == [asked["review"]]


def test_it_is_no_prediction_and_no_recording(api: TestClient) -> None:
    (asked,) = ask(api, clip("casual", 1))
    assert api.get("/metrics").json()["totals"]["predictions"] == 0
    assert api.get("/recordings").json()["recordings"] == []
    assert api.get(f"/recordings/{asked['recording']}").status_code == 404


def test_a_recording_of_the_same_sound_is_asked_about_beside_it(
    api: TestClient, services: Services, aws: Aws
) -> None:
    ask(api, clip("casual", 1))
    services.receive(aws.drop("recordings/ridge/a.wav", clip("casual", 1)))
    assert {one["site"] for one in queue(api)} == {"/predict", "ridge"}
    (of_site,) = api.get("/review", params={"site": "/predict"}).json()["reviews"]
    assert of_site["recording"] != object_id("recordings/ridge/a.wav")


@pytest.mark.parametrize(("content", "code"), [(b"", "empty_body"), (b"no sound", "bad_audio")])
def test_what_is_no_sound_is_refused_as_predict_does(
    api: TestClient, content: bytes, code: str
) -> None:
    refused = api.post("/review", content=content, headers=WAV)
    known = api.post("/predict", content=content, headers=WAV)
    assert (refused.status_code, refused.json()["code"]) == (
        known.status_code,
        known.json()["code"],
    )
    assert refused.status_code >= 400
    assert queue(api) == []
