"""Poison on the emulator: a dead letter with its reason, and nothing lost of the others."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from conftest import REPOSITORY, clip, emulated
from earshot import letters
from earshot.audio import decode
from earshot.catalog import Catalog
from earshot.letters import DeadLetters, Failures

from infra.local import endpoint, poller, stack
from infra.local.poller import Poller

GOOD = 9
TRIES = 5  # maxReceiveCount of the template's queue
POISON = clip("casual", 99)


class Deployed:
    """A stack on an emulator with the real ingest handler, and a poller to bring it messages."""

    def __init__(self, url: str) -> None:
        client = partial(emulated, url)
        self.s3, self.dynamodb, self.sqs = client("s3"), client("dynamodb"), client("sqs")
        self.stack = stack.deploy(
            REPOSITORY / "template.yaml",
            {"NamePrefix": "earshot"},
            client("cloudformation"),
            self.s3,
        )
        self.queue = self.stack.outputs["IngestQueueUrl"]
        dead = self.stack.outputs["IngestDeadLettersUrl"]
        self.dead_letters = DeadLetters(self.sqs, dead, Failures(self.dynamodb, "earshot"))
        self.batches: list[list[str]] = []

    def drop(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket="earshot-recordings", Key=key, Body=body)

    def ingest(self) -> None:
        """Bring what waits to the handler, until nothing does."""
        handler = importlib.import_module("ingest.handler").handler

        def noted(event: dict[str, Any], context: Any) -> Any:
            self.batches.append([record["body"] for record in event["Records"]])
            return handler(event, context)

        Poller(self.sqs, self.queue, noted).run(until_idle=True)

    def counted(self) -> int:
        return Catalog(self.dynamodb, "earshot").standing().total


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch, own_logging: None) -> Iterator[Deployed]:
    with endpoint.emulator() as url:
        stood_up = Deployed(url)
        surroundings = {
            **endpoint.environment(url),
            **stood_up.stack.functions["IngestFunction"].environment,
            "POWERTOOLS_METRICS_DISABLED": "true",
        }
        for name in surroundings.keys() - {"PATH", "PYTHONPATH", "HOME"}:
            monkeypatch.setenv(name, surroundings[name])
        monkeypatch.setattr(poller, "RETRY_AFTER_S", 0)
        monkeypatch.setattr(poller, "WAIT_S", 0)
        monkeypatch.setattr(letters, "WAIT_S", 0)
        sys.modules.pop("ingest.handler", None)
        yield stood_up
        sys.modules.pop("ingest.handler", None)


def event(bucket: str, key: str) -> str:
    detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": 5}}
    return json.dumps({"detail-type": "Object Created", "source": "aws.s3", "detail": detail})


@pytest.mark.parametrize(
    ("body", "key", "code", "reason"),
    [
        ('{"an": "unknown shape"}', None, "UnknownEvent", "Not an event that ingest knows"),
        ("no JSON", None, "UnknownEvent", "Not an event that ingest knows"),
        (
            event("another", "samples/siren/x.wav"),
            "samples/siren/x.wav",
            "UnknownEvent",
            "An event of the bucket another, which is not ours.",
        ),
        (None, "samples/casual/poison.wav", "ZeroDivisionError", "division by zero"),
    ],
)
def test_one_among_nine_good_ones_ends_with_its_reason_and_the_nine_count(
    deployed: Deployed,
    monkeypatch: pytest.MonkeyPatch,
    body: str | None,
    key: str | None,
    code: str,
    reason: str,
) -> None:
    monkeypatch.setattr(
        "earshot.services.samples.decode", lambda data: 1 / 0 if data == POISON else decode(data)
    )
    for number in range(GOOD):
        deployed.drop(f"samples/siren/{number}.wav", clip("siren", number))
    if body is None:
        assert key
        deployed.drop(key, POISON)
    else:
        deployed.sqs.send_message(QueueUrl=deployed.queue, MessageBody=body)
    deployed.ingest()

    # All ten came at once; after that, the poison alone.
    assert [len(batch) for batch in deployed.batches] == [GOOD + 1] + [1] * (TRIES - 1)
    assert deployed.counted() == GOOD
    (letter,) = deployed.dead_letters.letters()
    assert (letter.key, letter.code, letter.tries) == (key, code, TRIES)
    assert letter.reason is not None
    assert letter.reason.startswith(reason)


def test_what_was_mended_is_sent_back_and_counts(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.drop("samples/casual/poison.wav", POISON)
    with monkeypatch.context() as broken:
        broken.setattr("earshot.services.samples.decode", lambda _: 1 / 0)
        deployed.ingest()
    assert deployed.counted() == 0
    (letter,) = deployed.dead_letters.letters()

    assert deployed.dead_letters.retry([letter.id]).done == [letter.id]
    # Repetition is harmless: as if the command had died before it took the letter away.
    deployed.sqs.send_message(
        QueueUrl=deployed.queue,
        MessageBody=event("earshot-recordings", "samples/casual/poison.wav"),
    )
    deployed.ingest()
    assert deployed.counted() == 1
    assert deployed.dead_letters.letters() == []


def test_what_stays_broken_comes_back_as_a_letter(
    deployed: Deployed,
) -> None:
    deployed.sqs.send_message(QueueUrl=deployed.queue, MessageBody="no JSON")
    deployed.ingest()
    (first,) = deployed.dead_letters.letters()
    deployed.dead_letters.retry()
    deployed.ingest()
    (second,) = deployed.dead_letters.letters()
    assert second.id != first.id
    assert (second.code, second.tries) == ("UnknownEvent", TRIES)
