"""POST /uploads: a form for one file, or its parts."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Aws, clip
from earshot.services.uploads import MAX_RECORDING_BYTES
from earshot.store import MAX_SAMPLE_BYTES
from fastapi.testclient import TestClient

from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.services import Services

MIB = 1 << 20
BIG = 150_000_000


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        yield client


def wish(**changes: Any) -> dict[str, Any]:
    """A wish for an upload, as it is sent."""
    own = {"sample": {"label": "siren"}, "recording": {"site": "ridge"}, "archive": {}}
    kind = changes.get("kind", "sample")
    return {"kind": kind, "name": "a.wav", "size": 1000, **own.get(kind, {}), **changes}


def policy(answer: dict[str, Any]) -> list[Any]:
    """The conditions that S3 checks of a form."""
    document: dict[str, Any] = json.loads(base64.b64decode(answer["fields"]["policy"]))
    conditions: list[Any] = document["conditions"]
    return conditions


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- one form --------------------------------------------------------------------------------


def test_a_form_takes_this_file_and_nothing_else(client: TestClient) -> None:
    sha256 = digest(b"x" * 1000)
    asked = wish(sha256=sha256.upper(), recording="tape 7", name="../siren 1.wav")
    answer = client.post("/uploads", json=asked)
    assert answer.status_code == 201
    body = answer.json()
    assert body["key"] == f"samples/siren/tape 7/{sha256[:12]}-siren 1.wav"
    assert (body["state"], body["method"], body["upload_id"]) == ("wanted", "form", None)
    conditions = policy(body)
    assert {"key": body["key"]} in conditions
    assert {"bucket": "recordings"} in conditions
    assert {"Content-Type": "audio/wav"} in conditions
    assert ["content-length-range", 1000, 1000] in conditions
    in_base64 = base64.b64encode(bytes.fromhex(sha256)).decode()
    assert {"x-amz-checksum-sha256": in_base64} in conditions
    # S3 refuses a form with a field that no condition names.
    named = {name for one in conditions if isinstance(one, dict) for name in one}
    assert set(body["fields"]) - named == {"policy", "x-amz-signature"}
    assert body["fields"]["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    assert body["expires_at"].endswith("Z")


@pytest.mark.parametrize(
    ("asked", "prefix", "media_type"),
    [
        (wish(kind="recording", name="1.FLAC"), "recordings/ridge/", "audio/flac"),
        (wish(kind="recording", name="1.data"), "recordings/ridge/", "application/octet-stream"),
        (wish(kind="archive", name="all.zip"), "imports/", "application/zip"),
    ],
)
def test_each_kind_has_its_place(
    client: TestClient, asked: dict[str, Any], prefix: str, media_type: str
) -> None:
    sha256 = digest(b"")
    body = client.post("/uploads", json={**asked, "sha256": sha256}).json()
    assert body["key"] == f"{prefix}{sha256[:12]}/{asked['name']}"
    assert body["fields"]["Content-Type"] == media_type
    # Nobody says what is in it: every upload has a place of its own.
    first, second = (client.post("/uploads", json=asked).json()["key"] for _ in range(2))
    assert first != second
    assert first.startswith(prefix)


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        (wish(label="owl"), 422, "unknown_label"),
        (wish(label="siren/tape"), 422, "bad_key"),
        (wish(label=""), 422, "bad_key"),
        (wish(kind="recording", site=".."), 422, "bad_key"),
        (wish(size=MAX_SAMPLE_BYTES + 1), 413, "recording_too_large"),
        (wish(kind="recording", size=MAX_RECORDING_BYTES + 1), 413, "recording_too_large"),
        (wish(kind="archive", size=1_000_000_001), 413, "archive_too_large"),
        (wish(size=0), 422, "invalid_request"),
        (wish(sha256="0" * 63), 422, "invalid_request"),
        (wish(sha256="g" * 64), 422, "invalid_request"),
        (wish(name=""), 422, "invalid_request"),
        (wish(kind="model"), 422, "invalid_request"),
        (wish(site="ridge"), 422, "invalid_request"),
        ({"kind": "sample", "name": "a.wav", "size": 1}, 422, "invalid_request"),
        ({"kind": "recording", "name": "a.wav", "size": 1}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_uploaded_is_said(
    client: TestClient, asked: dict[str, Any], status: int, code: str
) -> None:
    answer = client.post("/uploads", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if code == "unknown_label":
        assert "casual, explosion, gunshot, siren" in answer.json()["detail"]


def test_a_recording_that_leads_elsewhere_is_refused(client: TestClient) -> None:
    for bad in ("..", "a//b", "a/../b", "/a", "a/", "a\\b", "a\nb", "${x}", "ö" * 101):
        answer = client.post("/uploads", json=wish(recording=bad))
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_key"), bad


def test_half_a_character_is_no_name(client: TestClient) -> None:
    for field in ("name", "label", "recording"):
        sent = json.dumps(wish(**{field: "?"})).replace("?", "\\ud800")
        answer = client.post("/uploads", content=sent, headers={"content-type": "application/json"})
        assert answer.status_code == 422


def test_a_file_that_is_there_whole_is_not_wanted(client: TestClient, aws: Aws) -> None:
    data = clip("siren")
    asked = wish(size=len(data), sha256=digest(data))
    key = client.post("/uploads", json=asked).json()["key"]
    aws.drop(key, data)
    assert client.post("/uploads", json=asked).json() == {
        "key": key, "state": "stored", "method": None, "url": None, "fields": None,
        "upload_id": None, "part_size": None, "parts": [], "expires_at": None,
    }  # fmt: skip


def test_other_content_is_never_written_over(client: TestClient, aws: Aws) -> None:
    asked = wish(sha256=digest(b""))
    aws.drop(client.post("/uploads", json=asked).json()["key"], b"something else")
    answer = client.post("/uploads", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (409, "upload_conflict")


# --- parts -----------------------------------------------------------------------------------


def put(aws: Aws, upload: dict[str, Any], number: int, size: int) -> None:
    aws.s3.upload_part(
        Bucket="recordings",
        Key=upload["key"],
        UploadId=upload["upload_id"],
        PartNumber=number,
        Body=bytes(size),
    )


def test_an_upload_in_parts_is_resumed(client: TestClient, aws: Aws) -> None:
    asked = wish(kind="recording", size=BIG, sha256=digest(b"tape"))
    begun = client.post("/uploads", json=asked).json()
    assert (begun["state"], begun["method"], begun["part_size"]) == ("wanted", "parts", 16 * MIB)
    assert [part["number"] for part in begun["parts"]] == list(range(1, 10))
    assert not any(part["stored"] for part in begun["parts"])
    # Whoever holds the address can put just as many bytes there, in that place.
    url = begun["parts"][8]["url"]
    assert "X-Amz-SignedHeaders=content-length%3Bhost" in url
    assert f"uploadId={begun['upload_id']}&partNumber=9" in url

    put(aws, begun, 1, 16 * MIB)
    put(aws, begun, 2, 16 * MIB - 1)
    put(aws, begun, 9, begun["parts"][8]["size"])
    resumed = client.post("/uploads", json=asked).json()
    assert (resumed["upload_id"], resumed["key"]) == (begun["upload_id"], begun["key"])
    stored = {part["number"]: part["stored"] for part in resumed["parts"]}
    assert [number for number in stored if stored[number]] == [1, 9]
    assert all((part["url"] is None) == part["stored"] for part in resumed["parts"])

    path = f"/uploads/{begun['upload_id']}/complete"
    completion = {"key": begun["key"], "size": BIG}
    answer = client.post(path, json=completion)
    assert (answer.status_code, answer.json()["code"]) == (409, "parts_missing")
    assert answer.json()["missing"] == [2, 3, 4, 5, 6, 7, 8]
    for number in range(2, 9):
        put(aws, begun, number, 16 * MIB)
    for _ in range(2):
        answer = client.post(path, json=completion)
        assert answer.status_code == 200
        assert answer.json() == {"key": begun["key"], "state": "stored"}
    head = aws.s3.head_object(Bucket="recordings", Key=begun["key"])
    assert head["ContentLength"] == BIG
    assert head["ContentType"] == "audio/wav"
    assert client.post("/uploads", json=asked).json()["state"] == "stored"


def test_without_a_digest_every_upload_is_new(client: TestClient) -> None:
    asked = wish(kind="recording", size=BIG)
    first, second = (client.post("/uploads", json=asked).json() for _ in range(2))
    assert first["upload_id"] != second["upload_id"]
    assert first["key"] != second["key"]


def test_an_upload_is_abandoned(client: TestClient) -> None:
    asked = wish(kind="recording", size=BIG, sha256=digest(b"tape"))
    begun = client.post("/uploads", json=asked).json()
    path = f"/uploads/{begun['upload_id']}"
    answer = client.delete(path, params={"key": begun["key"]})
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.post("/uploads", json=asked).json()["upload_id"] != begun["upload_id"]
    gone = [
        client.delete(path, params={"key": begun["key"]}),
        client.post(f"{path}/complete", json={"key": begun["key"], "size": BIG}),
    ]
    assert [answer.status_code for answer in gone] == [404, 404]
    assert {answer.json()["code"] for answer in gone} == {"upload_not_found"}


def test_keys_elsewhere_are_refused(client: TestClient) -> None:
    for key in (
        "champion.json",
        "models/x",
        "sample",
        "../samples/x",
        "\x00",
        f"samples/{'é' * 600}",
    ):
        for answer in (
            client.post("/uploads/x/complete", json={"key": key, "size": 1}),
            client.delete("/uploads/x", params={"key": key}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (422, "bad_key"), key


def test_more_than_was_agreed_is_not_put_together(client: TestClient) -> None:
    answer = client.post(
        "/uploads/x/complete", json={"key": "samples/siren/x.wav", "size": MAX_SAMPLE_BYTES + 1}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "recording_too_large")


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_addresses_name_the_regions_own_host(
    environment: None, monkeypatch: pytest.MonkeyPatch, region: str
) -> None:
    """The global host redirects while a bucket is new, and a signature does not follow."""
    import boto3
    from earshot.settings import Settings
    from earshot.wiring import wire

    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    store = wire(Settings.from_environment(), boto3.Session().client).store
    url = store.part_url("samples/a", "id", 1, 5, 60)
    form = store.form("samples/a", 5, "audio/wav", None, 60)
    host = "s3.amazonaws.com" if region == "us-east-1" else f"s3.{region}.amazonaws.com"
    assert url.startswith(f"https://recordings.{host}/samples/a?")
    assert form.url == f"https://recordings.{host}/"
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url
