from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from conftest import DEFAULT_BUNDLE
from earshot.bundle import Bundle, ModelCard
from earshot.detector import Detector
from earshot.errors import BadBundle
from earshot.recording import Waveform

if TYPE_CHECKING:
    from pathlib import Path


def test_the_default_bundle_verifies_and_carries_its_card(default_bundle: Bundle) -> None:
    card = default_bundle.card
    assert set(card.labels) == {"casual", "explosion", "gunshot", "siren"}
    model = onnx.load_model_from_string(default_bundle.model)
    inside = json.loads({p.key: p.value for p in model.metadata_props}["earshot_card"])
    assert inside["version"] == card.version
    assert inside["metrics"] == card.metrics
    assert inside["backbone_sha256"] == card.backbone_sha256


def test_the_figures_of_the_card_can_be_computed_from_the_evaluation() -> None:
    card = ModelCard.from_json((DEFAULT_BUNDLE / "card.json").read_bytes())
    clips = json.loads((DEFAULT_BUNDLE / "evaluation.json").read_text())["clips"]
    right = [clip["answer"] == clip["label"] for clip in clips]
    assert len(clips) == card.metrics["clips"]
    assert sum(right) / len(right) == pytest.approx(card.metrics["accuracy"], abs=1e-4)
    confusion = card.metrics["confusion"]
    assert sum(map(sum, confusion)) == len(clips)


@pytest.mark.parametrize("level", [0.0, 1e-5, 1e-4, 1e-3])
@pytest.mark.parametrize("offset", [0.0, 0.02, -0.7])
@pytest.mark.parametrize("seconds", [0.1, 0.25, 0.7, 1.5, 5])
def test_silence_raises_no_alarm(
    default_bundle: Bundle, level: float, offset: float, seconds: float
) -> None:
    noise = level * np.random.default_rng(3).standard_normal(round(seconds * 16_000)) + offset
    heard = Detector(default_bundle).classify(Waveform(noise.astype(np.float32), 16_000))
    assert heard.label == "casual" or heard.decision == "uncertain"


def test_the_manifest_is_the_one_the_card_names_and_does_not_leak() -> None:
    card = ModelCard.from_json((DEFAULT_BUNDLE / "card.json").read_bytes())
    manifest = (DEFAULT_BUNDLE / "manifest.csv").read_bytes()
    assert hashlib.sha256(manifest).hexdigest() == card.data["manifest_sha256"]
    rows = [line.split(",") for line in manifest.decode().splitlines()[1:]]
    for column in (0, 2):
        parts: dict[str, set[str]] = {"training": set(), "held_out": set(), "background": set()}
        for row in rows:
            parts[row[3]].add(row[column])
        assert not (parts["training"] | parts["background"]) & parts["held_out"]


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"labels": ["a"]}', "not json"],
)
def test_what_is_no_card_is_refused(text: str) -> None:
    with pytest.raises(BadBundle, match="card"):
        ModelCard.from_json(text)


def test_a_card_survives_its_own_text(default_bundle: Bundle) -> None:
    assert ModelCard.from_json(default_bundle.card.to_json()) == default_bundle.card


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBundle, match="not a model bundle"):
        Bundle.load(tmp_path)
