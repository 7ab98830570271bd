"""What stands in for what takes long and calls nobody: loading networks, and fitting them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any
from unittest import mock

from conftest import DEFAULT_BUNDLE
from earshot import detector
from earshot.bundle import Bundle
from earshot.services import Services

from retrain import evaluation, job
from retrain.training import Version


@cache
def default_bundle() -> Bundle:
    return Bundle.load(DEFAULT_BUNDLE)


@contextmanager
def networks_loaded_once() -> Iterator[None]:
    """Keep a network once it is loaded, and load one: a new process does not wait for it."""
    once = lru_cache(4)(detector.open_session)
    with mock.patch.object(detector, "open_session", once):
        detector.Detector(default_bundle()).warm()
        yield


def publish(services: Services, version: str) -> None:
    """Upload the default bundle under another name."""
    bundle = default_bundle()
    card = replace(bundle.card, version=version)
    services.registry.publish(card, {"model.onnx": bundle.model})


def work(services: Services, run: str, worker: str) -> None:
    """Do a run. The fit alone is stood in for: it takes seconds, and calls nobody."""
    with mock.patch.object(job, "train", fit_nothing):
        job.work(services, DEFAULT_BUNDLE, run, worker)


def fit_nothing(dataset: Any, backbone: Any, application: Any, parent: Any, _: Any) -> Version:
    """In the place of ``train``: the default bundle as a new version, like a real one each time."""
    bundle = default_bundle()
    card = replace(bundle.card, version=f"fit-{secrets.token_hex(4)}", parent=parent)
    made = Bundle(card, bundle.model)
    scores = evaluation.score(made, dataset.held_out)
    return Version(made, {"model.onnx": made.model}, scores, 0.0, 1.0, [])
