"""A network of one's own becomes a backbone, or it is said why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from earshot.errors import (
    BadBackbone,
)
from networks import model, noise, refused, run, saved, tiny, told
from onnx import TensorProto, helper, numpy_helper

from retrain.backbones import load
from retrain.backbones.folder import BackboneFolder
from retrain.backbones.imported import adopt


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackboneFolder:
    monkeypatch.setenv("EARSHOT_BACKBONES", str(tmp_path / "kept"))
    return BackboneFolder.of_user()


def test_a_network_of_ones_own_becomes_a_backbone(tmp_path: Path, folder: BackboneFolder) -> None:
    path = saved(tmp_path, tiny(rate=22_050))
    answer = told("import", str(path), "--name", "mine")
    backbone = load("mine", 16_000, folder.read)
    assert (backbone.name, backbone.sample_rate, backbone.dim) == ("mine", 22_050, 2)
    assert answer["sha256"] == backbone.sha256
    batch = noise(5_000, 3)
    expected = np.stack([batch.mean(axis=1), (batch**2).mean(axis=1)], axis=1)
    np.testing.assert_allclose(run(backbone.graph, batch), expected, atol=1e-6)
    assert {"name": "mine", "kind": "imported"}.items() <= told("list")["backbones"][-1].items()


def test_name_and_rate_are_part_of_what_names_a_backbone(tmp_path: Path) -> None:
    path = saved(tmp_path, tiny(rate=None))
    made = [
        adopt(path, name, sample_rate=rate).sha256
        for name, rate in (("a", 8_000), ("a", 8_000), ("b", 8_000), ("a", 16_000))
    ]
    assert made[0] == made[1]
    assert len(set(made)) == 3


@pytest.mark.parametrize("opset", [13, 17, 18])
@pytest.mark.parametrize(
    ("dims", "shape", "out"),
    [
        (["samples"], [-1], [2]),
        (["samples"], [-1, 400], ["frames", 400]),
        ([1, "samples"], [-1, 400], ["frames", 400]),
    ],
    ids=["one waveform, one answer", "one waveform, frames", "a batch of one, frames"],
)
def test_a_network_of_one_waveform_hears_batches(
    tmp_path: Path, opset: int, dims: list[Any], shape: list[int], out: list[Any]
) -> None:
    """As YAMNet's own export: [samples] in, [frames, dim] out, to be averaged."""
    constants = [
        numpy_helper.from_array(np.array(shape), "shape"),
        numpy_helper.from_array(np.array([0]), "start"),
        numpy_helper.from_array(np.array([2]), "stop"),
    ]
    nodes = [helper.make_node("Reshape", ["audio", "shape"], ["cut"])]
    name = "cut"
    if len(out) == 1:
        nodes.append(helper.make_node("Slice", ["cut", "start", "stop"], ["two"]))
        name = "two"
    path = saved(tmp_path, model(nodes, dims, {name: out}, opset, constants=constants))
    backbone = adopt(path, "one", output=name, sample_rate=8_000)
    batch = noise(2_000, 3)
    expected = batch[:, :2] if len(out) == 1 else batch.reshape(3, 5, 400).mean(axis=1)
    np.testing.assert_allclose(run(backbone.graph, batch), expected, atol=1e-6)


def test_a_network_that_wants_more_than_a_tenth_of_a_second_is_given_silence(
    tmp_path: Path,
) -> None:
    kernel = numpy_helper.from_array(np.ones((2, 1, 4_000), dtype=np.float32), "kernel")
    axis = numpy_helper.from_array(np.array([1]), "axis")
    nodes = [
        helper.make_node("Unsqueeze", ["audio", "axis"], ["signal"]),
        helper.make_node("Conv", ["signal", "kernel"], ["sums"]),
        helper.make_node("ReduceMax", ["sums"], ["embedding"], axes=[2], keepdims=0),
    ]
    network = model(
        nodes, ["batch", "samples"], {"embedding": ["batch", 2]}, constants=[kernel, axis]
    )
    backbone = adopt(saved(tmp_path, network), "long", sample_rate=8_000)
    short = noise(800)
    np.testing.assert_allclose(run(backbone.graph, short), short.sum() * np.ones((1, 2)), rtol=1e-4)


