"""Google's YAMNet: a MobileNet v1 of AudioSet's 521 sounds, 3.7 million weights, Apache-2.0.

https://github.com/tensorflow/models/tree/master/research/audioset/yamnet, here in the form that
Google gives away for phones, whose weights are 8-bit integers with a scale per filter. They are
made floats again, and so are the activations, which is faster on a processor. Heard at 16 kHz.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from retrain.backbones.graph import Graph, dft, hann, mel_triangles

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

    Array = np.ndarray[Any, np.dtype[Any]]

URL = (
    "https://raw.githubusercontent.com/tensorflow/tflite-support/"
    "f606e3f59240d71fd37d23316822ff0bd1d531ef/tensorflow_lite_support/cc/test/testdata/task/audio/"
    "yamnet_audio_classifier_with_metadata.tflite"
)
SHA256 = "10c95ea3eb9a7bb4cb8bddf6feb023250381008177ac162ce169694d05c317de"
SAMPLE_RATE = 16_000

N_FFT = 512
HOP = 160
WINDOW = 400
BANDS = 64
RANGE_HZ = (125, 7_500)
FLOOR = 0.001
# The network sees patches of 0.96 s, one every 0.48 s; its embedding is their mean.
PATCH = 96
PATCH_HOP = 48
DIM = 1024
# MobileNet's table, as far as the weights' shapes do not tell it already.
STRIDED = (0, 3, 7, 11, 23)


def convert(content: bytes) -> onnx.ModelProto:
    """The graph, front end included, from the TFLite file that SHA256 names."""
    graph = Graph("yamnet")
    at = _patches(graph, _log_mel(graph))
    for number, (weight, bias) in enumerate(_convolutions(content)):
        maps = graph.add(
            "Conv",
            at,
            graph.constant(f"weight_{number}", weight),
            graph.constant(f"bias_{number}", bias),
            strides=[2, 2] if number in STRIDED else [1, 1],
            auto_pad="SAME_UPPER",
            # But for the first, filters with one input are for one channel each.
            group=weight.shape[0] if weight.shape[1] == 1 and number else 1,
        )
        at = graph.add("Clip", maps, graph.scalar("lowest", 0.0), graph.scalar("highest", 6.0))
    pooled = graph.add("Flatten", graph.add("GlobalAveragePool", at), axis=1)
    batch = graph.slice(graph.add("Shape", "waveform"), 0, 1, axis=0)
    shape = graph.add("Concat", batch, graph.constant("patches_by_dim", [-1, DIM]), axis=0)
    patches = graph.add("Reshape", pooled, shape)
    graph.add("ReduceMean", patches, axes=[1], keepdims=0, name="embedding")
    return graph.model("embedding", DIM)


def _log_mel(graph: Graph) -> str:
    """``[batch, 64, frames]``, of magnitudes, not of power."""
    signal = graph.at_least(graph.signal(), WINDOW + (PATCH - 1) * HOP)
    mel = mel_triangles(SAMPLE_RATE, N_FFT, BANDS, *RANGE_HZ)
    heard = np.flatnonzero(mel.any(axis=0))
    bins = np.arange(heard[0], heard[-1] + 1)
    kernel = graph.constant("dft", dft(bins, N_FFT, hann(WINDOW)))
    waves = graph.add("Conv", signal, kernel, strides=[HOP])
    squares = graph.add("Mul", waves, waves)
    power = graph.add(
        "Add", graph.slice(squares, 0, len(bins), axis=1), graph.slice(squares, len(bins), axis=1)
    )
    energy = graph.add("MatMul", graph.constant("mel", mel[:, bins]), graph.add("Sqrt", power))
    return graph.log(energy, FLOOR)


def _patches(graph: Graph, log_mel: str) -> str:
    """``[batch, 64, frames]`` → ``[batch * patches, 1, 96, 64]``; what fills no patch is left."""
    frames = graph.slice(graph.add("Shape", log_mel), 2, 3, axis=0)
    hop = graph.constant("patch_hop", [PATCH_HOP])
    whole = graph.add("Mul", graph.add("Div", frames, hop), hop)
    start, axis = graph.constant("start", [0]), graph.constant("time_axis", [2])
    trimmed = graph.add("Slice", log_mel, start, whole, axis)
    # A patch is two neighbouring halves.
    shape = graph.constant("bands_by_halves", [0, BANDS, -1, PATCH_HOP])
    halves = graph.add("Transpose", graph.add("Reshape", trimmed, shape), perm=[0, 2, 3, 1])
    patches = graph.add(
        "Concat", graph.slice(halves, 0, -1, axis=1), graph.slice(halves, 1, axis=1), axis=2
    )
    return graph.add("Reshape", patches, graph.constant("one_map", [-1, 1, PATCH, BANDS]))


def _convolutions(content: bytes) -> Iterator[tuple[Array, Array]]:
    """Weight ``[filters, inputs, height, width]`` and bias of each convolution, in their order."""
    import tflite  # wanted by this one conversion

    model = tflite.Model.GetRootAs(content)
    network = model.Subgraphs(0)
    for index in range(network.OperatorsLength()):
        operator = network.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex()).DeprecatedBuiltinCode()
        # [filters, height, width, inputs], but [1, height, width, filters] for one channel each.
        if code == tflite.BuiltinOperator.CONV_2D:
            order = (0, 3, 1, 2)
        elif code == tflite.BuiltinOperator.DEPTHWISE_CONV_2D:
            order = (3, 0, 1, 2)
        else:
            continue
        _, weight, bias = operator.InputsAsNumpy()
        yield _tensor(model, weight).transpose(order), _tensor(model, bias)


def _tensor(model: Any, index: int) -> Array:
    """An integer tensor as the floats it stands for."""
    import tflite

    tensor = model.Subgraphs(0).Tensors(index)
    steps = tensor.Quantization()
    shape = tensor.ShapeAsNumpy()
    axis = np.ones(len(shape), dtype=int)
    axis[steps.QuantizedDimension()] = -1
    # Weights are int8, biases int32; both are symmetric: there are no zero points.
    kind = np.dtype("i1") if tensor.Type() == tflite.TensorType.INT8 else np.dtype("<i4")
    raw = model.Buffers(tensor.Buffer()).DataAsNumpy().tobytes()
    values = np.frombuffer(raw, kind).reshape(shape)
    return np.asarray(values * steps.ScaleAsNumpy().astype(np.float64).reshape(axis))
