"""One self-contained ONNX file: backbone, head, softmax, and the card in its metadata."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import onnx
from earshot.detector import open_session, run_windows, thin
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from earshot.bundle import ModelCard
    from earshot.recording import Samples, Waveform

    from retrain.heads import Head


def sha256(model: onnx.ModelProto) -> str:
    """What names a graph."""
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


class Embedder:
    """Runs a backbone alone: Waveform → ``[windows, dim]``, windows cut as the detector does."""

    def __init__(
        self, backbone: onnx.ModelProto, sample_rate: int, window_s: float, hop_s: float
    ) -> None:
        self._session = open_session(backbone.SerializeToString())
        self._windows = (sample_rate, window_s, hop_s)

    def __call__(self, waveform: Waveform) -> Samples:
        """The embedding that is stored with a sample."""

        def run(batch: Samples) -> tuple[Samples, ...]:
            return tuple(self._session.run(["embedding"], {"waveform": batch}))

        _, (embedding,) = run_windows(run, waveform, *self._windows)
        return thin(embedding)


def fuse(backbone: onnx.ModelProto, head: Head) -> bytes:
    """The bytes of ``model.onnx`` without its card: waveform → probabilities and embedding."""
    model = onnx.ModelProto()
    model.CopyFrom(backbone)
    graph = model.graph
    weights, bias = (np.ascontiguousarray(a, dtype=np.float32) for a in (head.weights, head.bias))
    graph.initializer.extend(
        (
            numpy_helper.from_array(weights, "head_weights"),
            numpy_helper.from_array(bias, "head_bias"),
        )
    )
    graph.node.extend(
        (
            helper.make_node("Gemm", ["embedding", "head_weights", "head_bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        )
    )
    embedding = graph.output.pop()
    graph.output.extend(
        (
            helper.make_tensor_value_info(
                "probabilities", onnx.TensorProto.FLOAT, ["batch", head.weights.shape[1]]
            ),
            embedding,
        )
    )
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def with_card(model: bytes, card: ModelCard) -> bytes:
    """The same graph with the card in its metadata, but for the SHA-256 that it cannot know."""
    described = onnx.load_model_from_string(model)
    helper.set_model_props(described, {"earshot_card": card.to_json()})
    content: bytes = described.SerializeToString(deterministic=True)
    return content


def head_of(model: bytes) -> bytes:
    """The part of an exported file from ``embedding`` to ``probabilities``, as a file."""
    whole = onnx.load_model_from_string(model)
    part = onnx.utils.Extractor(whole).extract_model(["embedding"], ["probabilities"])
    content: bytes = part.SerializeToString()
    return content
