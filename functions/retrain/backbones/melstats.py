"""Log-mel statistics: a backbone with nothing to learn, so it can be built anywhere, any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from earshot.audio import ULTRASOUND

from retrain.backbones.graph import DECIMALS, Graph, dct, dft, hann, mel_bands
from retrain.backbones.options import check_hearing, configured

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    Array = np.ndarray[Any, np.dtype[Any]]


def build(sample_rate: int, options: Mapping[str, Any]) -> onnx.ModelProto:
    """The graph at ``sample_rate`` Hz with ``options``, which are fields of MelStats.

    By default FFT and hop keep their duration in seconds. Not so for ultrasound, where the DFT as
    a convolution would weigh 268 MB (at 256 kHz) and its 32 ms would smear a bat's call: there the
    FFT has 1,024 samples and hearing starts higher. Raises BadApplication.
    """
    scale = sample_rate / MelStats.sample_rate
    if sample_rate >= ULTRASOUND:
        spec = MelStats(sample_rate, n_fft=1024, hop=512, fmin=sample_rate / 32)
    else:
        spec = MelStats(
            sample_rate, n_fft=round(MelStats.n_fft * scale), hop=round(MelStats.hop * scale)
        )
    spec = configured(spec, options)
    needed = spec.n_fft + max(spec.lags) * spec.hop
    check_hearing(sample_rate, spec.n_fft, needed, spec.fmin, spec.fmax)
    return spec.build()


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
        graph = self.listen()
        self.describe(graph, "embedding")
        return graph.model("embedding", self.dim)

    def describe(self, graph: Graph, name: str) -> None:
        """Add the statistics of the series ``energy``, ``[batch, dim]``, as ``name``."""
        graph.log("energy", self.floor, name="log_mel")
        graph.add("MatMul", graph.constant("dct", dct(self.bands)), "log_mel", name="shape")
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
        graph.add("Concat", *levels, graph.log(spreads, self.spread_floor), name=name, axis=1)

    def build_log_mel(self) -> onnx.ModelProto:
        """``waveform`` float32 ``[batch, samples]`` → ``log_mel`` ``[batch, bands, frames]``."""
        graph = self.listen()
        graph.log("energy", self.floor, name="log_mel")
        return graph.model("log_mel", self.bands, "frames")

    def listen(self) -> Graph:
        """A graph in the making, with the series ``energy``: the power in each band and frame."""
        mel = self._mel()
        heard = np.flatnonzero(mel.any(axis=0))
        bins = np.arange(heard[0], heard[-1] + 1)
        window = hann(self.n_fft)
        window /= np.linalg.norm(window)
        graph = Graph(f"melstats_{self.sample_rate}")
        kernel = graph.constant("dft", dft(bins, self.n_fft, window))
        waves = graph.add("Conv", graph.signal(), kernel, strides=[self.hop])
        squares = graph.add("Mul", waves, waves)
        # Real parts above, imaginary parts below: the filters laid twice side by side add them.
        filters = graph.constant("mel", np.tile(mel[:, bins], 2))
        graph.add("MatMul", filters, squares, name="energy")
        return graph

    def _mel(self) -> Array:
        """Filters over the DFT's bins whose weights add up to about 1: ``[bands, bins]``."""
        density = mel_bands(self.sample_rate, self.n_fft, self.bands, self.fmin, self.fmax)
        return (density * self.sample_rate / self.n_fft).round(DECIMALS)
