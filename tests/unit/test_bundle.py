from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from conftest import DEFAULT_BUNDLE
from earshot import detector
from earshot.bundle import Bundle, ModelCard
from earshot.detector import Detector
from earshot.errors import BadBundle
from earshot.recording import Waveform
from onnx import TensorProto, helper, numpy_helper

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


@pytest.mark.parametrize("slope", [-1, 0, 1])
@pytest.mark.parametrize("level_db", [-45, -40, -30, -20])
@pytest.mark.parametrize("seconds", [1.5, 5, 9])
def test_steady_noise_raises_no_alarm(
    default_bundle: Bundle, slope: float, level_db: float, seconds: float
) -> None:
    white = np.random.default_rng(3).standard_normal(round(seconds * 16_000))
    spectrum = np.fft.rfft(white)
    spectrum[1:] *= np.arange(1, len(spectrum)) ** (slope / 2)
    noise = np.fft.irfft(spectrum, len(white))
    sound = (10 ** (level_db / 20) * noise / noise.std()).clip(-1, 1)
    heard = Detector(default_bundle).classify(Waveform(sound.astype(np.float32), 16_000))
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


# --- cards that make no sense ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", 3),
        ("version", "../champion"),
        ("labels", "siren"),
        ("labels", ["siren"]),
        ("labels", ["siren", "siren"]),
        ("labels", ["siren", 2]),
        ("thresholds", {"siren": 0.5}),
        ("thresholds", {"casual": 0.5, "siren": "0.5"}),
        ("thresholds", {"casual": 0.5, "siren": float("nan")}),
        ("thresholds", {"casual": 0.5, "siren": None}),
        ("thresholds", [0.5, 0.5]),
        ("novelty_threshold", None),
        ("novelty_threshold", float("inf")),
        ("sample_rate", "16000"),
        ("sample_rate", 0),
        ("sample_rate", True),
        ("window_s", -4.0),
        ("window_s", float("nan")),
        ("hop_s", 0),
        ("embedding_dim", 10.5),
        ("metrics", None),
        ("model_sha256", None),
    ],
)
def test_a_card_that_makes_no_sense_is_refused(
    default_bundle: Bundle, name: str, value: object
) -> None:
    content = json.loads(default_bundle.card.to_json())
    content |= {"labels": ["casual", "siren"], "thresholds": {"casual": 0.5, "siren": 0.5}}
    assert ModelCard.from_json(json.dumps(content)).labels == ("casual", "siren")
    with pytest.raises(BadBundle, match="card"):
        ModelCard.from_json(json.dumps(content | {name: value}))


def test_a_card_that_goes_too_deep_is_refused() -> None:
    with pytest.raises(BadBundle, match="RecursionError"):
        ModelCard.from_json("[" * 200_000)


# --- what passes before it serves ------------------------------------------------------------

Change = Callable[[onnx.ModelProto], object]


def changed(bundle: Bundle, change: Change, **card: Any) -> Bundle:
    """The bundle with a model that was changed, and a card that fits its bytes."""
    model = onnx.load_model_from_string(bundle.model)
    change(model)
    content = model.SerializeToString()
    digest = hashlib.sha256(content).hexdigest()
    return Bundle(replace(bundle.card, model_sha256=digest, **card), content)


def after_probabilities(model: onnx.ModelProto, *nodes: onnx.NodeProto, **constants: Any) -> None:
    """Put nodes from ``before`` to ``probabilities`` where these were answered."""
    (last,) = (node for node in model.graph.node if "probabilities" in node.output)
    last.output[0] = "before"
    for name, values in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    model.graph.node.extend(nodes)


def combined(model: onnx.ModelProto, operator: str, values: Any) -> None:
    node = helper.make_node(operator, ["before", "values"], ["probabilities"])
    after_probabilities(model, node, values=np.asarray(values, np.float32))


def cast(model: onnx.ModelProto, kind: int) -> None:
    after_probabilities(model, helper.make_node("Cast", ["before"], ["probabilities"], to=kind))
    (output,) = (one for one in model.graph.output if one.name == "probabilities")
    output.type.tensor_type.elem_type = kind


def never_ending(model: onnx.ModelProto) -> None:
    value = partial(helper.make_tensor_value_info, elem_type=TensorProto.FLOAT, shape=None)
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["goes_on"], ["still_goes_on"]),
            helper.make_node("Identity", ["turned"], ["turned_again"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            value("turned"),
        ],
        [
            helper.make_tensor_value_info("still_goes_on", TensorProto.BOOL, []),
            value("turned_again"),
        ],
    )
    loop = helper.make_node("Loop", ["turns", "begins", "before"], ["probabilities"], body=body)
    after_probabilities(
        model, loop, turns=np.array(2**62, np.int64), begins=np.array(True, np.bool_)
    )


