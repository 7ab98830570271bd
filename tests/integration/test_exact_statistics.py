"""Statistics are exact under 64 concurrent clients, whatever AWS answers or does not."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import httpx2
import numpy as np
import pytest
import uvicorn
from botocore.config import Config
from conftest import REPOSITORY, emulated, encode
from earshot.recording import Prediction
from earshot.services import Services
from earshot.settings import Settings
from earshot.statistics import Statistics
from earshot.wiring import wire

from infra.local import endpoint, stack
from predict.app import create_app

CLIENTS = 64
REQUESTS = 1024
COPIES = 2
LOST = 0.1
DAY_S = 86_400

SOUNDS = [
    encode(np.random.default_rng(seed).uniform(-0.5, 0.5, 8000).astype(np.float32))
    for seed in range(8)
]
BAD = {b"I am text": 415, SOUNDS[0][:5000]: 422, encode(np.zeros(1)): 422, b"": 422}


def lossy_client(url: str, service: str, config: Config | None = None) -> Any:
    """A client that hears some answers only at the second time."""
    ours = Config(max_pool_connections=CLIENTS)
    client = emulated(url, service, config.merge(ours) if config else ours)

    def lose(attempts: int, **_: Any) -> float | None:
        return 0.0 if attempts == 1 and random.random() < LOST else None

    client.meta.events.register("needs-retry.dynamodb.UpdateItem", lose)
    return client


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with endpoint.emulator() as url:
        yield url


@pytest.fixture(scope="module")
def copies(emulator: str) -> list[Services]:
    """What the copies of the predict function have: one table."""
    deployed = stack.deploy(
        REPOSITORY / "template.yaml",
        {"NamePrefix": "earshot"},
        emulated(emulator, "cloudformation"),
        emulated(emulator, "s3"),
    )
    environment = deployed.functions["PredictFunction"].environment
    settings = Settings.from_environment({**environment, "EARSHOT_AUTH": "off"})
    return [wire(settings, partial(lossy_client, emulator)) for _ in range(COPIES)]


@contextmanager
def served(services: Services) -> Iterator[str]:
    """The API behind uvicorn, as on the local stack."""
    port = endpoint.free_port()
    config = uvicorn.Config(
        create_app(services), host="127.0.0.1", port=port, log_level="warning", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def test_under_64_clients_the_totals_are_the_answers(copies: list[Services]) -> None:
    bodies = [*SOUNDS, *SOUNDS, *BAD] * (REQUESTS // 20 + 1)
    random.Random(4).shuffle(bodies)
    with ExitStack() as servers:
        urls = [servers.enter_context(served(services)) for services in copies]
        limits = httpx2.Limits(max_connections=CLIENTS)
        http = servers.enter_context(httpx2.Client(timeout=120, limits=limits))

        def post(number: int) -> httpx2.Response:
            if number % 32 == 0:
                assert http.get(f"{urls[0]}/metrics").status_code == 200
            return http.post(
                f"{urls[number % COPIES]}/predict",
                content=bodies[number],
                headers={"content-type": "audio/wav"},
            )

        with ThreadPoolExecutor(CLIENTS) as clients:
            answers = list(clients.map(post, range(REQUESTS)))
        found = http.get(f"{urls[0]}/metrics").json()
        status = http.get(f"{urls[1]}/status").json()

    heard = [answer.json() for answer in answers if answer.status_code == 200]
    refused = [answer.json() for answer in answers if answer.status_code in (415, 422)]
    assert len(heard) + len(refused) == REQUESTS
    assert len(refused) == sum(body in BAD for body in bodies[:REQUESTS])
    totals = found["totals"]
    assert (totals["predictions"], totals["refused"]) == (len(heard), len(refused))
    assert totals["failed"] == 0
    assert (status["predictions"], status["refused"]) == (len(heard), len(refused))
    assert totals["uncertain"] == sum(one["decision"] == "uncertain" for one in heard)
    assert found["by_label"] == Counter(one["label"] for one in heard)
    assert found["by_version"] == Counter(one["model_version"] for one in heard)
    assert found["errors"] == Counter(one["code"] for one in refused)
    assert totals["audio_s"] == pytest.approx(sum(one["duration_s"] for one in heard))
    confidences = [one["confidence"] for one in heard]
    spread = found["confidence"]
    edges = spread["histogram"]["edges"]
    assert spread["histogram"]["counts"] == list(np.histogram(confidences, edges)[0])
    assert spread["mean"] == pytest.approx(np.mean(confidences), abs=1e-6)
    times = [one["processing_ms"] for one in heard]
    latency = found["latency_ms"]
    edges = [*latency["histogram"]["edges"][:-1], np.inf]
    assert latency["histogram"]["counts"] == list(np.histogram(times, edges)[0])
    assert latency["mean"] == pytest.approx(np.mean(times), abs=1e-3)
    answered = {one["request_id"]: one for one in heard}
    assert found["recent"]
    for one in found["recent"]:
        assert one.pop("timestamp")
        assert one.pop("novelty") > 0
        assert one.items() <= answered[one["request_id"]].items()


def test_of_many_readers_one_folds(emulator: str, copies: list[Services]) -> None:
    prediction = Prediction("siren", 0, 0.9, "accepted", {}, (), "v1", 4.0)
    now = time.time() + 1000 * DAY_S
    before = copies[0].statistics.totals().predictions
    client = lossy_client(emulator, "dynamodb")
    folds: list[int] = []
    client.meta.events.register(
        "after-call.dynamodb.TransactWriteItems",
        lambda http_response, **_: folds.append(http_response.status_code),
    )
    readers = [Statistics(client, "earshot", lambda: now) for _ in range(8)]
    for _ in range(3):
        for reader in readers:
            reader.count(prediction)
        now += DAY_S
    now += 2 * DAY_S
    with ThreadPoolExecutor(len(readers)) as pool:
        found = list(pool.map(lambda reader: reader.report(), readers))
    assert folds.count(200) == 1
    for report in found:
        assert report.totals.predictions == before + 3 * len(readers)
        assert [day.predictions for day in report.days.values()][:3] == [len(readers)] * 3
