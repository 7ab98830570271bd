"""From recordings to a webhook on the emulator: signed posts, later posts, and dead letters."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from conftest import REPOSITORY, emulated, encode, pcm
from earshot import letters
from earshot.letters import DeadLetters, Failures
from earshot.services import Services
from earshot.settings import Settings
from earshot.wiring import wire
from receiver import SECRET, Receiver, receiving

from infra.local import endpoint, poller, stack
from infra.local.poller import Poller

TRIES = 20  # maxReceiveCount of the template's queue


class Deployed:
    """A stack with a webhook on an emulator, the real handlers, and pollers to feed them."""

    def __init__(self, url: str, receiver: Receiver) -> None:
        client = partial(emulated, url)
        self.receiver = receiver
        self.s3, self.sqs = client("s3"), client("sqs")
        self.stack = stack.deploy(
            REPOSITORY / "template.yaml",
            {
                "NamePrefix": "earshot",
                "AlertWebhookUrl": receiver.url,
                "AlertWebhookSecret": SECRET,
            },
            client("cloudformation"),
            self.s3,
        )
        self.dead_letters = DeadLetters(
            self.sqs,
            self.stack.outputs["AlertDeadLettersUrl"],
            Failures(client("dynamodb"), "earshot"),
        )
        environment = self.stack.functions["PredictFunction"].environment
        self.services: Services = wire(Settings.from_environment(environment), client)

    def record(self, name: str, body: bytes) -> None:
        self.s3.put_object(Bucket="earshot-recordings", Key=f"recordings/{name}", Body=body)

    def work(self) -> None:
        """Bring what waits to ingest, and what comes of it to the webhook, until nothing waits."""
        for name in ("IngestFunction", "WebhookFunction"):
            function = self.stack.functions[name]
            assert function.source
            assert function.handler
            module = function.handler.rpartition(".")[0]
            handler = importlib.import_module(module).handler
            Poller(self.sqs, function.source.queue_url, handler).run(until_idle=True)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch, own_logging: None) -> Iterator[Deployed]:
    with endpoint.emulator() as url, receiving() as receiver:
        stood_up = Deployed(url, receiver)
        surroundings = {
            **endpoint.environment(url),
            **stood_up.stack.functions["WebhookFunction"].environment,
            "POWERTOOLS_METRICS_DISABLED": "true",
        }
        for name in surroundings.keys() - {"PATH", "PYTHONPATH", "HOME"}:
            monkeypatch.setenv(name, surroundings[name])
        monkeypatch.setattr(poller, "RETRY_AFTER_S", 0)
        monkeypatch.setattr(poller, "WAIT_S", 0)
        monkeypatch.setattr(letters, "WAIT_S", 0)
        for module in ("ingest.handler", "ingest.webhook"):
            monkeypatch.delitem(sys.modules, module, raising=False)
        yield stood_up
        for module in ("ingest.handler", "ingest.webhook"):
            sys.modules.pop(module, None)


def shots(*at_s: int, length_s: int = 64) -> bytes:
    """A recording that is quiet but for shots of four seconds each."""
    rate = 16_000
    samples = np.zeros(length_s * rate, np.int16)
    for number, at in enumerate(at_s):
        shot = pcm("gunshot", number)
        samples[at * rate : at * rate + len(shot)] = shot
    return encode(samples, rate)


def test_three_shots_in_a_minute_and_one_an_hour_later_are_two_alerts(
    deployed: Deployed,
) -> None:
    # The later one comes in first, as from a card that is read in any order.
    deployed.record("ridge/20261121_070000.wav", shots(20))
    deployed.record("ridge/20261121_060000.wav", shots(0, 24, 48))
    deployed.work()
    posts = deployed.receiver.verified()
    assert sorted(post["data"]["at"] for post in posts) == [
        "2026-11-21T06:00:00.000Z",
        "2026-11-21T07:00:20.000Z",
    ]
    assert {post["data"]["label"] for post in posts} == {"gunshot"}
    listed, _ = deployed.services.alerts.latest("gunshot", "ridge", "", 10)
    assert {one.alert for one in listed} == {post["data"]["alert"] for post in posts}
    for post in posts:
        _, _, recording, _, clip = post["data"]["clip"].split("/")
        assert deployed.services.analysis.clip(recording, clip).startswith(b"fLaC")


def test_a_webhook_that_is_down_for_a_while_has_them_later(deployed: Deployed) -> None:
    deployed.receiver.answers = [(503, {}, b"")] * 3 + [(204, {}, b"")]
    deployed.record("ridge/20261121_060000.wav", shots(20))
    deployed.work()
    posts = deployed.receiver.verified()
    assert len(posts) == 4
    assert len({post["data"]["alert"] for post in posts}) == 1
    assert deployed.dead_letters.letters() == []


def test_one_that_always_fails_ends_with_its_reason_and_can_be_sent_again(
    deployed: Deployed,
) -> None:
    deployed.receiver.answers = [(401, {}, b"who are you?")]
    event = deployed.services.alerts.test()
    deployed.work()
    assert len(deployed.receiver.posts) == TRIES
    (letter,) = deployed.dead_letters.letters()
    assert (letter.event, letter.key, letter.tries) == ("DetectionAlert", event.key, TRIES)
    assert letter.code == "delivery_failed"
    assert letter.reason == "The receiver answered 401: who are you?"

    deployed.receiver.posts.clear()
    deployed.receiver.answers = [(200, {}, b"")]
    deployed.dead_letters.retry()
    deployed.work()
    (post,) = deployed.receiver.verified()
    assert (post["data"]["alert"], post["data"]["test"]) == (event.alert, True)
    assert deployed.dead_letters.letters() == []


def test_without_an_address_nothing_is_made_to_deliver() -> None:
    with endpoint.emulator() as url:
        client = partial(emulated, url)
        made = stack.deploy(
            REPOSITORY / "template.yaml",
            {"NamePrefix": "earshot"},
            client("cloudformation"),
            client("s3"),
        )
        assert "WebhookFunction" not in made.functions
        queues = client("sqs").list_queues()["QueueUrls"]
        names = {queue.rpartition("/")[2] for queue in queues}
        assert "earshot-alerts-dlq" in names
        assert "earshot-alerts" not in names
