from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from conftest import DEFAULT_BUNDLE, Aws
from earshot import registry as module
from earshot.bundle import CARD_FILE, MODEL_FILE, Bundle
from earshot.errors import BadBundle, ModelNotFound, NoModel, PromotionConflict
from earshot.pointer import POINTER
from earshot.registry import Registry
from earshot.serving import Serving

if TYPE_CHECKING:
    from pathlib import Path
from typing import Any


@pytest.fixture
def registry(aws: Aws) -> Registry:
    return Registry(aws.s3, "artifacts")


def publish(registry: Registry, bundle: Bundle, version: str) -> str:
    registry.publish(replace(bundle.card, version=version), {MODEL_FILE: bundle.model})
    return version


def test_a_version_is_seen_when_it_is_whole(registry: Registry, default_bundle: Bundle) -> None:
    registry._client.put_object(
        Bucket="artifacts", Key="models/half/model.onnx", Body=default_bundle.model
    )
    assert registry.versions() == []
    publish(registry, default_bundle, "v1")
    publish(registry, default_bundle, "v2")
    assert registry.versions() == ["v2", "v1"]
    assert registry.bundle("v1").model == default_bundle.model
    with pytest.raises(ModelNotFound):
        registry.bundle("half")


def test_a_version_never_changes(registry: Registry, default_bundle: Bundle) -> None:
    publish(registry, default_bundle, "v1")
    before = registry.card("v1")
    registry.publish(
        replace(default_bundle.card, version="v1", parent="other"), {MODEL_FILE: b"other"}
    )
    assert registry.card("v1") == before
    assert registry.bundle("v1").model == default_bundle.model


def test_a_card_of_an_old_release_does_not_hide_the_others(
    registry: Registry, aws: Aws, default_bundle: Bundle
) -> None:
    publish(registry, default_bundle, "v1")
    aws.s3.put_object(Bucket="artifacts", Key="models/v0/card.json", Body=b'{"version": "v0"}')
    latest = registry.latest(10)
    assert latest["v1"] == registry.card("v1")
    assert "KeyError" in str(latest["v0"])
    with pytest.raises(BadBundle):
        registry.card("v0")


def test_the_champion_moves_by_compare_and_swap(registry: Registry, default_bundle: Bundle) -> None:
    for version in ("v1", "v2", "v3"):
        publish(registry, default_bundle, version)
    assert registry.champion() is None
    first = registry.promote("v1", None, "me", "first")
    assert registry.champion() == first
    with pytest.raises(PromotionConflict):
        registry.promote("v2", None, "me", "late")
    second = registry.promote("v2", first, "me", "better")
    assert (second.version, second.previous) == ("v2", "v1")
    with pytest.raises(PromotionConflict):
        registry.promote("v3", first, "me", "late")
    assert registry.champion() == second
    with pytest.raises(ModelNotFound):
        registry.promote("v9", second, "me", "there is none")


