"""Several backbones as one: their embeddings side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from earshot.errors import BadBackbone
from onnx import TensorProto, compose, helper
from scipy.signal import firwin

from retrain.backbones.backbone import Backbone, in_parts
from retrain.backbones.graph import DECIMALS, Graph

if TYPE_CHECKING:
    from collections.abc import Sequence


# The low-pass filter before every n-th sample is kept: its length per n, and where it ends below
# the new Nyquist frequency.
TAPS = 64
PASSED = 0.95


def side_by_side(name: str, members: Sequence[Backbone]) -> Backbone:
    """One graph that answers the members' embeddings, in order; its parts are all of theirs.

    It hears at the highest of their rates; members of an integer fraction of it hear through a
    low-pass filter. Raises BadBackbone for other rates, or different ONNX opsets.
    """
    rate = max(member.sample_rate for member in members)
    rates = sorted({member.sample_rate for member in members})
    opsets = sorted({member.graph.opset_import[0].version for member in members})
    if any(rate % lower for lower in rates):
        raise BadBackbone(f"The backbones of {name} hear at {rates} Hz, which are no multiples.")
    if len(opsets) > 1:
        raise BadBackbone(f"The backbones of {name} are of different ONNX opsets: {opsets}.")
    nodes, constants, outputs = [], [], []
    for number, member in enumerate(members):
        graph = compose.add_prefix(member.graph, f"{number}/", rename_inputs=False).graph
        if member.sample_rate < rate:
            slower = _every(rate // member.sample_rate, f"{number}/")
            nodes += slower.node
            constants += slower.initializer
            _rename_input(graph, slower.output[0].name)
        nodes += graph.node
        constants += graph.initializer
        outputs.append(graph.output[0].name)
    dim = sum(member.dim for member in members)
    model = helper.make_model(
        helper.make_graph(
            [*nodes, helper.make_node("Concat", outputs, ["embedding"], axis=1)],
            name,
            [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"])],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", dim])],
            constants,
        ),
        producer_name="earshot",
        ir_version=max(member.graph.ir_version for member in members),
        opset_imports=members[0].graph.opset_import,
    )
    onnx.checker.check_model(model, full_check=True)
    parts = [width for member in members for width in member.parts]
    return Backbone.of(name, in_parts(model, *parts), rate)


def _every(factor: int, prefix: str) -> onnx.GraphProto:
    """``waveform`` → every ``factor``-th sample of it, low-passed."""
    graph = Graph("decimation")
    taps = firwin(TAPS * factor + 1, PASSED / factor).round(DECIMALS)
    kernel = graph.constant("low_pass", taps[np.newaxis, np.newaxis])
    edge = TAPS * factor // 2
    kept = graph.add("Conv", graph.signal(), kernel, strides=[factor], pads=[edge, edge])
    graph.add("Squeeze", kept, graph.constant("channel_axis", [1]), name="slower")
    model = graph.model("slower", "kept")
    return compose.add_prefix(model, f"{prefix}front/", rename_inputs=False).graph


def _rename_input(graph: onnx.GraphProto, name: str) -> None:
    old = graph.input[0].name
    for node in graph.node:
        node.input[:] = [name if given == old else given for given in node.input]
