"""Model versions to promote and to roll back, and what a person asks for."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conftest import clip
from earshot.bundle import CARD_PROPERTY
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


def publish_other(services: Services, bundle: Bundle, version: str, **changes: Any) -> None:
    """A version that answers otherwise, by what its card says of labels or thresholds."""
    import onnx

    model = onnx.load_model_from_string(bundle.model)
    card = replace(bundle.card, version=version, model_sha256="", **changes)
    (inside,) = (one for one in model.metadata_props if one.key == CARD_PROPERTY)
    inside.value = card.to_json()
    content = model.SerializeToString()
    sealed = replace(card, model_sha256=hashlib.sha256(content).hexdigest())
    services.registry.publish(sealed, {"model.onnx": content})


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


def begin(client: TestClient, version: str, **wish: Any) -> Any:
    """Let a version hear along with all of the traffic, unless ``wish`` has another share."""
    return client.post(
        f"/models/{version}/shadow", json={"reason": "a test", "share": 1, "by": "Ada", **wish}
    )


def look(services: Services) -> None:
    """See to it that the next request sees what the pointer says now."""
    services.serving._look_again = float("-inf")
    services.serving.detector()


def shadow(client: TestClient) -> Any:
    """The challenger that hears along, and how it compares."""
    return client.get("/models").json()["shadow"]
