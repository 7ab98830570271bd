"""``earshot explain``: what an answer hangs on, as a picture."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from earshot.cli import AsJson
from rich.console import Console

if TYPE_CHECKING:
    from earshot.recording import Explanation, Prediction, Waveform
    from matplotlib.axes import Axes

console = Console()


def explain(
    bundle: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="A model version's folder.")
    ],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A recording.")],
    out: Annotated[Path, typer.Option(help="The folder for the picture and the figures.")],
    as_json: AsJson = False,
) -> None:
    """Draw which times and frequencies of a recording the model's answer hangs on."""
    # Help lists this command, too, and need not wait for what hears.
    from earshot import explanation
    from earshot.audio import decode, resample
    from earshot.bundle import Bundle
    from earshot.detector import Detector

    detector = Detector(Bundle.load(bundle))
    waveform = decode(file.read_bytes())
    hearing = detector.hear(waveform)
    prediction = detector.judge(hearing, waveform.duration_s)
    found = explanation.explain(detector, waveform, hearing, prediction.label)
    out.mkdir(parents=True, exist_ok=True)
    figures, picture = out / f"{file.name}.json", out / f"{file.name}.png"
    # As the API answers it.
    explained = {**asdict(found), "unit": "nats", "method": "occlusion"}
    figures.write_text(json.dumps(explained, indent=1), encoding="utf-8")
    draw(resample(waveform, detector.card.sample_rate), prediction, found, picture)
    if as_json:
        answer = {
            name: getattr(prediction, name)
            for name in ("label", "confidence", "decision", "model_version")
        }
        places = {"file": str(file), "picture": str(picture), "figures": str(figures)}
        print(json.dumps({**places, **answer, "explanation": explained}))
        return
    console.print(
        f"{prediction.label}, {prediction.confidence:.3f}: see {picture} and {figures}.",
        markup=False,
    )


def draw(waveform: Waveform, prediction: Prediction, found: Explanation, path: Path) -> None:
    """The spectrogram of what was explained, and below it the importance of each cell, as PNG.

    ``waveform`` is at the model's rate. Bands are drawn equally high, beside them what the answer
    loses without the whole band, and below the times what it loses without the whole time.
    """
    # A second to import, and only pictures need it. No display is touched.
    import numpy as np
    from matplotlib.figure import Figure

    importance = np.array(found.importance)
    figure = Figure(figsize=(9, 8), layout="constrained")
    grid = figure.add_gridspec(3, 2, width_ratios=(5, 1), height_ratios=(3, 3, 1))
    sound, cells, beside, below = (
        figure.add_subplot(grid[place]) for place in ((0, 0), (1, 0), (1, 1), (2, 0))
    )
    figure.suptitle(
        f"{prediction.label} {prediction.confidence:.2f} ({prediction.decision}), "
        f"{prediction.model_version}\n"
        f"{found.start_s:.2f} to {found.end_s:.2f} s explained: "
        f"{found.label} {found.baseline_confidence:.2f}",
        parse_math=False,
    )
    _spectrogram(sound, waveform, found)
    most = max(float(np.abs(importance).max()), 1e-3)
    bands = np.arange(len(found.frequencies_hz))
    mesh = cells.pcolormesh(found.times_s, bands, importance, cmap="RdBu_r", vmin=-most, vmax=most)
    scale = figure.add_subplot(grid[2, 1])
    figure.colorbar(mesh, cax=scale, orientation="horizontal", label="nats of log-odds")
    _label_bands(cells, found)
    beside.barh(bands[:-1] + 0.5, found.band_importance, height=0.8)
    beside.set(ylim=(0, bands[-1]), yticks=[], title="whole band")
    edges = np.array(found.times_s)
    below.bar((edges[:-1] + edges[1:]) / 2, found.time_importance, width=0.8 * np.diff(edges))
    below.set(xlim=(edges[0], edges[-1]), xlabel="time (s)", ylabel="whole time")
    figure.savefig(path, dpi=120)


def _spectrogram(axes: Axes, waveform: Waveform, found: Explanation) -> None:
    import numpy as np
    from earshot.recording import Waveform

    from retrain.pictures import levels

    rate = waveform.sample_rate
    start, end = (round(edge * rate) for edge in (found.start_s, found.end_s))
    at_s, hz, level_db = levels(Waveform(waveform.samples[start:end], rate))
    place = np.interp(hz, found.frequencies_hz, np.arange(len(found.frequencies_hz)))
    axes.pcolormesh(
        found.start_s + at_s, place, level_db, cmap="magma", shading="nearest", rasterized=True
    )
    axes.set_xlim(found.start_s, found.end_s)
    _label_bands(axes, found)


def _label_bands(axes: Axes, found: Explanation) -> None:
    edges = found.frequencies_hz
    axes.set_yticks(range(len(edges)), [f"{edge / 1000:.2g}" for edge in edges])
    axes.set(ylabel="frequency (kHz)", ylim=(0, len(edges) - 1))
