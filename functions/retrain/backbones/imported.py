"""A user's own network as a backbone: brought into form, and tried."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from earshot.audio import MAX_SAMPLE_RATE, MIN_DURATION_S, MIN_SAMPLE_RATE
from earshot.detector import open_session
from earshot.errors import BadBackbone
from google.protobuf.message import DecodeError
from onnx import TensorProto, compose, helper, inliner

from retrain.backbones.backbone import Backbone, declared_rate
from retrain.backbones.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Array = np.ndarray[Any, np.dtype[Any]]

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# Operators take their axes as inputs from here on.
OLDEST_OPSET = 13
# From here on ReduceMean does so, too.
MEAN_OVER_INPUT = 18
PREFIX = "imported/"
# A network that wants more than the shortest recording is given silence up to so many seconds.
SHORTEST_S = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
# Answers to a clip alone and in company may differ by so much, relative to values above 1.
TOLERANCE = 1e-3


def adopt(
    path: Path, name: str, output: str | None = None, sample_rate: int | None = None
) -> Backbone:
    """A waveform-in ONNX file as a backbone; raises BadBackbone saying what stands against it.

    The network has one float input, ``[batch, samples]`` or ``[samples]``, and an output
    ``[batch, dim]``, or, of a single waveform, ``[dim]`` or ``[frames, dim]``, which is averaged.
    ``output`` names it; otherwise it is ``embedding``, or the only one of two dimensions. The rate
    in Hz may also stand in the file's metadata, as ``sample_rate``. It is tried on noise: what it
    answers is finite, the same every time, and the same for a clip alone and among others.
    """
    if not NAME.fullmatch(name):
        raise BadBackbone(f"{name!r} is no name for a backbone: use a-z, 0-9, - and _.")
    network = _read(path)
    rate = sample_rate or _said_rate(network)
    if rate is None:
        raise BadBackbone(f"{path} does not say at which rate it hears: add --sample-rate HERTZ.")
    if not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
        raise BadBackbone(f"{rate} Hz is no rate that a recorder has.")
    source = _input(network)
    chosen = _output(network, output)
    part = onnx.utils.Extractor(network).extract_model([source.name], [chosen])
    part = compose.add_prefix(part, PREFIX)
    why: Exception | None = None
    for shortest_s in SHORTEST_S:
        try:
            graph = _in_form(part, round(shortest_s * rate))
            _answers(graph)(_noise(1, MIN_DURATION_S, rate))
        except Exception as error:
            why = error
        else:
            break
    else:
        raise BadBackbone(f"{path} cannot hear {SHORTEST_S[-1]:g} s of noise at {rate} Hz: {why}")
    _try(graph, rate)
    return Backbone.of(name, graph, rate)


def _read(path: Path) -> onnx.ModelProto:
    try:
        network = onnx.load(str(path))
        onnx.checker.check_model(network)
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise BadBackbone(f"{path} is no ONNX file that can be used: {error}") from error
    opset = _opset(network)
    if opset < OLDEST_OPSET:
        raise BadBackbone(
            f"{path} is of opset {opset}: export it with opset {OLDEST_OPSET} or newer."
        )
    return inliner.inline_local_functions(network)


def _opset(network: onnx.ModelProto) -> int:
    versions = [one.version for one in network.opset_import if one.domain in ("", "ai.onnx")]
    return max(versions, default=0)


def _said_rate(network: onnx.ModelProto) -> int | None:
    said = {entry.key: entry.value for entry in network.metadata_props}
    other = said.get("sample_rate", "")
    return declared_rate(network) or (int(other) if other.isdecimal() else None)


def _dims(value: onnx.ValueInfoProto) -> list[int | str]:
    """Sizes, or the names of sizes that are open."""
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in dims]


def _input(network: onnx.ModelProto) -> onnx.ValueInfoProto:
    given = {one.name for one in network.graph.initializer}
    inputs = [one for one in network.graph.input if one.name not in given]
    if len(inputs) != 1:
        names = ", ".join(one.name for one in inputs)
        raise BadBackbone(f"A backbone has one input, the waveform; this network has {names}.")
    source: onnx.ValueInfoProto = inputs[0]
    dims = _dims(source)
    if source.type.tensor_type.elem_type != TensorProto.FLOAT or len(dims) not in (1, 2):
        raise BadBackbone(
            f"The input {source.name} must be the waveform, float32 [batch, samples] or "
            f"[samples], not {dims}: put the front end (spectrogram, mel, …) into the graph."
        )
    if isinstance(dims[-1], int):
        raise BadBackbone(
            f"The input {source.name} takes {dims[-1]} samples, no more and no fewer: export it "
            "with an open length, for a recording may be as short as 0.1 s."
        )
    if len(dims) == 2 and isinstance(dims[0], int) and dims[0] != 1:
        raise BadBackbone(
            f"The input {source.name} takes batches of {dims[0]} alone: export it with an open "
            "batch size."
        )
    return source


def _output(network: onnx.ModelProto, wanted: str | None) -> str:
    outputs = {one.name: _dims(one) for one in network.graph.output}
    if wanted is None and "embedding" in outputs:
        return "embedding"
    if wanted is None:
        flat = [name for name, dims in outputs.items() if len(dims) == 2]
        wanted = flat[0] if len(flat) == 1 else ""
    if wanted not in outputs:
        raise BadBackbone(
            f"Which output is the embedding? Choose by --output among {', '.join(outputs)}."
        )
    return wanted


def _in_form(network: onnx.ModelProto, shortest: int) -> onnx.ModelProto:
    """``waveform`` ``[batch, samples]`` → ``embedding`` ``[batch, dim]`` around a network."""
    graph = Graph(network.graph.name)
    graph.speak(network)
    (source,), (chosen,) = network.graph.input, network.graph.output
    signal = graph.at_least(graph.signal(), shortest) if shortest else graph.signal()
    batch = graph.add("Squeeze", signal, graph.constant("channel_axis", [1]))
    if len(_dims(source)) == 2 and _dims(source)[0] != 1:
        graph.add("Identity", batch, name=source.name)
        graph.take(network)
        graph.add("Identity", chosen.name, name="embedding")
    else:
        graph.add("Scan", batch, body=_one(network), num_scan_inputs=1, name="embedding")
    return graph.model("embedding", "dim")


def _one(network: onnx.ModelProto) -> onnx.GraphProto:
    """A network of one waveform as the body of a Scan: ``[samples]`` → ``[dim]``."""
    (source,), (chosen,) = network.graph.input, network.graph.output
    zero = onnx.numpy_helper.from_array(np.array([0]), "first_axis")
    constants = [*network.graph.initializer, zero]
    if len(_dims(source)) == 2:
        enter = helper.make_node("Unsqueeze", ["one", "first_axis"], [source.name])
    else:
        enter = helper.make_node("Identity", ["one"], [source.name])
    if len(_dims(chosen)) == 1:
        leave = helper.make_node("Identity", [chosen.name], ["answer"])
    elif _opset(network) >= MEAN_OVER_INPUT:
        leave = helper.make_node("ReduceMean", [chosen.name, "first_axis"], ["answer"], keepdims=0)
    else:
        leave = helper.make_node("ReduceMean", [chosen.name], ["answer"], axes=[0], keepdims=0)
    return helper.make_graph(
        [enter, *network.graph.node, leave],
        "one",
        [helper.make_tensor_value_info("one", TensorProto.FLOAT, ["samples"])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["dim"])],
        constants,
    )


def _try(graph: onnx.ModelProto, rate: int) -> None:
    """Hear a second of noise; raises BadBackbone, and fills in the embedding's length."""
    answers = _answers(graph)
    noise = _noise(2, 1.0, rate)
    noise[1] /= 4
    answer = answers(noise)
    if answer.ndim != 2 or len(answer) != 2:
        raise BadBackbone(f"Two clips get an answer of {answer.shape}, which is not [2, dim].")
    if not np.isfinite(answer).all() or not np.isfinite(answers(0 * noise)).all():
        raise BadBackbone("Its answer to noise or to silence is not finite.")
    if not np.array_equal(answer, answers(noise)):
        raise BadBackbone("It answers the same noise in two ways: export it for inference.")
    alone = np.concatenate([answers(noise[:1]), answers(noise[1:])])
    if (np.abs(alone - answer) > TOLERANCE * np.maximum(1, np.abs(answer))).any():
        raise BadBackbone("A clip alone is heard otherwise than the same clip among others.")
    graph.graph.output[0].type.tensor_type.shape.dim[1].dim_value = answer.shape[1]


def _answers(graph: onnx.ModelProto) -> Callable[[Array], Array]:
    session = open_session(graph.SerializeToString())
    return lambda batch: np.asarray(session.run(None, {"waveform": batch})[0])


def _noise(clips: int, seconds: float, rate: int) -> Array:
    random = np.random.default_rng(0)
    return (0.1 * random.standard_normal((clips, round(seconds * rate)))).astype(np.float32)
