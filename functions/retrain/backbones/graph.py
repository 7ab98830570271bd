"""ONNX graphs in the making: nodes, constants, and the measures of sound that backbones share."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from earshot.errors import BadApplication
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

# Old enough for every ONNX Runtime from 1.13 on, phones and browsers included.
OPSET = 17
IR_VERSION = 8
# Matrices are rounded to so many decimals: the last bit of a cosine differs between processors,
# and the graph's SHA-256, which names the backbone, must not.
DECIMALS = 8

_END = np.iinfo(np.int64).max


class Graph:
    """Nodes and constants in the making; every method returns the name of what it added.

    A ``signal`` is ``[batch, 1, samples]``, a ``series`` ``[batch, rows, frames]``.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._opsets = [helper.make_opsetid("", OPSET)]
        self._ir_version = IR_VERSION
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """One node with one output."""
        name = name or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, values: Any) -> str:
        """Integers become int64, all else float32."""
        array = np.asarray(values)
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        self._constants[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return name

    def scalar(self, name: str, value: float) -> str:
        """A float32 constant without a shape, as some operators want their bounds."""
        return self.constant(name, np.array(value))

    def index(self, name: str, value: int) -> str:
        """An int64 constant without a shape."""
        return self.constant(name, np.array(value))

    def cast(self, values: str) -> str:
        """Truths or integers as float32."""
        return self.add("Cast", values, to=TensorProto.FLOAT)

    def speak(self, network: onnx.ModelProto) -> None:
        """Use the versions of the operators that another model uses."""
        self._opsets = list(network.opset_import)
        self._ir_version = max(IR_VERSION, network.ir_version)

    def take(self, network: onnx.ModelProto) -> None:
        """Another model's nodes and constants, as they are."""
        self._nodes.extend(network.graph.node)
        self._constants.update((one.name, one) for one in network.graph.initializer)

    def signal(self) -> str:
        """The waveform as ``[batch, 1, samples]``."""
        return self.add("Unsqueeze", "waveform", self.constant("channel_axis", [1]))

    def slice(self, values: str, start: int, end: int | None = None, axis: int = 2) -> str:
        """``values[start:end]`` along an axis; ``end=None``: to the end."""
        bounds = (start, _END if end is None else end, axis)
        return self.add("Slice", values, *(self._number(bound) for bound in bounds))

    def _number(self, value: int) -> str:
        return self.constant("end" if value == _END else f"int_{value}", [value])

    def at_least(self, signal: str, samples: int) -> str:
        """The signal, with silence behind it up to so many samples."""
        length = self.slice(self.add("Shape", signal), 2, 3, axis=0)
        lacking = self.add("Max", self.add("Sub", self._number(samples), length), self._number(0))
        pads = self.add("Concat", self.constant("before", [0] * 5), lacking, axis=0)
        return self.add("Pad", signal, pads)

    def log(self, values: str, floor: float, name: str = "") -> str:
        """``log(values + floor)``."""
        raised = self.add("Add", values, self.constant(f"floor_{floor:g}", [floor]))
        return self.add("Log", raised, name=name)

    def over_time(self, reduction: str, series: str, keepdims: int = 0) -> str:
        """``[batch, rows, frames]`` → ``[batch, rows]``."""
        return self.add(reduction, series, axes=[2], keepdims=keepdims)

    def deviation(self, series: str) -> str:
        """The standard deviation over time (of the population, as numpy's)."""
        centred = self.add("Sub", series, self.over_time("ReduceMean", series, keepdims=1))
        variance = self.over_time("ReduceMean", self.add("Mul", centred, centred))
        return self.add("Sqrt", variance)

    def mean_step(self, series: str, lag: int) -> str:
        """The mean over time of ``|series[t + lag] - series[t]|``."""
        later, earlier = self.slice(series, lag), self.slice(series, 0, -lag)
        return self.over_time("ReduceMean", self.add("Abs", self.add("Sub", later, earlier)))

    def model(self, output: str, *shape: int | str) -> onnx.ModelProto:
        """The checked model, from ``waveform`` to ``output`` ``[batch, *shape]``."""
        graph = helper.make_graph(
            self._nodes,
            self._title,
            [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", *shape])],
            list(self._constants.values()),
        )
        model = helper.make_model(
            graph,
            producer_name="earshot",
            ir_version=self._ir_version,
            opset_imports=self._opsets,
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def hann(length: int) -> Array:
    """The periodic Hann window, as spectrograms have it."""
    return np.asarray((1 - np.cos(2 * np.pi * np.arange(length) / length)) / 2)


def dft(bins: Array, n_fft: int, window: Array) -> Array:
    """Windowed cosines, then sines, of the DFT's ``bins``: ``[2 * bins, 1, len(window)]``.

    As the kernel of a strided convolution it yields real parts above imaginary parts.
    """
    # Whole turns are taken off before they are multiplied by 2 pi: exact, and so portable.
    angle = 2 * np.pi * (np.outer(bins, np.arange(len(window))) % n_fft) / n_fft
    waves = np.concatenate((np.cos(angle), np.sin(angle))) * window
    return np.asarray(waves.round(DECIMALS)[:, np.newaxis, :])


def dct(size: int) -> Array:
    """The orthonormal DCT-II as a matrix ``[coefficient, band]``."""
    order, band = np.ogrid[:size, :size]
    matrix = np.cos(np.pi * order * (2 * band + 1) / (2 * size)) * np.sqrt(2 / size)
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix.round(DECIMALS))


def mel_triangles(sample_rate: int, n_fft: int, bands: int, fmin: float, fmax: float) -> Array:
    """Filters ``[bands, n_fft // 2 + 1]``: triangles on the mel axis of HTK (Young et al. 2006).

    Unlike librosa's they are straight over mel, not over Hz, as in Kaldi and TensorFlow.
    """

    def mel(hertz: Array | float) -> Array:
        return np.asarray(1127 * np.log1p(np.asarray(hertz) / 700))

    edges = np.linspace(mel(fmin), mel(fmax), bands + 2)[:, np.newaxis]
    place = mel(np.arange(n_fft // 2 + 1) * sample_rate / n_fft)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rise, fall = (place - left) / (centre - left), (right - place) / (right - centre)
    return np.asarray(np.maximum(0, np.minimum(rise, fall)).round(DECIMALS))


def mel_bands(sample_rate: int, n_fft: int, bands: int, fmin: float, fmax: float | None) -> Array:
    """Librosa's mel filters ``[bands, n_fft // 2 + 1]``; raises BadApplication if one is empty."""
    from librosa.filters import mel  # a second to import, and only needed when a graph is built

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Empty filters", UserWarning)
        filters = mel(
            sr=sample_rate,
            n_fft=n_fft,
            n_mels=bands,
            fmin=fmin,
            fmax=fmax,
            dtype=np.float64,
        )
    if not filters.any(axis=1).all():
        raise BadApplication(
            f"backbone_options: {bands} bands are too narrow for an n_fft of {n_fft} at "
            f"{sample_rate} Hz: choose fewer, a larger n_fft or a higher fmin."
        )
    return np.asarray(filters)
