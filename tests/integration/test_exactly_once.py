"""Repeated, reordered and concurrent events against the emulator: every clip counts once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from conftest import clip, with_threshold
from deployed import Deployed
from earshot.errors import PromotionConflict, RetrainInProgress
from earshot.services import Services
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.local import endpoint
from predict.app import create_app

THREADS = 24


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    with endpoint.emulator() as url:
        yield Deployed(url, "PredictFunction", threshold=10, connections=THREADS)


@pytest.fixture(scope="module")
def keys(deployed: Deployed) -> dict[str, str]:
    """Objects in the bucket by key, with the identity of the sound in each: some are the same."""
    found = {}
    for n in range(12):
        label = ("siren", "gunshot", "casual")[n % 3]
        for name in ("a", "b"):
            key = f"samples/{label}/{n}-{name}.wav"
            deployed.s3.put_object(
                Bucket=deployed.services.store.bucket, Key=key, Body=clip(label, n)
            )
            found[key] = f"{label} {n}"
    return found


def counted(services: Services) -> dict[str, int]:
    """Label counts, which always equal the catalogue."""
    labels = services.catalog.standing().labels
    assert labels == dict(Counter(sample.label for sample in services.catalog.samples()))
    return labels


def test_concurrent_and_repeated_events_count_once(
    deployed: Deployed, keys: dict[str, str]
) -> None:
    deployed.clear()
    services = deployed.services
    events = [key for key in keys for _ in range(5)]
    random.Random(1).shuffle(events)
    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(lambda key: services.receive(key).state, events))
    assert Counter(outcomes) == {"added": 12, "duplicate": len(events) - 12}
    assert counted(services) == {"casual": 4, "gunshot": 4, "siren": 4}
    # One crossing of ten, one run, one event.
    (run,) = services.ledger.runs()
    assert deployed.requested() == [run.run]
    assert run.samples >= 10


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_order_of_events_leads_to_the_same_counts(
    deployed: Deployed, keys: dict[str, str], data: st.DataObject
) -> None:
    deployed.clear()
    services = with_threshold(deployed.services, 4)
    names = sorted(keys)
    order = data.draw(st.lists(st.sampled_from(names), max_size=30))
    for key in order:
        services.receive(key)
    expected = Counter(identity.split()[0] for identity in {keys[key] for key in order})
    assert counted(services) == dict(expected)
    runs = services.ledger.runs()
    assert len(runs) == (sum(expected.values()) >= 4)
    assert deployed.requested() == [run.run for run in runs]


def test_many_ask_for_a_training_and_one_gets_it(deployed: Deployed) -> None:
    deployed.clear()

    def ask(_: int) -> bool:
        try:
            deployed.services.training.request("race")
        except RetrainInProgress:
            return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(ask, range(THREADS))) == 1
    assert len(deployed.requested()) == len(deployed.services.ledger.runs()) == 1


def test_many_workers_claim_a_run_and_one_has_it(deployed: Deployed) -> None:
    deployed.clear()
    run = deployed.services.training.request("race").run

    def claim(worker: int) -> bool:
        try:
            deployed.services.ledger.claim(run, f"worker {worker}")
        except RetrainInProgress:
            return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(claim, range(THREADS))) == 1


def test_many_promote_and_one_wins(deployed: Deployed) -> None:
    services = deployed.services
    bundle = services.serving.default
    assert bundle is not None
    versions = [f"race-{n:02}" for n in range(THREADS)]
    for version in versions:
        services.registry.publish(
            replace(bundle.card, version=version), {"model.onnx": bundle.model}
        )
    expected = services.registry.champion()

    def promote(version: str) -> bool:
        try:
            services.models.promote(version, expected, "test", "race")
        except PromotionConflict:
            return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        won = [v for v, got in zip(versions, pool.map(promote, versions), strict=True) if got]
    champion = services.registry.champion()
    assert champion is not None
    assert won == [champion.version]
    # Over HTTP, by people who have seen the same champion; the loser is told so.
    client = TestClient(create_app(services))
    wish = {"reason": "race", "expected": champion.version}

    def ask(version: str) -> tuple[int, str]:
        answer = client.post(f"/models/{version}/promote", json=wish)
        return answer.status_code, answer.json().get("code") or answer.json()["version"]

    others = [version for version in versions if version != champion.version][:8]
    with ThreadPoolExecutor(len(others)) as pool:
        answers = Counter(pool.map(ask, others))
    winner = services.registry.champion()
    assert winner is not None
    assert answers == {(200, winner.version): 1, (409, "promotion_conflict"): len(others) - 1}
    assert winner.previous == champion.version
    assert [one.version for one in winner.history[:2]] == [winner.version, champion.version]
