"""EfficientAT's mn04_as: a MobileNetV3 of AudioSet's 527 sounds, 1 million weights, MIT.

F. Schmid, K. Koutini, G. Widmer, Efficient Large-Scale Audio Tagging via Transformer-to-CNN
Knowledge Distillation, ICASSP 2023; https://github.com/fschmid56/EfficientAT. Heard at 32 kHz.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from retrain.backbones.backbone import in_parts
from retrain.backbones.checkpoint import read_checkpoint
from retrain.backbones.graph import Graph, dft, mel_triangles

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

    Array = np.ndarray[Any, np.dtype[Any]]

URL = "https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/mn04_as_mAP_432.pt"
SHA256 = "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c"
SAMPLE_RATE = 32_000

# What an embedding consists of: ``pooled`` [384] is the mean of the last convolution over time
# and frequency, ``hidden`` [512] the layer above it. ``logits`` [527] are the answers for AudioSet,
# for those who learn from this network.
EMBEDDING = ("pooled", "hidden")
LOGITS = "logits"

N_FFT = 1024
HOP = 320
WINDOW = 800
BANDS = 128
FMAX = 15_000
PREEMPHASIS = 0.97

# MobileNetV3's table, as far as the weights' shapes do not tell it already.
BLOCKS = 15
STRIDED_BLOCKS = (2, 4, 7, 13)
FIRST_HARD_SWISH_BLOCK = 7
EPSILON = 1e-3


def convert(content: bytes, parts: Sequence[str] = EMBEDDING) -> onnx.ModelProto:
    """The graph, front end included, from the checkpoint that SHA256 names.

    ``parts`` are laid side by side as the graph's ``embedding``.
    """
    network = _Network(read_checkpoint(content), parts)
    network.listen()
    network.hear()
    return in_parts(network.graph.model("embedding", sum(network.widths)), *network.widths)


class _Network:
    """The graph in the making; ``_at`` is the latest series of maps."""

    def __init__(self, weights: dict[str, Array], parts: Sequence[str]) -> None:
        self.graph = Graph("mn04")
        self.widths: list[int] = []
        self._weights = weights
        self._parts = parts
        self._at = ""

    def listen(self) -> None:
        """The front end: pre-emphasis, power spectrogram, mel, logarithm."""
        graph = self.graph
        signal = graph.signal()
        faded = graph.add(
            "Mul", graph.slice(signal, 0, -1), graph.constant("preemphasis", [PREEMPHASIS])
        )
        sharp = graph.add("Sub", graph.slice(signal, 1), faded)
        # The window of 800 samples lies in the middle of the FFT's 1,024; the rest is silence.
        edge = WINDOW // 2
        padded = graph.add(
            "Pad", sharp, graph.constant("edges", [0, 0, edge, 0, 0, edge]), mode="reflect"
        )
        mel = mel_triangles(SAMPLE_RATE, N_FFT, BANDS, 0, FMAX)
        bins = np.arange(1, int(np.flatnonzero(mel.any(axis=0))[-1]) + 1)
        kernel = graph.constant("dft", dft(bins, N_FFT, _symmetric_hann(WINDOW)))
        waves = graph.add("Conv", padded, kernel, strides=[HOP])
        squares = graph.add("Mul", waves, waves)
        energy = graph.add("MatMul", graph.constant("mel", np.tile(mel[:, bins], 2)), squares)
        log_mel = graph.log(energy, 1e-5)
        raised = graph.add("Add", log_mel, graph.constant("shift", [4.5]))
        scaled = graph.add("Div", raised, graph.constant("scale", [5.0]))
        self._at = graph.add("Unsqueeze", scaled, graph.constant("channel_axis", [1]))

    def hear(self) -> None:
        """The network: a convolution, inverted residuals, a convolution, one or two layers."""
        graph = self.graph
        self._convolve("features.0", stride=2)
        self._activate("HardSwish")
        for number in range(1, BLOCKS + 1):
            self._invert(number)
        self._convolve(f"features.{BLOCKS + 1}")
        self._activate("HardSwish")
        graph.add("Flatten", graph.add("GlobalAveragePool", self._at), name="pooled", axis=1)
        graph.add("HardSwish", self._layer("pooled", "classifier.2"), name="hidden")
        if LOGITS in self._parts:
            graph.add("Identity", self._layer("hidden", "classifier.5"), name=LOGITS)
        graph.add("Concat", *self._parts, name="embedding", axis=1)
        hidden, pooled = self._weights["classifier.2.weight"].shape
        logits = len(self._weights["classifier.5.bias"])
        sizes = {"pooled": pooled, "hidden": hidden, LOGITS: logits}
        self.widths = [sizes[part] for part in self._parts]

    def _invert(self, number: int) -> None:
        """An inverted residual: widen, convolve each channel, squeeze and excite, project."""
        block, start = f"features.{number}.block", self._at
        stride = 2 if number in STRIDED_BLOCKS else 1
        activation = "HardSwish" if number >= FIRST_HARD_SWISH_BLOCK else "Relu"
        parts = sorted({int(k.split(".")[3]) for k in self._weights if k.startswith(f"{block}.")})
        shapes = []
        for part in parts:
            name = f"{block}.{part}"
            if f"{name}.0.weight" not in self._weights:
                self._excite(f"{name}.conc_se_layers.0")
                continue
            shapes.append(self._weights[f"{name}.0.weight"].shape)
            self._convolve(name, stride if shapes[-1][2] > 1 else 1)
            if part != parts[-1]:
                self._activate(activation)
        # Where nothing is widened, the first convolution has one filter for each channel.
        entering = shapes[0][0] if shapes[0][2] > 1 else shapes[0][1]
        if stride == 1 and entering == shapes[-1][0]:
            self._at = self.graph.add("Add", start, self._at)

    def _convolve(self, name: str, stride: int = 1) -> None:
        """A convolution with its batch normalisation folded into it."""
        weight = self._weights[f"{name}.0.weight"].astype(np.float64)
        gain, bias, mean, variance = (
            self._weights[f"{name}.1.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        gain = gain / np.sqrt(variance + EPSILON)
        edge = weight.shape[2] // 2
        self._at = self.graph.add(
            "Conv",
            self._at,
            self.graph.constant(f"{name}.weight", weight * gain[:, None, None, None]),
            self.graph.constant(f"{name}.bias", bias - mean * gain),
            strides=[stride, stride],
            pads=[edge] * 4,
            # But for the first, filters with one input are for one channel each.
            group=weight.shape[0] if weight.shape[1] == 1 and name != "features.0" else 1,
        )

    def _activate(self, activation: str) -> None:
        self._at = self.graph.add(activation, self._at)

    def _excite(self, name: str) -> None:
        """Squeeze and excitation (Hu et al. 2018): each channel is weighed by all channels."""
        squeezed = self.graph.add("Flatten", self.graph.add("GlobalAveragePool", self._at), axis=1)
        hidden = self.graph.add("Relu", self._layer(squeezed, f"{name}.fc1"))
        weights = self.graph.add("Sigmoid", self._layer(hidden, f"{name}.fc2"))
        wide = self.graph.add("Unsqueeze", weights, self.graph.constant("map_axes", [2, 3]))
        self._at = self.graph.add("Mul", self._at, wide)

    def _layer(self, values: str, name: str) -> str:
        weight, bias = (
            self.graph.constant(f"{name}.{part}", self._weights[f"{name}.{part}"])
            for part in ("weight", "bias")
        )
        return self.graph.add("Gemm", values, weight, bias, transB=1)


def _symmetric_hann(length: int) -> Array:
    return np.asarray((1 - np.cos(2 * np.pi * np.arange(length) / (length - 1))) / 2)
