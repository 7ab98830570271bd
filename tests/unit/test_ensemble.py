"""Backbones side by side: ``mn04+melstats`` is one backbone."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from earshot.detector import open_session
from earshot.errors import BadApplication, BadBackbone
from onnx import TensorProto, helper, numpy_helper

from retrain.backbones import Backbone, load


def network(rate: int, opset: int = 17) -> bytes:
    """One figure: how loud it is, by the mean of the squares."""
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["waveform", "waveform"], ["squares"]),
            helper.make_node("ReduceSum", ["squares", "axis"], ["sum"], keepdims=1),
            helper.make_node("Shape", ["waveform"], ["shape"]),
            helper.make_node("Gather", ["shape", "axis"], ["length"]),
            helper.make_node("Cast", ["length"], ["samples"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["sum", "samples"], ["embedding"]),
        ],
        "loudness",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(np.array([1]), "axis")],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset)])
    return Backbone.of("loudness", model, rate).content


def hear(backbone: Backbone, batch: Any) -> Any:
    return open_session(backbone.content).run(["embedding"], {"waveform": batch})[0]


def tone(rate: int, hertz: float) -> Any:
    time = np.arange(rate) / rate
    return np.sin(2 * np.pi * hertz * time).astype(np.float32)[np.newaxis]


def test_embeddings_lie_side_by_side_and_parts_are_remembered() -> None:
    def unknown(name: str) -> bytes:
        raise AssertionError(name)

    both = load("melstats+acoustic", 16_000, unknown)
    members = [load(name, 16_000, unknown) for name in ("melstats", "acoustic")]
    assert both.name == "melstats+acoustic"
    assert both.parts == tuple(member.dim for member in members)
    assert both.sample_rate == 16_000
    batch = np.concatenate([tone(16_000, 440), tone(16_000, 2500)])
    wanted = np.concatenate([hear(member, batch) for member in members], axis=1)
    np.testing.assert_allclose(hear(both, batch), wanted, atol=1e-5)
    # Another order is another backbone.
    assert load("acoustic+melstats", 16_000, unknown).sha256 != both.sha256


def test_a_network_of_half_the_rate_hears_through_a_low_pass() -> None:
    nets = {"fine": network(32_000), "coarse": network(16_000)}
    both = load("fine+coarse", 16_000, nets.__getitem__)
    assert (both.sample_rate, both.dim) == (32_000, 2)
    fine, coarse = hear(both, tone(32_000, 1000))[0]
    assert fine == pytest.approx(0.5, abs=0.01)
    assert coarse == pytest.approx(0.5, abs=0.01)
    fine, coarse = hear(both, tone(32_000, 12_000))[0]
    assert fine == pytest.approx(0.5, abs=0.01)
    assert coarse < 1e-3
    assert hear(both, tone(32_000, 1000)[:, :3200]).shape == (1, 2)


def test_what_is_computed_is_built_for_the_networks_rate() -> None:
    both = load("loud+melstats", 16_000, {"loud": network(32_000)}.__getitem__)
    assert both.sample_rate == 32_000
    alone = load("melstats", 32_000, {}.__getitem__)
    batch = tone(32_000, 700)
    np.testing.assert_allclose(hear(both, batch)[:, 1:], hear(alone, batch), atol=1e-5)
    # Ultrasound is heard slowed down by the network, and as it is by what is computed.
    assert load("loud+melstats", 384_000, {"loud": network(32_000)}.__getitem__).sample_rate == (
        384_000
    )


@pytest.mark.parametrize(
    ("other", "says"), [(network(44_100), "multiples"), (network(16_000, opset=18), "opsets")]
)
def test_what_does_not_go_together_is_refused(other: bytes, says: str) -> None:
    nets = {"one": network(32_000), "other": other}
    with pytest.raises(BadBackbone, match=says):
        load("one+other", 16_000, nets.__getitem__)


def test_options_are_for_what_is_computed() -> None:
    nets = {"loud": network(16_000)}
    both = load("loud+melstats", 16_000, nets.__getitem__, {"bands": 32})
    assert both.dim < load("loud+melstats", 16_000, nets.__getitem__).dim
    with pytest.raises(BadApplication, match="network"):
        load("loud", 16_000, nets.__getitem__, {"bands": 32})


def test_the_shipped_network_hears_the_shortest_clip_and_silence() -> None:
    shipped = load("cnn", 22_050, {}.__getitem__)
    assert shipped.sample_rate == 16_000
    assert onnx.load_model_from_string(shipped.content).opset_import[0].version == 17
    for batch in (np.zeros((2, 64_000), np.float32), tone(16_000, 440)[:, :1600]):
        embedding = hear(shipped, batch)
        assert embedding.shape == (len(batch), shipped.dim)
        assert np.isfinite(embedding).all()
    assert load("cnn", 384_000, {}.__getitem__).sample_rate == 384_000
