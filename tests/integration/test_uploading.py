"""Uploads over the wire: what the API answers is sent to the bucket, and its events count it."""

from __future__ import annotations

import hashlib
import io
import json
import random
import zipfile
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from conftest import REPOSITORY, clip, emulated
from earshot.services import uploads
from earshot.settings import Settings
from earshot.wiring import wire
from fastapi.testclient import TestClient

from infra.local import endpoint, stack
from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator


class Deployed:
    """A stack on an emulator: its API, its bucket, and the queue, which the tests play."""

    def __init__(self, url: str) -> None:
        client = partial(emulated, url)
        self.s3, self._sqs = client("s3"), client("sqs")
        deployed = stack.deploy(
            REPOSITORY / "template.yaml",
            {"NamePrefix": "earshot"},
            client("cloudformation"),
            self.s3,
        )
        self._queue = deployed.outputs["IngestQueueUrl"]
        environment = deployed.functions["PredictFunction"].environment
        settings = Settings.from_environment({**environment, "EARSHOT_AUTH": "off"})
        self.services = wire(settings, client)
        self.api = TestClient(create_app(self.services))

    def ask(self, data: bytes, **wish: Any) -> Any:
        """What the API says of uploading ``data``."""
        sha256 = hashlib.sha256(data).hexdigest()
        answer = self.api.post("/uploads", json={"size": len(data), "sha256": sha256, **wish})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def arrivals(self) -> list[str]:
        """The keys that events told of since the last look; each event comes twice."""
        keys = []
        while messages := self._sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=10
        ).get("Messages"):
            for message in messages:
                key = json.loads(message["Body"])["detail"]["object"]["key"]
                keys.append(key)
                for _ in range(2):
                    self.services.receive(key)
                self._sqs.delete_message(
                    QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"]
                )
        return keys

    def counted(self, label: str) -> int:
        """Samples of a label."""
        return self.services.catalog.standing().labels.get(label, 0)


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    with endpoint.emulator() as url:
        yield Deployed(url)


def send_form(upload: dict[str, Any], data: bytes) -> None:
    answer = httpx2.post(upload["url"], data=upload["fields"], files={"file": ("any", data)})
    assert answer.status_code == 204, answer.text


def test_clips_sent_to_the_api_are_counted_once(deployed: Deployed) -> None:
    sent = [("files", (f"{n}.wav", clip("siren", n))) for n in range(3)]
    answer = deployed.api.post("/samples", data={"label": "siren"}, files=sent).json()
    assert answer["stored"] == 3
    assert deployed.counted("siren") == 0
    assert sorted(deployed.arrivals()) == sorted(one["key"] for one in answer["files"])
    assert deployed.counted("siren") == 3
    again = deployed.api.post("/samples", data={"label": "siren"}, files=sent).json()
    assert [one["state"] for one in again["files"]] == ["duplicate"] * 3
    assert deployed.arrivals() == []
    assert deployed.counted("siren") == 3


def test_a_sample_goes_by_a_form(deployed: Deployed) -> None:
    data = clip("gunshot", 1)
    name = "Höhle 1+2 (a).wav"
    wish = {"kind": "sample", "name": name, "label": "gunshot", "recording": "tape 7"}
    send_form(deployed.ask(data, **wish), data)
    (key,) = deployed.arrivals()
    assert key.startswith("samples/gunshot/tape 7/")
    assert deployed.counted("gunshot") == 1
    assert deployed.ask(data, **wish)["state"] == "stored"
    # The same file by the other way finds itself there.
    files = {"file": (name, data)}
    answer = deployed.api.post("/samples", data={"label": "gunshot"}, files=files).json()
    assert [(one["state"], one["key"]) for one in answer["files"]] == [("duplicate", key)]


def test_an_archive_goes_by_a_form_and_is_unpacked(deployed: Deployed) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("casual/1.wav", clip("casual", 1))
        archive.writestr("explosion/1.wav", clip("explosion", 1))
    wish = {"kind": "archive", "name": "clips.zip"}
    send_form(deployed.ask(file.getvalue(), **wish), file.getvalue())
    (key, *clips) = deployed.arrivals()
    assert key.startswith("imports/")
    assert len(clips) >= 2
    assert (deployed.counted("casual"), deployed.counted("explosion")) == (1, 1)


def test_a_large_recording_goes_in_parts_and_is_resumed(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The sizes of tens of gigabytes, on a smaller scale.
    monkeypatch.setattr(uploads, "MAX_FORM_BYTES", 6 << 20)
    monkeypatch.setattr(uploads, "MIN_PART_BYTES", 5 << 20)
    data = random.Random(1).randbytes((21 << 20) + 1)
    wish = {"kind": "recording", "name": "long.wav", "site": "ridge"}
    upload = deployed.ask(data, **wish)

    def put(part: dict[str, Any]) -> None:
        content = data[part["start"] : part["start"] + part["size"]]
        assert httpx2.put(part["url"], content=content).status_code == 200

    first, *_, last = upload["parts"]
    put(last)
    put(first)
    # Cut off here; asked again, only what is missing is sent.
    resumed = deployed.ask(data, **wish)
    assert resumed["upload_id"] == upload["upload_id"]
    missing = [part for part in resumed["parts"] if not part["stored"]]
    assert len(missing) == len(upload["parts"]) - 2
    path, completion = (
        f"/uploads/{resumed['upload_id']}/complete",
        {"key": resumed["key"], "size": len(data)},
    )
    early = deployed.api.post(path, json=completion)
    assert (early.status_code, early.json()["missing"]) == (409, [one["number"] for one in missing])
    for part in missing:
        put(part)
    for _ in range(2):
        assert deployed.api.post(path, json=completion).json()["state"] == "stored"
    stored = deployed.s3.get_object(Bucket="earshot-recordings", Key=resumed["key"])["Body"]
    assert hashlib.sha256(stored.read()).digest() == hashlib.sha256(data).digest()
    assert set(deployed.arrivals()) == {resumed["key"]}
    assert deployed.ask(data, **wish)["state"] == "stored"
