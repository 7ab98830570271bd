"""Acoustic features made by hand, as MIR has used them for decades: frame values and statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from earshot.audio import ULTRASOUND
from earshot.errors import BadApplication

from retrain.backbones.graph import DECIMALS, Graph, dct, dft, hann, mel_bands
from retrain.backbones.options import check_hearing, configured

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    Array = np.ndarray[Any, np.dtype[Any]]

# librosa's: of power_to_db, of zero_crossings, and of a norm that is not divided by.
AMIN = 1e-10
TOP_DB = 80.0
ZERO = 1e-10
TINY = float(np.finfo(np.float32).tiny)
CHROMA = 12


def build(sample_rate: int, options: Mapping[str, Any]) -> onnx.ModelProto:
    """The graph at ``sample_rate`` Hz with ``options``, which are fields of Acoustic.

    By default a frame has 64 ms, and 1,024 samples at most, every other overlapping by half; of
    ultrasound, the mel bands begin higher. Raises BadApplication.
    """
    n_fft = min(Acoustic.n_fft, 2 * round(0.032 * sample_rate))
    fmin = sample_rate / 32 if sample_rate >= ULTRASOUND else Acoustic.fmin
    spec = configured(Acoustic(sample_rate, n_fft, n_fft // 2, fmin=fmin), options)
    check_hearing(sample_rate, spec.n_fft, spec.n_fft, spec.fmin, spec.fmax)
    if spec.mfcc > spec.bands:
        raise BadApplication(
            f"backbone_options: {spec.bands} bands do not make {spec.mfcc} coefficients (mfcc)."
        )
    return spec.build()


@dataclass(frozen=True)
class Acoustic:
    """Mean, standard deviation, minimum and maximum over time of features of each frame.

    ``sample_rate``, ``fmin`` and ``fmax`` in Hz (``fmax=None``: the Nyquist frequency), ``n_fft``
    and ``hop`` in samples; ``rolloff`` a share of the magnitudes. The features are librosa 0.11's,
    all with ``center=False``, this ``n_fft`` (``frame_length``) and ``hop_length``, a Hann window,
    and otherwise its defaults:

    - ``mfcc(n_mfcc=mfcc, n_mels=bands, fmin, fmax)``, that is of decibels, cut off 80 dB below
      the clip's loudest, by an orthonormal DCT-II;
    - ``spectral_centroid``, ``spectral_bandwidth`` (p = 2) and ``spectral_rolloff`` of magnitudes,
      here in kHz, so that ultrasound fits into half precision, too;
    - ``zero_crossing_rate`` and ``rms``;
    - ``chroma_stft(tuning=0)``, 12 classes, the loudest being 1: the tuning is not estimated.

    An input has at least ``n_fft`` samples.
    """

    sample_rate: int = 16_000
    n_fft: int = 1024
    hop: int = 512
    bands: int = 64
    mfcc: int = 20
    fmin: float = 0.0
    fmax: float | None = None
    rolloff: float = 0.85

    @property
    def rows(self) -> int:
        """How many values a frame has."""
        return self.mfcc + 5 + CHROMA

    def build(self) -> onnx.ModelProto:
        """``waveform`` ``[batch, samples]`` → ``embedding`` ``[batch, 4 * rows]``, float32."""
        graph = self._frames()
        mean, lowest, highest = (
            graph.over_time(reduction, "frames")
            for reduction in ("ReduceMean", "ReduceMin", "ReduceMax")
        )
        deviation = graph.deviation("frames")
        graph.add("Concat", mean, deviation, lowest, highest, name="embedding", axis=1)
        return graph.model("embedding", 4 * self.rows)

    def build_frames(self) -> onnx.ModelProto:
        """``waveform`` float32 ``[batch, samples]`` → ``frames`` ``[batch, rows, frames]``.

        The rows: MFCC, centroid, bandwidth, roll-off (kHz), zero-crossing rate, RMS, chroma.
        """
        return self._frames().model("frames", self.rows, "frames")

    def _frames(self) -> Graph:
        graph = Graph(f"acoustic_{self.sample_rate}")
        signal = graph.signal()
        bins = self.n_fft // 2 + 1
        kernel = graph.constant("dft", dft(np.arange(bins), self.n_fft, hann(self.n_fft)))
        waves = graph.add("Conv", signal, kernel, strides=[self.hop])
        squares = graph.add("Mul", waves, waves)
        # Real parts above, imaginary parts below.
        power = graph.add(
            "Add", graph.slice(squares, 0, bins, axis=1), graph.slice(squares, bins, axis=1)
        )
        rows = [
            self._mfcc(graph, power),
            *self._shape(graph, graph.add("Sqrt", power)),
            self._zero_crossings(graph, signal),
            self._rms(graph, signal),
            self._chroma(graph, power),
        ]
        graph.add("Concat", *rows, name="frames", axis=1)
        return graph

    def _mfcc(self, graph: Graph, power: str) -> str:
        """``[batch, mfcc, frames]``."""
        mel = mel_bands(self.sample_rate, self.n_fft, self.bands, self.fmin, self.fmax)
        energy = graph.add("MatMul", graph.constant("mel", mel), power)
        heard = graph.add("Log", graph.add("Max", energy, graph.constant("amin", [AMIN])))
        decibels = graph.add("Mul", heard, graph.constant("db", [10 / np.log(10)]))
        loudest = graph.add("ReduceMax", decibels, axes=[1, 2], keepdims=1)
        floor = graph.add("Sub", loudest, graph.constant("top_db", [TOP_DB]))
        matrix = graph.constant("dct", dct(self.bands)[: self.mfcc])
        return graph.add("MatMul", matrix, graph.add("Max", decibels, floor))

    def _shape(self, graph: Graph, magnitude: str) -> tuple[str, str, str]:
        """Centroid, bandwidth and roll-off, each ``[batch, 1, frames]`` in kHz."""
        khz = np.arange(self.n_fft // 2 + 1) * self.sample_rate / self.n_fft / 1000
        column = graph.constant("khz", khz[:, np.newaxis])
        tiny = graph.constant("tiny", [TINY])
        total = graph.add("ReduceSum", magnitude, graph.constant("bin_axis", [1]), keepdims=1)
        share = graph.add("Div", magnitude, graph.add("Max", total, tiny))
        centroid = graph.add("MatMul", graph.constant("khz_row", khz[np.newaxis]), share)
        distance = graph.add("Sub", column, centroid)
        spread = graph.add("Mul", share, graph.add("Mul", distance, distance))
        bandwidth = graph.add(
            "Sqrt", graph.add("ReduceSum", spread, graph.constant("bin_axis", [1]), keepdims=1)
        )
        rising = graph.add("CumSum", magnitude, graph.index("bins", 1))
        wanted = graph.add(
            "Mul", graph.slice(rising, -1, axis=1), graph.constant("rolloff", [self.rolloff])
        )
        reached = graph.cast(graph.add("GreaterOrEqual", rising, wanted))
        # ArgMax answers the first of equals: the lowest bin that reaches the share.
        lowest = graph.cast(graph.add("ArgMax", reached, axis=1, keepdims=1))
        rolloff = graph.add("Mul", lowest, graph.constant("khz_per_bin", [khz[1]]))
        return centroid, bandwidth, rolloff

    def _zero_crossings(self, graph: Graph, signal: str) -> str:
        """``[batch, 1, frames]``: sign changes within a frame for each of its samples."""
        below = graph.add("Less", signal, graph.constant("zero", [-ZERO]))
        changes = graph.cast(graph.add("Xor", graph.slice(below, 1), graph.slice(below, 0, -1)))
        share = graph.add("AveragePool", changes, kernel_shape=[self.n_fft - 1], strides=[self.hop])
        return graph.add("Mul", share, graph.constant("within", [1 - 1 / self.n_fft]))

    def _rms(self, graph: Graph, signal: str) -> str:
        """``[batch, 1, frames]``."""
        squares = graph.add("Mul", signal, signal)
        mean = graph.add("AveragePool", squares, kernel_shape=[self.n_fft], strides=[self.hop])
        return graph.add("Sqrt", mean)

    def _chroma(self, graph: Graph, power: str) -> str:
        """``[batch, 12, frames]``."""
        from librosa.filters import chroma  # a second to import, only when a graph is built

        filters = chroma(sr=self.sample_rate, n_fft=self.n_fft, n_chroma=CHROMA, dtype=np.float64)
        raw = graph.add("MatMul", graph.constant("chroma", filters.round(DECIMALS)), power)
        loudest = graph.add("ReduceMax", raw, axes=[1], keepdims=1)
        return graph.add("Div", raw, graph.add("Max", loudest, graph.constant("tiny", [TINY])))
