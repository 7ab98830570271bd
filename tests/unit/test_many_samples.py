"""POST /samples: many clips with one label."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Aws, clip, encode, pcm, sound
from earshot.services import uploads
from fastapi.testclient import TestClient

from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.services import Services


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        yield client


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def files(*given_files: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", one) for one in given_files]


def test_clips_in_every_format_are_stored(client: TestClient, aws: Aws) -> None:
    sent = [
        (f"{n}.{container.lower()}", encode(pcm("siren", n), container=container))
        for n, container in enumerate(("WAV", "FLAC", "OGG", "MP3"))
    ]
    answer = client.post(
        "/samples", data={"label": "siren", "recording": "tape"}, files=files(*sent)
    )
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert body["stored"] == 4
    for (name, data), one in zip(sent, body["files"], strict=True):
        assert (one["name"], one["state"], one["label"]) == (name, "stored", "siren")
        assert (one["code"], one["reason"]) == (None, None)
        assert one["key"] == f"samples/siren/tape/{digest(data)[:12]}-{name}"
        stored = aws.s3.get_object(Bucket="recordings", Key=one["key"])["Body"].read()
        assert stored == data


def test_both_ways_in_meet_at_one_key(client: TestClient) -> None:
    data = clip("siren")
    one = client.post("/samples", data={"label": "siren"}, files=files(("x.wav", data))).json()
    wish = {"kind": "sample", "label": "siren", "name": "x.wav"}
    asked = {**wish, "size": len(data), "sha256": digest(data)}
    there = client.post("/uploads", json=asked).json()
    assert (there["state"], there["key"]) == ("stored", one["files"][0]["key"])


def test_they_are_counted_once_and_by_their_events(
    client: TestClient, services: Services, aws: Aws
) -> None:
    sent = {"data": {"label": "siren"}, "files": files(("1.wav", clip("siren", 1)))}
    key = client.post("/samples", **sent).json()["files"][0]["key"]
    assert services.catalog.standing().total == 0
    for _ in range(2):
        services.receive(key)
    assert services.catalog.standing().labels == {"siren": 1}

    (again,) = client.post("/samples", **sent).json()["files"]
    assert (again["state"], again["key"]) == ("duplicate", key)
    other = files(("1.flac", encode(pcm("siren", 1), container="FLAC")))
    (same,) = client.post("/samples", data={"label": "siren"}, files=other).json()["files"]
    assert (same["state"], same["key"], same["sha256"]) == ("duplicate", key, again["sha256"])
    refused = client.post("/samples", data={"label": "gunshot"}, files=other)
    assert (refused.status_code, refused.json()["code"]) == (422, "samples_refused")
    assert refused.json()["files"][0]["code"] == "label_conflict"
    assert key in refused.json()["files"][0]["reason"]
    listed = aws.s3.list_objects_v2(Bucket="recordings")
    assert [one["Key"] for one in listed["Contents"]] == [key]


def test_a_bad_file_costs_the_good_ones_nothing(client: TestClient, aws: Aws) -> None:
    sent = files(
        ("notes.txt", b"I am text"),
        ("1.wav", clip("siren", 1)),
        ("cut.wav", clip("siren", 2)[:5000]),
        ("no suffix", clip("siren", 3)),
        ("copy of 1", clip("siren", 1)),
        ("empty.wav", b""),
    )
    answer = client.post("/samples", data={"label": "siren"}, files=sent)
    assert answer.status_code == 202
    body = answer.json()
    assert [one["state"] for one in body["files"]] == [
        "refused", "stored", "refused", "stored", "duplicate", "refused",
    ]  # fmt: skip
    assert [one["code"] for one in body["files"] if one["code"]] == [
        "unsupported_format",
        "truncated_recording",
        "empty_recording",
    ]
    assert body["stored"] == 2
    assert body["files"][3]["key"].endswith("-no suffix.wav")
    assert aws.s3.list_objects_v2(Bucket="recordings")["KeyCount"] == 2


def test_when_all_are_refused_the_answer_is_a_problem(client: TestClient, aws: Aws) -> None:
    sent = files(("a.txt", b"text"), ("b.wav", clip("siren")[:99]))
    answer = client.post("/samples", data={"label": "siren"}, files=sent)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["status"]) == ("samples_refused", 422)
    assert [(one["name"], one["state"]) for one in problem["files"]] == [
        ("a.txt", "refused"),
        ("b.wav", "refused"),
    ]
    assert aws.s3.list_objects_v2(Bucket="recordings")["KeyCount"] == 0


def test_names_tell_labels_when_the_form_does_not(client: TestClient) -> None:
    sent = files(
        ("siren_1.wav", clip("siren", 1)),
        ("gunshot 1.wav", clip("gunshot", 1)),
        ("owl_1.wav", clip("casual", 1)),
        ("casual_copy of siren.wav", clip("siren", 1)),
    )
    found = client.post("/samples", files=sent).json()["files"]
    assert [one["label"] for one in found] == ["siren", "gunshot", None, None]
    assert [one["code"] for one in found] == [None, None, "label_missing", "label_conflict"]
    assert "casual, explosion, gunshot, siren" in found[2]["reason"]


def test_an_open_application_knows_what_it_was_taught(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    import boto3
    from earshot.settings import Settings
    from earshot.wiring import wire

    application = tmp_path / "open.toml"
    application.write_text(
        "labels = []\nopen_labels = true\nsample_rate = 16000\nwindow_s = 1.0\nhop_s = 0.5\n"
        'backbone = "melstats"\n'
    )
    monkeypatch.setenv("EARSHOT_APPLICATION", str(application))
    services = wire(Settings.from_environment(), boto3.client)
    taught = services.uploads.take_in([("1.wav", clip("siren", 1))], "Bat call")
    services.receive(taught[0].key or "")
    (named,) = services.uploads.take_in([("Bat call 2.wav", clip("siren", 2))])
    assert (named.state, named.label) == ("stored", "Bat call")


@pytest.mark.parametrize(
    ("sent", "status", "code", "word"),
    [
        ({"data": {"label": "siren"}, "files": {"x": b""}}, 422, "invalid_request", "'x'"),
        ({"files": {"label": ("l", b"x")}}, 422, "invalid_request", "no file"),
        (
            {"data": {"label": ["siren", "gunshot"]}, "files": files(("a.wav", b"x"))},
            422,
            "invalid_request",
            "twice",
        ),
        ({"files": {"files": (None, b"text")}}, 422, "invalid_request", "no file"),
        (
            {"data": {"label": "owl"}, "files": files(("a.wav", b"x"))},
            422,
            "unknown_label",
            "siren",
        ),
        (
            {"data": {"label": "a/b"}, "files": files(("a.wav", b"x"))},
            422,
            "bad_key",
            "cannot be a label",
        ),
        (
            {"data": {"label": "siren", "recording": "../x"}, "files": files(("a.wav", b"x"))},
            422,
            "bad_key",
            "recording",
        ),
        ({"files": files(*[("a.wav", b"x")] * 101)}, 400, None, "100"),
        ({"json": {"label": "siren"}}, 415, "unsupported_media_type", "multipart"),
        ({}, 415, "unsupported_media_type", "multipart"),
        ({"files": files(("a.wav", bytes(4_400_000)))}, 413, "recording_too_large", "/uploads"),
    ],
)
def test_a_form_that_makes_no_sense_is_told_why(
    client: TestClient, sent: dict[str, Any], status: int, code: str | None, word: str
) -> None:
    answer = client.post("/samples", **sent)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert code in (None, answer.json()["code"])
    assert word in answer.json()["detail"]


def test_small_files_that_last_for_hours_end_somewhere(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_FRAMES_AT_ONCE", 3 * len(sound("siren")) // 2)
    sent = files(*((f"{n}.wav", clip("siren", n)) for n in range(3)))
    found = client.post("/samples", data={"label": "siren"}, files=sent).json()["files"]
    assert [one["code"] for one in found] == [None, None, "recording_too_long"]
    assert "another" in found[2]["reason"]