def test_a_promotion_whose_answer_was_lost_is_still_one(
    registry: Registry, default_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(registry, default_bundle, "v1")
    put = registry._client.put_object

    def put_twice(**request: Any) -> Any:
        # What boto3 does when the connection breaks before the answer.
        put(**request)
        return put(**request)

    monkeypatch.setattr(registry._client, "put_object", put_twice)
    assert registry.promote("v1", None, "me", "test") == registry.champion()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_default_serves_until_something_is_promoted(
    registry: Registry, default_bundle: Bundle
) -> None:
    clock = Clock()
    serving = Serving(registry, DEFAULT_BUNDLE, reload_s=30, clock=clock)
    assert serving.detector().card.version == default_bundle.card.version
    publish(registry, default_bundle, "v1")
    registry.promote("v1", None, "me", "test")
    clock.now = 29
    assert serving.detector().card.version == default_bundle.card.version
    clock.now = 31
    assert serving.detector().card.version == "v1"


def test_without_default_or_champion_there_is_no_model(
    registry: Registry, default_bundle: Bundle, tmp_path: Path
) -> None:
    clock = Clock()
    serving = Serving(registry, tmp_path / "none", reload_s=30, clock=clock)
    with pytest.raises(NoModel):
        serving.detector()
    publish(registry, default_bundle, "v1")
    registry.promote("v1", None, "me", "test")
    assert serving.detector().card.version == "v1"


@pytest.mark.parametrize("fault", ["altered", "cut", "missing", "another file", "bad card"])
def test_a_bad_bundle_is_refused_and_the_old_one_keeps_serving(
    registry: Registry, default_bundle: Bundle, fault: str
) -> None:
    clock = Clock()
    serving = Serving(registry, DEFAULT_BUNDLE, reload_s=30, clock=clock)
    publish(registry, default_bundle, "v1")
    first = registry.promote("v1", None, "me", "test")
    assert serving.detector().card.version == "v1"

    publish(registry, default_bundle, "v2")
    registry.promote("v2", first, "me", "test")
    key, model = "models/v2/model.onnx", default_bundle.model
    if fault == "missing":
        registry._client.delete_object(Bucket="artifacts", Key=key)
    elif fault == "bad card":
        registry._client.put_object(Bucket="artifacts", Key="models/v2/card.json", Body=b"{}")
    else:
        body = {
            "altered": model[:5000] + bytes([model[5000] ^ 1]) + model[5001:],
            "cut": model[:-1],
            "another file": b"hello",
        }[fault]
        registry._client.put_object(Bucket="artifacts", Key=key, Body=body)
    clock.now = 31
    assert serving.detector().card.version == "v1"
    assert list(serving.refused) == ["v2"]
    # A process that starts now goes back to the one before.
    fresh = Serving(registry, DEFAULT_BUNDLE, reload_s=30, clock=clock)
    assert fresh.detector().card.version == "v1"


def test_a_model_that_does_not_run_is_refused(registry: Registry, default_bundle: Bundle) -> None:
    import hashlib

    junk = b"not an ONNX file"
    card = replace(default_bundle.card, version="v1", model_sha256=hashlib.sha256(junk).hexdigest())
    registry.publish(card, {MODEL_FILE: junk})
    registry.promote("v1", None, "me", "test")
    serving = Serving(registry, DEFAULT_BUNDLE, reload_s=30)
    assert serving.detector().card.version == default_bundle.card.version
    assert "ONNX Runtime refuses it" in serving.refused["v1"]


def test_while_s3_is_away_the_old_version_answers(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    serving = Serving(registry, DEFAULT_BUNDLE, reload_s=30, clock=clock)
    before = serving.detector()

    def away() -> None:
        raise ConnectionError

    monkeypatch.setattr(registry, "champion", away)
    clock.now = 31
    assert serving.detector() is before


def test_a_bundle_that_is_no_bundle_is_an_error(registry: Registry, tmp_path: Path) -> None:
    serving = Serving(registry, tmp_path, reload_s=30)
    with pytest.raises(NoModel):
        serving.detector()
    assert "not a model bundle" in serving.refused["default"]
    with pytest.raises(BadBundle):
        _ = serving.default


def test_a_card_under_another_version_s_name_is_refused(
    registry: Registry, default_bundle: Bundle
) -> None:
    card = replace(default_bundle.card, version="v1").to_json()
    registry._client.put_object(Bucket="artifacts", Key="models/v2/card.json", Body=card)
    with pytest.raises(BadBundle, match="is the card of v1"):
        registry.card("v2")


@pytest.mark.parametrize("name", [MODEL_FILE, CARD_FILE])
def test_what_is_too_large_is_not_even_read(
    registry: Registry, default_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    publish(registry, default_bundle, "v1")
    size = len(registry._read("v1", name))
    monkeypatch.setitem(module.LARGEST, name, size)
    registry.bundle("v1")
    monkeypatch.setitem(module.LARGEST, name, size - 1)
    with pytest.raises(BadBundle, match=f"{size - 1} are the most"):
        registry.bundle("v1")


def test_when_nothing_can_serve_the_reasons_are_told(registry: Registry, tmp_path: Path) -> None:
    registry._client.put_object(Bucket="artifacts", Key="models/v1/card.json", Body=b"no JSON")
    registry._client.put_object(
        Bucket="artifacts",
        Key=POINTER,
        Body=json.dumps(WHOLE).encode(),
    )
    serving = Serving(registry, tmp_path / "none", reload_s=30)
    with pytest.raises(NoModel, match="v1: card"):
        serving.detector()


# --- a pointer that cannot be read -----------------------------------------------------------

WHOLE: dict[str, Any] = {
    "version": "v1",
    "previous": None,
    "promoted_at": "",
    "promoted_by": "",
    "reason": "",
}
BROKEN_POINTERS = [
    b"",
    b"no JSON",
    b"null",
    b"[]",
    b'"v1"',
    b"{}",
    b"\xff\xfe",
    b"[" * 200_000,
    *(
        json.dumps(content).encode()
        for content in (
            {"version": "v1"},
            WHOLE | {"version": 7},
            WHOLE | {"reason": None},
            WHOLE | {"rollback": "no"},
            WHOLE | {"earlier": 7},
            WHOLE | {"earlier": [{}]},
            WHOLE | {"earlier": [WHOLE | {"promoted_at": 7}]},
            WHOLE | {"shadow": 7},
            {"previous": None, "reason": "", "shadow": None, "shadows": []},
        )
    ),
]


def test_every_kind_of_broken_pointer_is_told_from_none(
    registry: Registry, default_bundle: Bundle
) -> None:
    assert registry.champion() is None
    for body in BROKEN_POINTERS:
        registry._client.put_object(Bucket="artifacts", Key=POINTER, Body=body)
        pointer = registry.champion()
        assert pointer is not None, body
        assert "champion.json is no pointer" in pointer.fault, body
        assert pointer.version is None
        assert pointer.promoted_at.endswith("Z")
        assert pointer.undone() is None


def test_while_the_pointer_is_broken_the_old_version_serves_and_a_new_process_has_the_default(
    registry: Registry, default_bundle: Bundle
) -> None:
    clock = Clock()
    publish(registry, default_bundle, "v1")
    first = registry.promote("v1", None, "me", "test")
    running = Serving(registry, DEFAULT_BUNDLE, reload_s=30, clock=clock)
    before = running.detector()
    good = registry._client.get_object(Bucket="artifacts", Key=POINTER)["Body"].read()
    registry._client.put_object(Bucket="artifacts", Key=POINTER, Body=b"no JSON")

    clock.now = 31
    assert running.detector() is before
    assert list(running.refused) == [POINTER]
    fresh = Serving(registry, DEFAULT_BUNDLE, reload_s=30, clock=clock)
    assert fresh.detector().card.version == default_bundle.card.version
    assert list(fresh.refused) == [POINTER]
    # However often they look.
    clock.now = 62
    assert running.detector() is before
    assert fresh.detector().card.version == default_bundle.card.version

    # The bucket keeps older versions: one of them put back mends it, history and all.
    registry._client.put_object(Bucket="artifacts", Key=POINTER, Body=good)
    clock.now = 93
    assert running.detector().card.version == fresh.detector().card.version == "v1"
    assert running.refused == fresh.refused == {}
    mended = registry.champion()
    assert mended is not None
    assert mended.history == first.history
