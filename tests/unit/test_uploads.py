from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Aws, clip, encode, pcm, sound
from earshot.application import Application
from earshot.errors import BadKey, LabelMissing
from earshot.names import FILE_NAME_BYTES, label_in, safe_name
from earshot.services import uploads
from earshot.store import MAX_SAMPLE_BYTES, Form, SampleKey
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

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


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("20261121_100000.wav", "20261121_100000.wav"),
        ("../../champion.json", "champion.json"),
        ("C:\\Users\\me\\Höhle 1.WAV", "Höhle 1.WAV"),
        ("/etc/passwd", "passwd"),
        (".hidden.wav", "hidden.wav"),
        ("..", "unnamed"),
        ("a/", "unnamed"),
        ("", "unnamed"),
        ("a\x00b\nc.wav", "a_b_c.wav"),
        ("${filename}", "__filename_"),
        ("AudioMoth (2).wav", "AudioMoth (2).wav"),
        ("サイレン#1.flac", "サイレン_1.flac"),
        ("e\u0301.wav", "é.wav"),
    ],
)
def test_a_file_keeps_its_name_but_not_what_could_do_harm(given_name: str, kept: str) -> None:
    assert safe_name(given_name) == unicodedata.normalize("NFC", kept)


@given(st.text())
def test_a_kept_name_is_one_safe_step_and_stays_what_it_is(text: str) -> None:
    kept = safe_name(text)
    assert 0 < len(kept.encode()) <= FILE_NAME_BYTES
    assert not set(kept) & set('/\\${}<>"\x00\n')
    assert kept[0] != "."
    assert unicodedata.is_normalized("NFC", kept)
    assert safe_name(kept) == kept


def test_a_long_name_keeps_its_suffix() -> None:
    kept = safe_name("ö" * 300 + ".flac")
    assert kept.endswith("ö.flac")
    assert len(kept.encode()) in (FILE_NAME_BYTES - 1, FILE_NAME_BYTES)


def test_a_recording_that_leads_elsewhere_is_refused(client: TestClient) -> None:
    for bad in ("..", "a//b", "a/../b", "/a", "a/", "a\\b", "a\nb", "${x}", "ö" * 101):
        answer = client.post("/uploads", json=wish(recording=bad))
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_key"), bad


class Anywhere:
    """A store that has nothing and signs nothing, for a thousand questions a second."""

    def size(self, _: str) -> None:
        return None

    def form(self, key: str, *_: Any) -> Form:
        return Form(key, {})

    def unfinished(self, _: str) -> None:
        return None

    def begin(self, *_: Any) -> str:
        return "upload"

    def parts(self, *_: Any) -> dict[int, Any]:
        return {}

    def part_url(self, *_: Any) -> str:
        return "url"


def anything_goes() -> uploads.Uploads:
    """Uploads of an application with open labels, over no bucket."""
    application = Application("open", (), 16_000, 1.0, 0.5, "melstats", open_labels=True)
    store: Any = Anywhere()
    catalog: Any = None
    return uploads.Uploads(application, store, catalog)


words = st.text(max_size=80)


@given(label=words, recording=st.none() | words, name=words)
def test_whatever_is_taken_parses_back(label: str, recording: str | None, name: str) -> None:
    """What a client calls things never leads out of samples/, nor to another label."""
    asked = uploads.Wish("sample", name, 1, label=label, recording=recording)
    try:
        key = anything_goes().ask(asked).key
    except BadKey:
        return
    assert len(key.encode()) <= 1024
    place = SampleKey.parse(key)
    assert place.label == unicodedata.normalize("NFC", label)
    assert place.group == (unicodedata.normalize("NFC", recording) if recording else None)
    assert not {"..", ".", ""} & set(key.split("/"))


@given(site=words, name=words)
def test_a_site_is_named_as_a_label_is(site: str, name: str) -> None:
    asked = uploads.Wish("recording", name, 1, site=site)
    try:
        key = anything_goes().ask(asked).key
    except BadKey:
        with pytest.raises(BadKey):
            SampleKey.parse(f"samples/{site.replace('/', '//')}/x")
        return
    prefix, place, mark, last = key.split("/")
    assert (prefix, place, last) == (
        "recordings",
        unicodedata.normalize("NFC", site),
        safe_name(name),
    )
    assert len(mark) == 12


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("siren_1.wav", "siren"),
        ("siren.wav", "siren"),
        ("siren7.wav", "siren"),
        ("car horn 2.flac", "car horn"),
        ("car-2.flac", "car"),
        ("folder/siren_1.wav", "siren"),
        ("Kl\u0061\u0308ffen_1.wav", "Kläffen"),
        ("class1-2.wav", "class1"),
    ],
)
def test_a_name_begins_with_its_label(name: str, label: str) -> None:
    assert label_in(name, ("car", "car horn", "siren", "Kläffen", "class1")) == label


@pytest.mark.parametrize("name", ["sirens_1.wav", "x_siren.wav", "class12.wav", "Siren_1.wav", ""])
def test_a_name_that_only_looks_like_it_tells_no_label(name: str) -> None:
    with pytest.raises(LabelMissing, match="one of: siren, class1"):
        label_in(name, ("siren", "class1"))


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
        (wish(kind="recording", size=100_000_000_001), 413, "recording_too_large"),
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


@settings(deadline=None)
@given(st.integers(100_000_001, uploads.MAX_RECORDING_BYTES))
def test_parts_cover_a_file_as_s3_takes_them(size: int) -> None:
    upload = anything_goes().ask(uploads.Wish("recording", "a.wav", size, site="ridge"))
    parts, step = upload.parts, upload.part_size or 0
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert len(parts) <= 1000
    assert parts[0].start == 0
    assert all(one.start + one.size == two.start for one, two in pairwise(parts))
    assert parts[-1].start + parts[-1].size == size
    assert {part.size for part in parts[:-1]} == {step}
    assert 0 < parts[-1].size <= step
    assert 5 * MIB <= step <= 5 << 30


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


# --- many clips with one label ----------------------------------------------------------------


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
    asked = wish(name="x.wav", size=len(data), sha256=digest(data))
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
