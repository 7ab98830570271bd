"""``POST /search`` and ``earshot search``: what they take, what they answer, what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Aws, clip, tape
from earshot.recording import object_id
from earshot.services import Services
from fastapi.testclient import TestClient
from shell import Shell

TAPE = "recordings/ridge/tape.wav"
WAV = {"content-type": "audio/wav"}


@pytest.fixture
def stocked(aws: Aws, services: Services) -> Services:
    services.receive(aws.drop("samples/siren/a.wav", clip("siren", 3)))
    services.receive(aws.drop(TAPE, tape()))
    return services


def test_a_body_a_form_a_stretch_and_a_sample_are_searched_by(
    api: TestClient, stocked: Services
) -> None:
    body = api.post("/search", content=clip("siren", 3), headers=WAV).json()
    form = api.post("/search", files={"file": ("a.wav", clip("siren", 3))}).json()
    assert body == form
    first = body["matches"][0]
    assert (first["kind"], first["key"], first["recording"]) == (
        "sample",
        "samples/siren/a.wav",
        None,
    )
    assert (first["confidence"], first["site"], first["clip"]) == (None, None, None)
    by_sample = api.post("/search", params={"sample": first["sample"]}).json()
    assert by_sample["matches"] == body["matches"][1:]
    named = {"recording": object_id(TAPE), "start_s": 8, "kind": "samples"}
    (only,) = api.post("/search", params=named).json()["matches"]
    assert only["key"] == "samples/siren/a.wav"


def test_what_is_found_in_a_recording_can_be_heard_and_answered(
    api: TestClient, stocked: Services
) -> None:
    asked = {"kind": "recordings", "limit": 100}
    matches = api.post("/search", params=asked, content=clip("casual", 1), headers=WAV).json()
    for match in matches["matches"]:
        assert api.get(match["clip"]).status_code == 200
        assert match["recording"] == object_id(TAPE)
    questions = [match["review"] for match in matches["matches"] if match["review"]]
    assert questions
    answer = api.post(f"/review/{questions[0]}", json={"verdict": "correct", "label": "casual"})
    assert answer.json()["sample"]


@pytest.mark.parametrize(
    ("query", "body", "status", "code"),
    [
        ("", b"", 422, "empty_recording"),
        ("", b"no sound", 415, "unsupported_format"),
        ("?limit=0", b"", 422, "invalid_request"),
        ("?kind=owls", b"", 422, "invalid_request"),
        ("?recording=0123456789abcdef", b"sound", 422, "invalid_request"),
        (f"?recording=0123456789abcdef&sample={'0' * 64}", b"", 422, "invalid_request"),
        ("?recording=0123456789abcdef", b"", 404, "recording_not_found"),
        (f"?sample={'0' * 64}", b"", 404, "nothing_to_search_by"),
        (f"?recording={object_id(TAPE)}&start_s=99", b"", 404, "nothing_to_search_by"),
    ],
)
def test_what_cannot_be_searched_by_is_refused(
    api: TestClient, stocked: Services, query: str, body: bytes, status: int, code: str
) -> None:
    answer = api.post(f"/search{query}", content=body, headers=WAV)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_command_shows_what_is_nearest(
    earshot: Shell, api: TestClient, stocked: Services, tmp_path: Path
) -> None:
    file = tmp_path / "mine.wav"
    file.write_bytes(clip("siren", 3))
    shown = earshot("search", file, "--limit", 3)
    assert shown.code == 0
    assert "samples/siren/a.wav" in shown.out
    assert TAPE in shown.out
    found = earshot("search", file, "--kind", "recordings", "--label", "gunshot", "--json").json
    assert {match["label"] for match in found["matches"]} == {"gunshot"}
    assert "Nothing among" in earshot("search", file, "--site", "creek").out


def test_the_command_says_that_there_is_nothing_yet(
    earshot: Shell, api: TestClient, tmp_path: Path
) -> None:
    file = tmp_path / "mine.wav"
    file.write_bytes(clip("siren", 3))
    assert "Nothing can be found yet" in earshot("search", file).out