def two_outputs() -> onnx.ModelProto:
    network = tiny(output="features")
    network.graph.node.append(helper.make_node("Softmax", ["features"], ["scores"]))
    network.graph.output.append(
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2])
    )
    return network


def test_an_output_is_chosen_by_name(tmp_path: Path) -> None:
    path = saved(tmp_path, two_outputs())
    with pytest.raises(BadBackbone, match="--output among features, scores"):
        adopt(path, "two")
    batch = noise(1_600)
    (scores,) = run(adopt(path, "two", output="scores").graph, batch)
    assert scores.sum() == pytest.approx(1)
    assert run(adopt(path, "two", output="features").graph, batch)[0, 1] == pytest.approx(
        (batch**2).mean(), abs=1e-6
    )


def with_noise() -> onnx.ModelProto:
    nodes = [
        helper.make_node("RandomNormalLike", ["audio"], ["random"]),
        helper.make_node("ReduceMean", ["random"], ["embedding"], axes=[1], keepdims=1),
    ]
    return model(nodes, ["batch", "samples"], {"embedding": ["batch", 1]}, rate=16_000)


def across_the_batch() -> onnx.ModelProto:
    nodes = [
        helper.make_node("ReduceMax", ["audio"], ["common"], axes=[0, 1], keepdims=1),
        helper.make_node("ReduceMax", ["audio"], ["own"], axes=[1], keepdims=1),
        helper.make_node("Add", ["common", "own"], ["embedding"]),
    ]
    return model(nodes, ["batch", "samples"], {"embedding": ["batch", 1]}, rate=16_000)


def log_of_level() -> onnx.ModelProto:
    nodes = [
        helper.make_node("ReduceMax", ["audio"], ["level"], axes=[1], keepdims=1),
        helper.make_node("Log", ["level"], ["embedding"]),
    ]
    return model(nodes, ["batch", "samples"], {"embedding": ["batch", 1]}, rate=16_000)


def of_a_spectrogram() -> onnx.ModelProto:
    nodes = [helper.make_node("ReduceMean", ["audio"], ["embedding"], axes=[2], keepdims=0)]
    return model(nodes, ["n", 64, "t"], {"embedding": ["n", 64]}, rate=16_000)


def of_integers() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Cast", ["audio"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["embedding"], axes=[1], keepdims=1),
    ]
    dims = ["batch", "samples"]
    return model(nodes, dims, {"embedding": ["batch", 1]}, rate=16_000, kind=TensorProto.INT16)


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (tiny(rate=None), "--sample-rate HERTZ"),
        (tiny(rate=1_000_000), "no rate that a recorder has"),
        (tiny(opset=11), "of opset 11"),
        (tiny(dims=["batch", 64_000]), "takes 64000 samples"),
        (tiny(dims=[4, "samples"], out=[4, 2]), "batches of 4"),
        (of_a_spectrogram(), "put the front end"),
        (of_integers(), "float32"),
        (with_noise(), "in two ways"),
        (across_the_batch(), "alone is heard otherwise"),
        (log_of_level(), "not finite"),
    ],
)
def test_a_network_that_cannot_be_a_backbone_says_why(
    tmp_path: Path, network: onnx.ModelProto, says: str
) -> None:
    with pytest.raises(BadBackbone, match=says):
        adopt(saved(tmp_path, network), "mine")


def test_a_rate_that_is_no_number_is_asked_for(tmp_path: Path) -> None:
    network = tiny(rate=None)
    helper.set_model_props(network, {"sample_rate": "16 kHz"})
    with pytest.raises(BadBackbone, match="--sample-rate HERTZ"):
        adopt(saved(tmp_path, network), "mine")


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"\x00 no network")
    for path in (tmp_path / "a.onnx", tmp_path / "none.onnx"):
        with pytest.raises(BadBackbone, match=f"{path.name} is no ONNX file"):
            adopt(path, "mine")


@pytest.mark.parametrize("name", ["melstats", "mn04", "../up", "A", ""])
def test_a_name_that_is_taken_or_no_name_is_refused(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, tiny())
    assert isinstance(refused("import", str(path), "--name", name), BadBackbone)
