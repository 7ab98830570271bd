"""``POST /search`` and ``earshot search``: what they take, what they answer, what they refuse."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import Aws, clip, encode, pcm, sound, tape
from earshot.field import clips
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
    assert (first["confidence"], first["site"], first["review"]) == (None, None, None)
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
    ("container", "rate", "kind"),
    [
        ("WAV", 16_000, "flac"),
        ("FLAC", 44_100, "flac"),
        ("OGG", 48_000, "flac"),
        ("MP3", 22_050, "flac"),
        ("WAV", 96_001, "wav"),
    ],
)
def test_a_sample_that_is_found_can_be_heard_whatever_its_format(
    api: TestClient, aws: Aws, services: Services, container: str, rate: int, kind: str
) -> None:
    mono = sound("siren", 3)
    services.receive(aws.drop("samples/siren/a", encode(np.c_[mono, mono], rate, container)))
    by_sound = api.post("/search", content=clip("siren", 3), headers=WAV).json()
    (match,) = by_sound["matches"]
    assert match["clip"] == f"/samples/{match['sample']}/clip"
    answer = api.get(match["clip"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, f"audio/{kind}")
    heard, heard_rate = soundfile.read(io.BytesIO(answer.content), dtype="float32")
    assert soundfile.info(io.BytesIO(answer.content)).format == kind.upper()
    assert (heard.shape, heard_rate) == ((len(heard),), rate)
    assert len(heard) / rate == pytest.approx(match["end_s"], abs=0.001)
    assert np.corrcoef(heard[: len(mono)], mono[: len(heard)])[0, 1] > 0.95


def test_of_a_long_sample_the_beginning_is_heard(
    api: TestClient, aws: Aws, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "MOST_FRAMES", 30_000)
    services.receive(aws.drop("samples/siren/a.wav", clip("siren", 3)))
    (sample,) = services.catalog.samples()
    answer = api.get(f"/samples/{sample.sha256}/clip")
    heard, _ = soundfile.read(io.BytesIO(answer.content), dtype="int16")
    np.testing.assert_array_equal(heard, pcm("siren", 3)[:30_000])


def test_a_sample_whose_sound_is_gone_is_heard_no_more_and_no_other_in_its_place(
    api: TestClient, aws: Aws, stocked: Services
) -> None:
    (sample,) = stocked.catalog.samples()
    path = f"/samples/{sample.sha256}/clip"
    before = api.get(path).content

    def refused(detail: str) -> bool:
        answer = api.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "clip_not_found")
        return detail in answer.json()["detail"]

    aws.drop(sample.key, clip("gunshot", 3))
    assert refused("put anew a moment ago")
    aws.s3.delete_object(Bucket="recordings", Key=sample.key)
    assert refused("samples/siren/a.wav is gone")
    stocked.forget(sample.key)
    assert refused("There is no sample")
    stocked.receive(aws.drop("samples/siren/b.wav", clip("siren", 3)))
    assert api.get(path).content == before
    stocked.receive(aws.drop("samples/siren/b.wav", clip("gunshot", 3)))
    assert refused("There is no sample")


def test_what_is_no_sample_cannot_be_heard(api: TestClient) -> None:
    answer = api.get(f"/samples/{'0' * 64}/clip")
    assert (answer.status_code, answer.json()["code"]) == (404, "clip_not_found")
    assert api.get("/samples/siren/clip").status_code == 422


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
