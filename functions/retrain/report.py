"""An evaluation as files: ``evaluation.json``, pictures, and one page that holds it all."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from earshot.bundle import EVALUATION_FILE

from retrain import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from earshot.bundle import ModelCard
    from earshot.recording import Prediction

    from retrain.folder import Heard

PAGE_FILE = "evaluation.html"
WORST = 8
# The figures of a page, by what they are called there.
SUMMARY = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "macro_roc_auc": "Macro ROC-AUC",
    "log_loss": "Log-loss",
    "brier": "Brier score",
    "ece": "Calibration error (ECE)",
    "accepted_share": "Accepted",
    "accepted_accuracy": "Accuracy of the accepted",
}
PER_LABEL = {"precision": "Precision", "recall": "Recall", "f1": "F1", "roc_auc": "ROC-AUC"}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a version answered to clips: ``known`` are of its labels, ``strange`` of none.

    ``notes`` say which clips were left out, and why.
    """

    card: ModelCard
    folder: str
    known: Sequence[Heard[Prediction]]
    strange: Sequence[Heard[Prediction]]
    notes: Sequence[str]

    def figures(self) -> dict[str, Any]:
        """``metrics`` over the known clips, and the share answered uncertain of the strange."""
        return {
            "version": self.card.version,
            "folder": self.folder,
            "labels": list(self.card.labels),
            "metrics": figures.measure(
                _probabilities(self.known, self.card.labels),
                [one.file.label for one in self.known],
                [one.group for one in self.known],
                self.card.labels,
                [one.made.decision == "accepted" for one in self.known],
            ),
            "none_of_the_classes": {
                "uncertain": _uncertain(self.strange),
                "per_label": {
                    label: _uncertain([one for one in self.strange if one.file.label == label])
                    for label in sorted({one.file.label for one in self.strange})
                },
            },
            "left_out": list(self.notes),
        }

    def worst(self) -> list[Heard[Prediction]]:
        """The most confident mistakes, the most confident first."""
        mistakes = [one for one in self.known if one.made.label != one.file.label]
        return sorted(mistakes, key=lambda one: -one.made.confidence)[:WORST]


def write(evaluation: Evaluation, out: Path) -> None:
    """Write ``evaluation.json``, ``evaluation.html`` and the pictures into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    found = evaluation.figures()
    clips = [_row(one) for one in (*evaluation.known, *evaluation.strange)]
    (out / EVALUATION_FILE).write_text(json.dumps({**found, "clips": clips}, indent=1))
    pictures = _pictures(evaluation, found["metrics"])
    for name, by_theme in pictures.items():
        (out / f"{name}.png").write_bytes(by_theme["light"])
    (out / PAGE_FILE).write_text(_page(evaluation, found, pictures), encoding="utf-8")


def interval(bounds: Sequence[float] | None) -> str:
    """``[low, high]`` for people, or nothing."""
    return "" if bounds is None else f"[{bounds[0]:.3f}, {bounds[1]:.3f}]"


def figure(value: float | None) -> str:
    """A figure for people."""
    return "-" if value is None else f"{value:.3f}"


def _row(one: Heard[Prediction]) -> dict[str, Any]:
    return {
        "file": str(one.file.path),
        "sha256": one.sha256,
        "group": one.group,
        "label": one.file.label,
        "answer": one.made.label,
        "decision": one.made.decision,
        "probabilities": [round(p, 6) for p in one.made.probabilities.values()],
    }


def _probabilities(heard: Sequence[Heard[Prediction]], labels: Sequence[str]) -> Any:
    rows = [[one.made.probabilities[label] for label in labels] for one in heard]
    return np.array(rows, dtype=np.float32).reshape(-1, len(labels))


def _uncertain(heard: Sequence[Heard[Prediction]]) -> dict[str, Any]:
    return figures.share(
        [one.made.decision == "uncertain" for one in heard], [one.group for one in heard]
    )


def _pictures(evaluation: Evaluation, metrics: dict[str, Any]) -> dict[str, dict[str, bytes]]:
    """PNG files by name and theme; there is nothing to see where there is no clip."""
    # A second to import, and only this needs it.
    from retrain import pictures

    labels = evaluation.card.labels
    truth = [one.file.label for one in evaluation.known]
    probabilities = _probabilities(evaluation.known, labels)
    drawn: dict[str, Callable[[], Any]] = {}
    if truth:
        bins = figures.reliability(probabilities, truth, labels)
        drawn["confusion"] = partial(pictures.confusion_matrix, metrics["confusion"], labels)
        drawn["reliability"] = partial(pictures.reliability_diagram, bins, metrics["ece"])
    areas = {label: row["roc_auc"] for label, row in metrics["per_label"].items()}
    if areas := {label: area for label, area in areas.items() if area is not None}:
        drawn["roc"] = partial(pictures.roc_curves, probabilities, truth, labels, areas)
    if worst := evaluation.worst():
        errors = [(_mistake(one), one.file.audio()) for one in worst]
        drawn["errors"] = partial(pictures.spectrograms, errors)
    return {
        name: {theme: pictures.png(picture, theme) for theme in pictures.THEMES}
        for name, picture in drawn.items()
    }


def _mistake(one: Heard[Prediction]) -> str:
    said = f"{one.made.label} {one.made.confidence:.2f} ({one.made.decision})"
    return f"{one.file.label}, answered {said}\n{one.file.path.name}"


CAPTIONS = {
    "confusion": "Confusion matrix: clips by their label and the answer.",
    "reliability": "Reliability diagram: how often answers of each confidence are right.",
    "roc": "ROC curves: each label against the others.",
    "errors": "Spectrograms of the most confident mistakes.",
}

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2530; --faint: #5b6675; --line: #d8dee7;
  --card: #f5f7fa; }
@media (prefers-color-scheme: dark) { :root { --paper: #171c24; --ink: #e4e8ee; --faint: #9aa5b4;
  --line: #313a47; --card: #1f2630; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 68rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; }
.faint { color: var(--faint); overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: .75rem;
  margin: 1.5rem 0; padding: 0; }
.figures div { background: var(--card); border-radius: .5rem; padding: .75rem 1rem; }
.figures dt { color: var(--faint); font-size: .85rem; }
.figures dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.figures small { display: block; font-size: .8rem; color: var(--faint); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: .35rem .75rem; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } td small { color: var(--faint); }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
figure { margin: 0; max-width: 100%; }
.pictures figure { flex: 1 1 26rem; max-width: 31rem; }
img { max-width: 100%; height: auto; display: block; }
"""


