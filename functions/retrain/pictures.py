"""An evaluation in pictures: PNG files for light pages and for dark ones.

Drawn by matplotlib's own canvas for files; no display is touched.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from earshot import explanation
from earshot.evaluation import BINS
from matplotlib import rc_context
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from earshot.recording import Samples, Waveform
    from matplotlib.axes import Axes

    Picture = Callable[[], Figure]
    Array = np.ndarray[Any, np.dtype[Any]]

DPI = 110
ACCENT, WARNING = "#3f78d8", "#d2691e"
# What the ink is on, and the ink.
THEMES = {"light": ("#ffffff", "#1d2530"), "dark": ("#171c24", "#e4e8ee")}
# More labels than this are not written into cells, or drawn as curves of their own.
READABLE = 16
CURVES = 10
# The softest that a spectrogram shows, in dB below its loudest.
DEPTH_DB = 80


def png(picture: Picture, theme: str) -> bytes:
    """Draw a picture as PNG for a ``light`` or ``dark`` page."""
    paper, ink = THEMES[theme]
    inks = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    papers = ("figure.facecolor", "axes.facecolor", "legend.facecolor")
    # matplotlib's types want each name spelt out.
    settings: Any = {
        **dict.fromkeys(inks, ink),
        **dict.fromkeys(papers, paper),
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        # Labels and names of files are no formulas.
        "text.parse_math": False,
    }
    file = io.BytesIO()
    with rc_context(settings):
        picture().savefig(file, dpi=DPI, format="png")
    return file.getvalue()


def confusion_matrix(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> Figure:
    """Clips by their label (rows) and the answer; shades are shares of a row."""
    counts = np.array(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(4.2, min(16.0, 1.6 + 0.75 * len(labels)))
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places = range(len(labels))
    axes.set_xticks(places, labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, labels)
    axes.set(xlabel="answer", ylabel="label", title="Confusion matrix")
    axes.spines[:].set_visible(False)
    if len(labels) <= READABLE:
        for row, column in np.ndindex(counts.shape):
            dark = shares[row, column] > 0.5
            axes.text(
                column,
                row,
                f"{counts[row, column]}\n{shares[row, column]:.0%}" if counts[row, column] else "·",
                ha="center",
                va="center",
                color="white" if dark else "#33415a",
            )
    scale = figure.colorbar(image, shrink=0.8, format=lambda share, _: f"{share:.0%}")
    scale.set_label("share of the label's clips")
    scale.outline.set_visible(False)
    return figure


def reliability_diagram(bins: Sequence[dict[str, Any]], ece: float) -> Figure:
    """How often answers of a confidence are right, and how many answers there are of each."""
    figure = Figure(figsize=(5, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    edges = [row["low"] for row in bins]
    above.plot((0, 1), (0, 1), color="gray", linestyle="--", linewidth=1, label="as should be")
    above.bar(
        edges,
        [row["accuracy"] for row in bins],
        width=0.92 / BINS,
        align="edge",
        color=ACCENT,
        alpha=0.85,
        label="share that is right",
    )
    above.plot(
        [row["confidence"] for row in bins],
        [row["accuracy"] for row in bins],
        "o",
        color=WARNING,
        label="mean confidence",
    )
    above.set(ylim=(0, 1.02), ylabel="share that is right", title=f"Reliability: ECE {ece:.3f}")
    figure.legend(loc="outside lower center", ncols=3, fontsize=8.5)
    below.bar(edges, [row["clips"] for row in bins], width=0.92 / BINS, align="edge", color="gray")
    below.set(xlim=(0, 1), xlabel="confidence", ylabel="clips")
    return figure


def roc_curves(
    probabilities: Samples, truth: Sequence[str], labels: Sequence[str], areas: dict[str, float]
) -> Figure:
    """Each label against the others, those least well told apart first."""
    figure = Figure(figsize=(5.6, 5.4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot((0, 1), (0, 1), color="gray", linestyle="--", linewidth=1)
    is_label = np.array(truth)
    for label, area in sorted(areas.items(), key=lambda pair: pair[1])[:CURVES]:
        wrongly, rightly, _ = roc_curve(is_label == label, probabilities[:, labels.index(label)])
        axes.plot(wrongly, rightly, label=f"{label} {area:.3f}")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title(f"ROC, {'each label' if len(areas) <= CURVES else 'the worst labels'}: area")
    axes.legend(loc="lower right")
    return figure


def spectrograms(errors: Sequence[tuple[str, Waveform]]) -> Figure:
    """Titled recordings, two in a row; each one's loudest point is the top of its scale."""
    rows = (len(errors) + 1) // 2
    figure = Figure(figsize=(10, 0.5 + 2.6 * rows), layout="constrained")
    places = figure.subplots(rows, 2, squeeze=False).ravel()
    for axes, (title, waveform) in zip(places, errors, strict=False):
        _spectrogram(axes, waveform)
        axes.set_title(title, loc="left", fontsize=9.5)
    for axes in places[len(errors) :]:
        axes.set_visible(False)
    return figure


def levels(waveform: Waveform) -> tuple[Array, Array, Array]:
    """A spectrogram: seconds ``[frames]``, Hz ``[bins]``, its dB ``[bins, frames]``."""
    rate = waveform.sample_rate
    frame = explanation.frame_length(rate)
    power = np.abs(explanation.stft(waveform.samples, frame)).T ** 2
    level_db = 10 * np.log10(power / max(float(power.max()), 1e-30) + 10 ** (-DEPTH_DB / 10))
    at_s = np.arange(power.shape[1]) * (frame // 2) / rate
    return at_s, np.arange(power.shape[0]) * rate / frame, level_db


def _spectrogram(axes: Axes, waveform: Waveform) -> None:
    at_s, hz, level_db = levels(waveform)
    khz = hz / 1000
    axes.pcolormesh(at_s, khz, level_db, cmap="magma", vmin=-DEPTH_DB, vmax=0, rasterized=True)
    axes.set(xlabel="time (s)", ylabel="kHz")