def renamed(model: onnx.ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == old:
                    names[place] = new
    for thing in (*model.graph.input, *model.graph.output):
        if thing.name == old:
            thing.name = new


def fixed(model: onnx.ModelProto, windows: int | None, samples: int | None) -> None:
    """Let the model take so many windows, of so many samples, and no others."""
    for dim, size in zip(
        model.graph.input[0].type.tensor_type.shape.dim, (windows, samples), strict=True
    ):
        if size:
            dim.dim_value = size


def elsewhere(model: onnx.ModelProto) -> None:
    """Let weights lie in a file of their own."""
    weights = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights.bin")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda model: combined(model, "Mul", np.nan), "no probabilities"),
        (lambda model: combined(model, "Mul", 2), "no probabilities"),
        (lambda model: combined(model, "Add", [2, -2, 0, 0]), "no probabilities"),
        (lambda model: cast(model, TensorProto.INT64), "not in numbers"),
        (lambda model: cast(model, TensorProto.STRING), "not in numbers"),
        (lambda model: setattr(model.opset_import[0], "version", 9_999), "ONNX Runtime refuses it"),
        (lambda model: setattr(model, "ir_version", 9_999), "ONNX Runtime refuses it"),
        (lambda model: setattr(model.graph.node[0], "op_type", "Hear"), "ONNX Runtime refuses it"),
        (lambda model: setattr(model.graph.node[0], "domain", "x.y"), "ONNX Runtime refuses it"),
        (elsewhere, "ONNX Runtime refuses it"),
        (lambda model: renamed(model, "waveform", "sound"), "fails on a test tone"),
        (lambda model: renamed(model, "probabilities", "answers"), "fails on a test tone"),
        (lambda model: renamed(model, "embedding", "vector"), "fails on a test tone"),
        (lambda model: fixed(model, 1, None), "fails on a test tone"),
        (lambda model: fixed(model, None, 64_000), "fails on a test tone"),
        (lambda model: model.ClearField("metadata_props"), "carries no card"),
        (lambda model: setattr(model.metadata_props[0], "value", "{}"), "not a model card"),
    ],
)
def test_a_model_that_cannot_serve_is_refused_with_the_reason(
    default_bundle: Bundle, change: Change, reason: str
) -> None:
    broken = changed(default_bundle, change)
    with pytest.raises(BadBundle, match=reason):
        Detector(broken).verify()


def test_a_model_that_comes_to_no_end_is_refused(
    default_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = changed(default_bundle, never_ending)
    monkeypatch.setattr(detector, "TRIAL_S", 0.3)
    with pytest.raises(BadBundle, match="takes more than"):
        Detector(endless).verify()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("labels", ("siren", "casual", "explosion", "gunshot")),
        ("labels", ("casual", "explosion", "gunshot", "owl")),
        ("thresholds", {"casual": 0.0, "explosion": 0.5251, "gunshot": 0.5379, "siren": 0.6213}),
        ("novelty_threshold", 1e6),
        ("sample_rate", 8_000),
        ("window_s", 2.0),
        ("hop_s", 1.0),
        ("backbone_sha256", "0" * 64),
    ],
)
def test_a_card_that_says_other_things_than_the_one_inside_the_model_is_refused(
    default_bundle: Bundle, name: str, value: Any
) -> None:
    card = replace(default_bundle.card, **{name: value})
    if name == "labels":
        card = replace(card, thresholds=dict.fromkeys(value, 0.5))
    with pytest.raises(BadBundle, match=f"another {name}"):
        Detector(Bundle(card, default_bundle.model)).verify()


@pytest.mark.parametrize(
    "times", [{"window_s": 1e9}, {"window_s": 1e-9}, {"hop_s": 1e-9}, {"sample_rate": 10**12}]
)
def test_a_window_that_cannot_be_heard_is_refused_before_it_is_made(
    default_bundle: Bundle, times: dict[str, Any]
) -> None:
    card = replace(default_bundle.card, **times)

    def agree(model: onnx.ModelProto) -> None:
        model.metadata_props[0].value = card.to_json()

    with pytest.raises(BadBundle, match="which cannot be"):
        Detector(changed(default_bundle, agree, **times)).verify()


def test_what_training_exports_passes(default_bundle: Bundle) -> None:
    Detector(default_bundle).verify()
    # So do the models of these tests, when nothing is broken.
    Detector(changed(default_bundle, lambda _: None)).verify()
