"""One self-contained ONNX file: backbone, head, and the card in its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from earshot.bundle import CARD_PROPERTY
from earshot.detector import open_session, run_windows, thin
from onnx import TensorProto, helper, numpy_helper

from retrain.novelty import LIMIT, NEARER, STEEPNESS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from earshot.bundle import ModelCard
    from earshot.recording import Samples, Waveform

    from retrain.backbones import Backbone
    from retrain.classifiers import Layers
    from retrain.heads import Head
    from retrain.novelty import Novelty

# As Novelty's call computes it, in operators that have kept their form since opset 13: a backbone
# may be of any later one.
DISTANCE = """
    head_centred = Sub (embedding, head_mean)
    head_scaled = Mul (head_centred, head_gain)
    head_clipped = Clip (head_scaled, head_lowest, head_highest)
    head_whitened = MatMul (head_clipped, head_directions)
    head_to_centres = Gemm (head_whitened, head_centres, head_centres_squared)
    head_squares = Mul (head_whitened, head_whitened)
    head_length = MatMul (head_squares, head_ones)
    head_distances = Add (head_to_centres, head_length)
    head_nearest, head_nearest_label = TopK <axis = 1, largest = 0> (head_distances, head_one)
    head_distance = Relu (head_nearest)
"""
NOISE = """
    head_to_noises = Gemm (head_whitened, head_noises, head_noises_squared)
    head_noise_distances = Add (head_to_noises, head_length)
    head_noise, head_nearest_noise = TopK <axis = 1, largest = 0> (head_noise_distances, head_one)
    head_noise_distance = Relu (head_noise)
    head_refused_from = Mul (head_noise_distance, head_nearer)
    head_difference = Sub (head_distance, head_refused_from)
    head_excess = Relu (head_difference)
    head_penalty = Mul (head_excess, head_steepness)
    head_with_noise = Add (head_distance, head_penalty)
"""
NOVELTY = """
novelty (float[batch, dim] embedding) => (float[batch] novelty) {{
    {distance}
    head_raised = Add ({squared}, head_unit)
    head_logarithm = Log (head_raised)
    novelty = Reshape (head_logarithm, head_flat)
}}
"""


class Embedder:
    """Runs a backbone alone: Waveform → ``[windows, dim]``, windows cut as the detector does."""

    def __init__(self, backbone: Backbone, window_s: float, hop_s: float) -> None:
        self._session = open_session(backbone.content)
        self._windows = (backbone.sample_rate, window_s, hop_s)

    def __call__(self, waveform: Waveform) -> Samples:
        """The embedding that is stored with a sample."""

        def run(batch: Samples) -> tuple[Samples, ...]:
            return tuple(self._session.run(["embedding"], {"waveform": batch}))

        _, (embedding,) = run_windows(run, waveform, *self._windows)
        return thin(embedding)


def fuse(backbone: Backbone, head: Head) -> bytes:
    """``model.onnx`` without its card: waveform → probabilities, embedding and novelty."""
    model = onnx.ModelProto()
    model.CopyFrom(backbone.graph)
    graph = model.graph
    embedding = graph.output.pop()
    _classify(graph, head.layers)
    _measure(graph, head.novelty)
    labels = head.layers[-1][0].shape[1]
    graph.output.extend(
        (
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", labels]),
            embedding,
            helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["batch"]),
        )
    )
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _classify(graph: onnx.GraphProto, layers: Layers) -> None:
    at = "embedding"
    for number, (weights, bias) in enumerate(layers):
        if number:
            graph.node.append(helper.make_node("Relu", [at], [f"{at}_rectified"]))
            at = f"{at}_rectified"
        inputs = [at, f"head_weights_{number}", f"head_bias_{number}"]
        _store(graph, dict(zip(inputs[1:], (weights, bias), strict=True)))
        at = f"head_layer_{number}"
        graph.node.append(helper.make_node("Gemm", inputs, [at]))
    graph.node.append(helper.make_node("Softmax", [at], ["probabilities"], axis=-1))


def _measure(graph: onnx.GraphProto, novelty: Novelty) -> None:
    steps, squared = DISTANCE, "head_distance"
    if len(novelty.noise):
        steps, squared = DISTANCE + NOISE, "head_with_noise"
        _store(
            graph,
            {
                "head_noises": -2 * novelty.noise.T,
                "head_noises_squared": (novelty.noise**2).sum(axis=1),
                "head_nearer": np.array(NEARER, np.float32),
                "head_steepness": np.array(STEEPNESS, np.float32),
            },
        )
    text = NOVELTY.format(distance=steps, squared=squared)
    graph.node.extend(onnx.parser.parse_graph(text).node)
    _store(
        graph,
        {
            "head_mean": novelty.mean,
            "head_gain": novelty.gain,
            "head_lowest": np.array(-LIMIT, np.float32),
            "head_highest": np.array(LIMIT, np.float32),
            "head_directions": novelty.directions,
            "head_centres": -2 * novelty.centres.T,
            "head_centres_squared": (novelty.centres**2).sum(axis=1),
            "head_ones": np.ones((novelty.directions.shape[1], 1), np.float32),
            "head_one": np.array([1], np.int64),
            "head_unit": np.array([1], np.float32),
            "head_flat": np.array([-1], np.int64),
        },
    )


def _store(graph: onnx.GraphProto, constants: Mapping[str, np.ndarray[Any, Any]]) -> None:
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(values, order="C"), name)
        for name, values in constants.items()
    )


def with_card(model: bytes, card: ModelCard) -> bytes:
    """The same graph with the card in its metadata, but for the SHA-256 that it cannot know."""
    described = onnx.load_model_from_string(model)
    helper.set_model_props(described, {CARD_PROPERTY: card.to_json()})
    content: bytes = described.SerializeToString(deterministic=True)
    return content


def head_of(model: bytes) -> bytes:
    """The part of an exported file from ``embedding`` to the answers, as a file."""
    whole = onnx.load_model_from_string(model)
    part = onnx.utils.Extractor(whole).extract_model(["embedding"], ["probabilities", "novelty"])
    content: bytes = part.SerializeToString()
    return content
