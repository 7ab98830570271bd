"""From what was learnt to ONNX: the student behind the front end that heard the lessons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrain.backbones.backbone import Backbone
from retrain.backbones.melstats import MelStats
from retrain.distil.lessons import FLOOR
from retrain.distil.scenes import RATE
from retrain.distil.student import CENTRE, CHANNELS, SPREAD

if TYPE_CHECKING:
    import onnx

    from retrain.distil.student import Student

STATISTICS = MelStats(sample_rate=RATE)


def graph_of(student: Student) -> onnx.ModelProto:
    """``waveform`` at RATE → ``embedding``: the student's, and the log-mel statistics behind it.

    They cost next to nothing once the spectrogram is there, and know what the teachers do not
    look at: levels.
    """
    graph = STATISTICS.listen()
    log_mel = graph.log("energy", FLOOR)
    raised = graph.add("Sub", log_mel, graph.constant("centre", [CENTRE]))
    scaled = graph.add("Div", raised, graph.constant("spread", [SPREAD]))
    at = graph.add("Unsqueeze", scaled, graph.constant("map_axis", [1]))
    for number, layer in enumerate(student.body):
        weights, bias = (
            graph.constant(f"{name}_{number}", values)
            for name, values in zip(("weights", "bias"), layer.folded(), strict=True)
        )
        heard = graph.add("Conv", at, weights, bias, strides=list(layer.conv.stride), pads=[1] * 4)
        at = graph.add("Relu", graph.add("Add", at, heard) if layer.is_residual else heard)
    series = graph.add("ReduceMean", at, axes=[2], keepdims=0)
    learnt = [graph.over_time(reduction, series) for reduction in ("ReduceMean", "ReduceMax")]
    STATISTICS.describe(graph, "statistics")
    graph.add("Concat", *learnt, "statistics", name="embedding", axis=1)
    model = graph.model("embedding", 2 * CHANNELS[-1] + STATISTICS.dim)
    return Backbone.of("cnn", model, RATE).graph
