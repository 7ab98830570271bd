"""Log-mel statistics: a backbone with nothing to learn, so it can be built anywhere, any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

# Old enough for every ONNX Runtime from 1.13 on, phones and browsers included.
OPSET = 17
IR_VERSION = 8
# Matrices are rounded to so many decimals: the last bit of a cosine differs between processors,
# and the graph's SHA-256, which names the backbone, must not.
DECIMALS = 8
# From this rate on the recorder is after ultrasound: calls of milliseconds, nothing of use below.
ULTRASOUND = 96_000


def build(sample_rate: int) -> onnx.ModelProto:
    """The graph at ``sample_rate`` Hz: FFT and hop keep their duration in seconds.

    Not so for ultrasound, where the DFT as a convolution would weigh 268 MB (at 256 kHz) and its
    32 ms would smear a bat's call: there the FFT has 1,024 samples and hearing starts higher.
    """
    if sample_rate >= ULTRASOUND:
        return MelStats(sample_rate, n_fft=1024, hop=512, fmin=sample_rate / 32).build()
    scale = sample_rate / MelStats.sample_rate
    return MelStats(
        sample_rate, n_fft=round(MelStats.n_fft * scale), hop=round(MelStats.hop * scale)
    ).build()


@dataclass(frozen=True)
class MelStats:
    """Statistics over time of a log-mel spectrogram and of its spectral shape.

    ``sample_rate``, ``fmin`` and ``fmax`` in Hz (``fmax=None``: the Nyquist frequency), ``n_fft``
    and ``hop`` in samples. Hann window, mel filters by Slaney as in librosa, no padding at the
    ends. Power is scaled so that white noise of variance v gives about v in every band, whatever
    the FFT; ``floor`` is in that unit and by default just above the noise of dithered 8-bit audio,
    3 / (12 * 128²): lower lets bit depth through, higher costs accuracy on quiet clips.
    Level is kept, not normalised: a shot is loud.

    With L ``[bands, frames]`` the log-mel and C its DCT along the bands, the embedding is, band
    by band, the mean, maximum and minimum of L over time, and then the logarithms of spreads:
    standard deviation of L; standard deviation of C; mean of ``|C[t + lag] - C[t]|`` for each of
    ``lags`` (frames); mean of ``|L[b] - 2 L[b+1] + L[b+2]|``, which tells a tone from noise.
    ``spread_floor`` is added to a spread so that silence stays finite.

    An input has at least ``n_fft + max(lags) * hop`` samples: 0.1 s with the default values.
    """

    sample_rate: int = 16_000
    n_fft: int = 512
    hop: int = 256
    bands: int = 64
    fmin: float = 50.0
    fmax: float | None = None
    floor: float = 2e-5
    lags: tuple[int, ...] = (1, 4)
    spread_floor: float = 0.1

    @property
    def dim(self) -> int:
        """The length of an embedding."""
        return (6 + len(self.lags)) * self.bands - 2

    def build(self) -> onnx.ModelProto:
        """``waveform`` float32 ``[batch, samples]`` → ``embedding`` float32 ``[batch, dim]``."""
        graph = self._log_mel()
        graph.add("MatMul", graph.constant("dct", _dct(self.bands)), "log_mel", name="shape")
        bend = graph.constant("bend", np.diff(np.eye(self.bands), 2, axis=0))
        tonality = graph.add("Abs", graph.add("MatMul", bend, "log_mel"))
        levels = [
            graph.over_time(reduction, "log_mel")
            for reduction in ("ReduceMean", "ReduceMax", "ReduceMin")
        ]
        spreads = graph.add(
            "Concat",
            graph.deviation("log_mel"),
            graph.deviation("shape"),
            *(graph.mean_step("shape", lag) for lag in self.lags),
            graph.over_time("ReduceMean", tonality),
            axis=1,
        )
        graph.add(
            "Concat", *levels, graph.log(spreads, self.spread_floor), name="embedding", axis=1
        )
        return graph.model("embedding", self.dim)

    def build_log_mel(self) -> onnx.ModelProto:
        """``waveform`` float32 ``[batch, samples]`` → ``log_mel`` ``[batch, bands, frames]``."""
        return self._log_mel().model("log_mel", self.bands, "frames")

    def _log_mel(self) -> _Graph:
        mel = self._mel()
        heard = np.flatnonzero(mel.any(axis=0))
        bins = np.arange(heard[0], heard[-1] + 1)
        graph = _Graph(f"melstats_{self.sample_rate}")
        signal = graph.add("Unsqueeze", "waveform", graph.constant("channel_axis", [1]))
        dft = graph.constant("dft", self._dft(bins))
        waves = graph.add("Conv", signal, dft, strides=[self.hop])
        squares = graph.add("Mul", waves, waves)
        # Real parts above, imaginary parts below: the filters laid twice side by side add them.
        filters = graph.constant("mel", np.tile(mel[:, bins], 2))
        energy = graph.add("MatMul", filters, squares)
        graph.log(energy, self.floor, name="log_mel")
        return graph

    def _dft(self, bins: Array) -> Array:
        """Hann-windowed cosines, then sines, of unit energy: ``[2 * bins, 1, n_fft]``."""
        phase = 2 * np.pi * np.arange(self.n_fft) / self.n_fft
        window = (1 - np.cos(phase)) / 2
        # Whole turns are taken off before they are multiplied by 2 pi: exact, and so portable.
        turns = np.outer(bins, np.arange(self.n_fft)) % self.n_fft
        angle = 2 * np.pi * turns / self.n_fft
        waves = np.concatenate((np.cos(angle), np.sin(angle)))
        waves *= window / np.linalg.norm(window)
        return waves.round(DECIMALS)[:, np.newaxis, :]

    def _mel(self) -> Array:
        """Filters over the DFT's bins whose weights add up to about 1: ``[bands, bins]``."""
        from librosa.filters import mel  # a second to import, and only needed when a graph is built

        density = mel(
            sr=self.sample_rate,
            n_fft=self.n_fft,
            n_mels=self.bands,
            fmin=self.fmin,
            fmax=self.fmax,
            dtype=np.float64,
        )
        return np.asarray(density * self.sample_rate / self.n_fft).round(DECIMALS)