def _page(
    evaluation: Evaluation, found: dict[str, Any], pictures: dict[str, dict[str, bytes]]
) -> str:
    """One HTML page that asks for nothing from anywhere."""
    metrics, intervals = found["metrics"], found["metrics"]["intervals"]
    card = evaluation.card
    summary = "".join(
        f"<div><dt>{name}</dt><dd>{figure(metrics[key])}"
        f"<small>{interval(intervals[key]) or '&nbsp;'}</small></dd></div>"
        for key, name in SUMMARY.items()
    )
    rows = [
        [
            escape(label),
            str(metrics["per_label"][label]["clips"]),
            *(
                f"{figure(metrics['per_label'][label][key])} "
                f"<small>{interval(intervals['per_label'][label][key])}</small>"
                for key in PER_LABEL
            ),
        ]
        for label in card.labels
    ]
    small = [_picture(name, pictures[name]) for name in pictures if name != "errors"]
    parts = [
        f"<h1>{escape(card.version)}</h1>",
        f'<p class="faint">{escape(_said_of(evaluation, metrics))}</p>',
    ]
    if metrics["clips"]:
        parts += [
            f'<dl class="figures">{summary}</dl>',
            "<h2>By label</h2>",
            _table(("", "Clips", *PER_LABEL.values()), rows),
        ]
    if found["none_of_the_classes"]["uncertain"]["clips"]:
        parts += ["<h2>None of the classes</h2>", _strangers(found["none_of_the_classes"])]
    if small:
        parts += ["<h2>In pictures</h2>", f'<div class="pictures">{"".join(small)}</div>']
    if "errors" in pictures:
        parts += ["<h2>The most confident mistakes</h2>", _picture("errors", pictures["errors"])]
    if evaluation.notes:
        listed = "".join(f"<li>{escape(note)}</li>" for note in evaluation.notes)
        parts += ["<h2>Left out</h2>", f"<ul>{listed}</ul>"]
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(card.version)}: evaluation</title><style>{STYLE}</style>"
        f"<body>\n{''.join(parts)}\n</body></html>\n"
    )


def _said_of(evaluation: Evaluation, metrics: dict[str, Any]) -> str:
    card = evaluation.card
    return (
        f"{card.application}, {card.backbone}. {metrics['clips']} clips of "
        f"{metrics['recordings']} recordings in {evaluation.folder}, none of them learnt from. "
        "In brackets: 95% intervals, by resampling recordings."
    )


def _strangers(found: dict[str, Any]) -> str:
    shares = {"all": found["uncertain"], **found["per_label"]}
    rows = [
        [
            escape(label),
            str(share["clips"]),
            f"{figure(share['share'])} <small>{interval(share['interval'])}</small>",
        ]
        for label, share in shares.items()
    ]
    return _table(("", "Clips", "Answered uncertain"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    names = "".join(f"<th>{name}</th>" for name in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{names}</tr>{lines}</table></div>'


def _picture(name: str, by_theme: dict[str, bytes]) -> str:
    light, dark = (
        f"data:image/png;base64,{base64.b64encode(by_theme[theme]).decode()}"
        for theme in ("light", "dark")
    )
    return (
        f'<figure><picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{CAPTIONS[name]}"></picture></figure>'
    )
