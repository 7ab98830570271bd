"""Models are swapped while others predict, promote and roll back: on the emulator."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from threading import Event
from typing import Any

import pytest
from botocore.config import Config
from conftest import REPOSITORY, clip, emulated
from earshot.services import Services
from earshot.settings import Settings
from earshot.wiring import wire
from fastapi.testclient import TestClient

from infra.local import endpoint, stack
from predict.app import create_app

THREADS = 8
RELOAD_S = 30.0
GOOD = ("v1", "v2", "v3")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Process:
    """An API of its own, over the same stack, which shares a clock with the others."""

    def __init__(self, url: str, environment: dict[str, str], clock: Clock) -> None:
        config = Config(max_pool_connections=THREADS, retries={"max_attempts": 1})
        client = partial(emulated, url, config=config)
        told = {**environment, "EARSHOT_RELOAD_S": str(RELOAD_S), "EARSHOT_AUTH": "off"}
        self.services: Services = wire(Settings.from_environment(told), client)
        self.services.serving._clock = clock
        self.app = create_app(self.services)
        self.api = TestClient(self.app)

    def predict(self) -> tuple[int, str]:
        """The status, and the version or the code."""
        answer = self.api.post("/predict", files={"file": clip("siren")})
        content = answer.json()
        return answer.status_code, content.get("model_version") or content["code"]

    def promote(self, version: str, **wish: str) -> Any:
        return self.api.post(f"/models/{version}/promote", json={"reason": "a test", **wish})

    def roll_back(self, **wish: str) -> Any:
        return self.api.post("/models/rollback", json={"reason": "a test", **wish})

    def history(self) -> list[dict[str, Any]]:
        history: list[dict[str, Any]] = self.api.get("/models").json()["history"]
        return history


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def processes(clock: Clock) -> Iterator[list[Process]]:
    """Two processes over one emulator, with three good versions and a broken one."""
    with endpoint.emulator() as url, ExitStack() as entered:
        client = partial(emulated, url)
        deployed = stack.deploy(
            REPOSITORY / "template.yaml",
            {"NamePrefix": "earshot"},
            client("cloudformation"),
            client("s3"),
        )
        environment = deployed.functions["PredictFunction"].environment
        found = [Process(url, environment, clock) for _ in range(2)]
        registry, default = found[0].services.registry, found[0].services.serving.default
        assert default is not None
        for version in GOOD:
            card = replace(default.card, version=version)
            registry.publish(card, {"model.onnx": default.model})
        card = replace(default.card, version="broken")
        registry.publish(card, {"model.onnx": default.model[:-1]})
        for process in found:
            entered.enter_context(process.api)
        yield found


def test_a_rollback_is_everywhere_within_the_reload_interval(
    processes: list[Process], clock: Clock
) -> None:
    here, there = processes
    assert here.promote("v1").status_code == 200
    assert here.promote("v2").status_code == 200
    assert [process.predict() for process in processes] == [(200, "v2")] * 2
    clock.now += 1
    assert here.roll_back().status_code == 200
    # At once where it was asked for; elsewhere when that process has to look again.
    assert here.predict() == (200, "v1")
    assert there.predict() == (200, "v2")
    clock.now += RELOAD_S - 1
    assert [process.predict() for process in processes] == [(200, "v1")] * 2
    assert there.api.get("/models").json()["champion"]["rollback"]


def test_whoever_predicts_during_a_swap_is_answered_by_the_old_or_the_new(
    processes: list[Process], clock: Clock
) -> None:
    here, there = processes
    assert here.promote("v1").status_code == 200
    assert [process.predict() for process in processes] == [(200, "v1")] * 2
    done = Event()

    def predict(process: Process) -> set[tuple[int, str]]:
        answers = set()
        while not done.is_set():
            answers.add(process.predict())
        return answers

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(predict, process) for process in processes * 2]
        for version in ("v2", "broken", "v3", "v1", "broken", "v2"):
            # As by somebody who found it whole, so that every process meets the broken one.
            pointer = here.services.registry.champion()
            here.services.registry.promote(version, pointer, "another", "a test")
            clock.now += RELOAD_S
            here.predict()
            there.predict()
        done.set()
        answers = set.union(*(one.result() for one in asked))
    assert answers <= {(200, version) for version in GOOD}
    clock.now += RELOAD_S
    assert [process.predict() for process in processes] == [(200, "v2")] * 2


def test_promotions_and_rollbacks_at_once_leave_one_trail_without_a_gap(
    processes: list[Process], clock: Clock
) -> None:
    here, _ = processes
    default = here.services.serving.default
    assert default is not None
    assert here.promote("v1").status_code == 200

    def move(number: int) -> bool:
        chance = random.Random(number)
        process = processes[number % 2]
        champion = process.api.get("/models").json()["champion"]["version"]
        seen = champion or default.card.version
        wish = {"expected": seen, "reason": f"move {number}"}
        if chance.random() < 0.4:
            answer = process.roll_back(**wish)
        else:
            answer = process.promote(chance.choice([one for one in GOOD if one != seen]), **wish)
        if answer.status_code != 200:
            assert answer.status_code == 409, answer.text
            assert answer.json()["code"] in ("promotion_conflict", "nothing_to_roll_back_to")
        return bool(answer.status_code == 200)

    with ThreadPoolExecutor(THREADS) as pool:
        moved = [number for number, did in enumerate(pool.map(move, range(48))) if did]
    history = here.history()
    # Whoever was told that it moved is in the trail, and nobody else.
    assert sorted(one["reason"] for one in history[:-1]) == sorted(f"move {n}" for n in moved)
    assert 0 < len(moved) < 48
    assert [one["previous"] for one in history[:-1]] == [one["version"] for one in history[1:]]
    # And all serve what the trail ends with.
    clock.now += RELOAD_S
    served = {process.predict() for process in processes}
    assert served == {(200, history[0]["version"] or default.card.version)}
