"""Why a label was answered: what its odds lose when a stretch of time and frequency is quiet.

Occlusion (Zeiler and Fergus, ECCV 2014), in the short-time Fourier transform of the waveform, so
that it works for every model whatever it computes from the sound.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from earshot.audio import ULTRASOUND, resample
from earshot.detector import BATCH, window_starts
from earshot.recording import Explanation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from earshot.detector import Detector, Hearing
    from earshot.recording import Samples, Waveform

# With the passes for whole bands, whole times and everything 99 windows go through the model.
BANDS = 8
TIMES = 10
# About the length of an STFT frame, and the least of a cell.
FRAME_S = 0.032
# A mask rises over so much of a cell, half of it in the neighbour: no step that would click.
FADE = 0.5
# What is taken out gives way to noise as soft as the softest tenth of the stretch. Digital silence,
# or one constant level, would be a thing to hear that no model was taught.
FLOOR_QUANTILE = 0.1
SEED = 20
# What a float32 softmax rounds to nothing: odds stay finite.
SMALLEST = float(np.finfo(np.float32).tiny)


def explain(detector: Detector, waveform: Waveform, hearing: Hearing, label: str) -> Explanation:
    """Occlude the window of a recording in which ``label`` is most probable, region by region.

    ``hearing`` is what ``detector`` heard in ``waveform``. An importance is the fall of the
    label's log-odds, ln(p / (1 - p)), not of p, which hardly moves while the model is sure.
    Negative is what speaks against the label. A sound that lasts may survive the loss of any one
    cell; the loss of its whole band, or of a time across all bands, then tells.
    """
    card = detector.card
    number = card.labels.index(label)
    samples = resample(waveform, card.sample_rate).samples
    window = round(card.window_s * card.sample_rate)
    starts = window_starts(len(samples), window, round(card.hop_s * card.sample_rate))
    start = starts[int(hearing.probabilities[:, number].argmax())]
    stretch = samples[start : start + window]

    frame = frame_length(card.sample_rate)
    times = max(1, min(TIMES, len(stretch) // frame))
    time_edges = np.linspace(0, len(stretch), times + 1) / card.sample_rate
    frequency_edges = band_edges(card.sample_rate)
    intact = detector.probabilities(stretch[np.newaxis])
    occluded = occlusions(stretch, card.sample_rate, time_edges, frequency_edges)
    answers = [detector.probabilities(np.stack(batch)) for batch in _batches(occluded, BATCH)]
    falls = _log_odds(intact, number) - _log_odds(np.concatenate(answers), number)
    table = falls.reshape(BANDS + 1, times + 1)
    return Explanation(
        label=label,
        start_s=round(start / card.sample_rate, 4),
        end_s=round((start + len(stretch)) / card.sample_rate, 4),
        times_s=_rounded(start / card.sample_rate + time_edges),
        frequencies_hz=_rounded(frequency_edges),
        importance=tuple(_rounded(row) for row in table[:-1, :-1]),
        band_importance=_rounded(table[:-1, -1]),
        time_importance=_rounded(table[-1, :-1]),
        baseline_confidence=float(intact[0, number]),
    )


def frame_length(sample_rate: int) -> int:
    """The power of two next to FRAME_S, in samples."""
    return 1 << round(math.log2(FRAME_S * sample_rate))


def band_edges(sample_rate: int) -> NDArray[np.float64]:
    """Edges in Hz ``[BANDS + 1]`` from 0 to the Nyquist frequency, equally far apart in mel.

    The mel scale is O'Shaughnessy's (1987); ultrasound is divided equally in Hz.
    """
    nyquist = sample_rate / 2
    # No ear's scale divides ultrasound: its bands are equal in Hz.
    if sample_rate >= ULTRASOUND:
        return np.linspace(0, nyquist, BANDS + 1)
    mel = np.linspace(0, np.log1p(nyquist / 700), BANDS + 1)
    # Exact at the end, where rounding would leave the last bin outside.
    return np.append(700 * np.expm1(mel[:-1]), nyquist)


def stft(samples: Samples, frame: int) -> NDArray[np.complex64]:
    """``[n]`` → ``[frames, frame // 2 + 1]``; frame t is centred on sample ``t * frame // 2``.

    The window is the root of a Hann window, here and in ``istft``, and frames overlap by half:
    together they weigh every sample by exactly 1 (the condition of Princen and Bradley, 1986).
    """
    hop = frame // 2
    padded = np.pad(samples, (hop, hop + -len(samples) % hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, frame)[::hop]
    return np.fft.rfft(frames * _window(frame)).astype(np.complex64, copy=False)


def istft(spectrum: NDArray[np.complex64], frame: int) -> Samples:
    """The frames' sounds overlapped and added: ``[(frames + 1) * frame // 2]``.

    The first sample lies half a frame before the centre of the first frame.
    """
    hop = frame // 2
    frames = np.fft.irfft(spectrum, frame) * _window(frame)
    sound = np.zeros((len(frames) + 1, hop), dtype=np.float32)
    sound[:-1] += frames[:, :hop]
    sound[1:] += frames[:, hop:]
    return sound.reshape(-1)


def occlusions(
    samples: Samples,
    sample_rate: int,
    time_edges: NDArray[np.float64],
    frequency_edges: NDArray[np.float64],
) -> Iterator[Samples]:
    """The sound ``[n]`` without one region, for each region, bands low to high and times inside.

    What a region holds above the recording's floor is taken out of the sound itself, so that all
    else stays as it is. After the cells of a band comes the band at all times; after all bands
    each time in all bands, and last everything: ``(bands + 1) * (times + 1)`` sounds. A time
    between two edges is at least a frame long, unless there is only one.
    """
    frame = frame_length(sample_rate)
    hop = frame // 2
    spectrum = stft(samples, frame)
    above = spectrum - stft(_floor(spectrum, len(samples)), frame)
    in_time = _masks(np.arange(len(spectrum)) * hop / sample_rate, time_edges)
    in_band = _masks(np.arange(hop + 1) * sample_rate / frame, frequency_edges)
    for band, time in itertools.product(in_band, in_time):
        first, last = np.flatnonzero(time)[[0, -1]]
        inside = slice(first, last + 1)
        region = istft(above[inside] * band * time[inside, np.newaxis], frame)
        # Frame 0 is centred on sample 0: half of it lies before the sound.
        start = (first - 1) * hop
        quiet = samples.copy()
        part = quiet[max(start, 0) : start + len(region)]
        part -= region[max(-start, 0) :][: len(part)]
        yield quiet


def _floor(spectrum: NDArray[np.complex64], length: int) -> Samples:
    """White noise ``[length]`` as soft as the softest part of a spectrum, the same every time.

    Of noise the power in a bin is distributed exponentially; its quantile tells the mean.
    """
    softest = float(np.quantile(np.abs(spectrum), FLOOR_QUANTILE))
    power = softest**2 / -math.log(1 - FLOOR_QUANTILE)
    # Each bin sums the squared window over a frame: half a frame.
    deviation = math.sqrt(power / (spectrum.shape[1] - 1))
    noise = np.random.default_rng(SEED).standard_normal(length, dtype=np.float32)
    return np.asarray(noise * np.float32(deviation))


def _masks(at: NDArray[np.float64], edges: NDArray[np.float64]) -> Samples:
    """Cells between edges, cross-faded so that they add up to 1, and a last row of ones.

    ``[points]`` and ``[n + 1]`` → ``[n + 1, points]``.
    """
    place = np.interp(at, edges, np.arange(len(edges)))
    past = np.clip((place - np.arange(len(edges))[:, np.newaxis]) / FADE + 0.5, 0, 1)
    risen = np.sin(np.pi / 2 * past) ** 2
    # Nothing lies before the first edge and nothing after the last one.
    risen[0], risen[-1] = 1, 0
    return np.vstack((risen[:-1] - risen[1:], np.ones(len(at)))).astype(np.float32)


def _window(frame: int) -> Samples:
    return np.sin(np.pi * np.arange(frame) / frame).astype(np.float32)


def _log_odds(probabilities: Samples, number: int) -> NDArray[np.float64]:
    """``[batch, labels]`` → ``[batch]``; the others are added up, for 1 - p would cancel."""
    mine = probabilities[:, number].astype(np.float64)
    others = np.delete(probabilities, number, axis=1).sum(axis=1, dtype=np.float64)
    return np.asarray(np.log(np.maximum(mine, SMALLEST) / np.maximum(others, SMALLEST)))


def _batches(sounds: Iterator[Samples], size: int) -> Iterator[list[Samples]]:
    while batch := list(itertools.islice(sounds, size)):
        yield batch


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(values.round(4).tolist())
