"""A process loads what is to serve while it starts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from conftest import DEFAULT_BUNDLE, Aws
from earshot.bundle import Bundle
from earshot.registry import Registry
from earshot.serving import Serving


class Gate(Registry):
    """The pointer can be read when ``opened``; ``reads`` counts how often it was."""

    def __init__(self, aws: Aws) -> None:
        super().__init__(aws.s3, "artifacts")
        self.begun, self.opened, self.reads = Event(), Event(), 0

    def champion(self) -> Any:
        self.reads += 1
        self.begun.set()
        assert self.opened.wait(30)
        return super().champion()


def test_who_asks_meanwhile_has_the_same_model_and_it_is_read_once(
    aws: Aws, default_bundle: Bundle
) -> None:
    registry = Gate(aws)
    serving = Serving(registry, DEFAULT_BUNDLE, reload_s=30)
    serving.prepare()
    assert registry.begun.wait(30)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(serving.detector) for _ in range(2)]
        registry.opened.set()
        first, second = (one.result() for one in asked)
    assert first is second
    assert first.card == default_bundle.card
    assert registry.reads == 1


def test_what_could_not_be_loaded_is_loaded_for_who_asks(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    registry, failed = Gate(aws), Event()
    serving = Serving(registry, DEFAULT_BUNDLE, reload_s=30)

    def away() -> Any:
        failed.set()
        raise ConnectionError("S3 is away")

    with monkeypatch.context() as patched:
        patched.setattr(registry, "champion", away)
        serving.prepare()
        assert failed.wait(30)
    registry.opened.set()
    assert serving.detector().card.labels
    assert "No model could be loaded yet" in caplog.text
