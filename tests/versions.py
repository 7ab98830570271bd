"""Model versions to promote and to roll back, and what a person asks for."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conftest import clip
from fastapi.testclient import TestClient

from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.bundle import Bundle
    from earshot.services import Services

VERSIONS = ("v1", "v2", "v3")


@contextmanager
def versions(services: Services, bundle: Bundle) -> Iterator[TestClient]:
    """The API of a service that has three versions beside its default bundle."""
    for version in VERSIONS:
        card = replace(bundle.card, version=version)
        services.registry.publish(card, {"model.onnx": bundle.model})
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        yield client


def promote(client: TestClient, version: str, **wish: Any) -> Any:
    return client.post(f"/models/{version}/promote", json={"reason": "a test", **wish})


def roll_back(client: TestClient, **wish: Any) -> Any:
    return client.post("/models/rollback", json={"reason": "a test", **wish})


def served(client: TestClient) -> str:
    version = client.post("/predict", files={"file": clip("siren")}).json()["model_version"]
    assert client.get("/status").json()["model"]["version"] == version
    listed = client.get("/models").json()["models"]
    assert [one["version"] for one in listed if one["champion"]] == [version]
    return str(version)


def served_by(services: Services) -> str:
    return services.serving.detector().card.version