def _dct(size: int) -> Array:
    """The orthonormal DCT-II as a matrix ``[coefficient, band]``."""
    order, band = np.ogrid[:size, :size]
    matrix = np.cos(np.pi * order * (2 * band + 1) / (2 * size)) * np.sqrt(2 / size)
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix.round(DECIMALS))


class _Graph:
    """Nodes and constants in the making; every method returns the name of what it added."""

    def __init__(self, title: str) -> None:
        self._title = title
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
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def log(self, values: str, floor: float, name: str = "") -> str:
        """``log(values + floor)``."""
        raised = self.add("Add", values, self.constant(f"{values}_floor", [floor]))
        return self.add("Log", raised, name=name)

    def over_time(self, reduction: str, series: str, keepdims: int = 0) -> str:
        """``[batch, bands, frames]`` → ``[batch, bands]``."""
        return self.add(reduction, series, axes=[2], keepdims=keepdims)

    def deviation(self, series: str) -> str:
        """The standard deviation over time (of the population, as numpy's)."""
        centred = self.add("Sub", series, self.over_time("ReduceMean", series, keepdims=1))
        variance = self.over_time("ReduceMean", self.add("Mul", centred, centred))
        return self.add("Sqrt", variance)

    def mean_step(self, series: str, lag: int) -> str:
        """The mean over time of ``|series[t + lag] - series[t]|``."""
        axis = self.constant("time_axis", [2])
        start, shift = self.constant("start", [0]), self.constant(f"lag_{lag}", [lag])
        before_end = self.constant(f"before_{lag}", [-lag])
        end = self.constant("end", [np.iinfo(np.int64).max])
        later = self.add("Slice", series, shift, end, axis)
        earlier = self.add("Slice", series, start, before_end, axis)
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
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        onnx.checker.check_model(model, full_check=True)
        return model
