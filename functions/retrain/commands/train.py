"""``earshot train``: a model from a folder of labelled clips."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from earshot.bundle import CARD_FILE, EMBEDDINGS_FILE
from earshot.cli import AsJson
from earshot.errors import BadDataset
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from retrain.commands.options import ApplicationFile, BackboneName, Clips, Only, Relabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earshot.bundle import ModelCard

console = Console()


def train(
    folder: Clips,
    out: Annotated[Path, typer.Option(help="Where the bundle is written; must not exist.")],
    application: ApplicationFile = None,
    backbone: BackboneName = None,
    only: Only = None,
    relabel: Relabel = None,
    background: Annotated[
        list[Path] | None,
        typer.Option(help="Clips of other sounds, to learn what to refuse from. Repeatable."),
    ] = None,
    similar: Annotated[
        list[str] | None,
        typer.Option(help="A label of the background that sounds like yours; left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model bundle on a folder of labelled clips, and report how well it hears."""
    # Only this command pays for scikit-learn.
    from retrain import backbones, training
    from retrain.backbones.folder import BackboneFolder
    from retrain.copies import alter_clips, teach_silence
    from retrain.dataset import Seed, split
    from retrain.export import Embedder
    from retrain.folder import Selection, application_of, labelled_files, read_clips
    from retrain.noise import embed_noises

    if out.exists():
        raise BadDataset(f"{out} exists already; a bundle is never overwritten. Choose another.")
    files = labelled_files(folder, Selection.parse(only or (), relabel or ()))
    listens = application_of(files, folder, application, backbone)
    known = {*listens.labels, *(similar or ())}
    strange = [
        file
        for other in background or ()
        for file in labelled_files(other)
        if file.label not in known
    ]
    hears = backbones.of_application(listens, BackboneFolder.of_user().read)
    embed = Embedder(hears, listens.window_s, listens.hop_s)
    bar = Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    with bar:
        reading = bar.add_task("embedding", total=len(files) + len(strange))
        clips, notes = read_clips(files, embed, lambda: bar.advance(reading))
        altering = bar.add_task("altering", total=100)
        clips = alter_clips(
            clips,
            listens,
            embed,
            advance=lambda share: bar.update(altering, completed=round(100 * share)),
        ).clips
        clips = teach_silence(clips, listens, embed)
        others, other_notes = read_clips(strange, embed, lambda: bar.advance(reading))
        dataset = split(
            clips,
            listens.labels,
            [*notes, *other_notes],
            listens.min_recordings,
            others,
            embed_noises(listens.sample_rate, listens.window_s, embed),
        )
        fitting = bar.add_task("fitting", total=100)

        def report(stage: str, share: float, _: Sequence[dict[str, Any]]) -> None:
            bar.update(fitting, description=stage, completed=round(100 * share))

        made = training.train(dataset, hears, listens, parent=None, progress=report)
        bar.update(fitting, description="done", completed=100)
    out.mkdir(parents=True)
    for name, content in made.files.items():
        (out / name).write_bytes(content)
    seed = Seed(clips, dataset.background)
    seed.save(out / EMBEDDINGS_FILE, made.bundle.card.embedding_id)
    # The card comes last: a folder without it is not a bundle.
    (out / CARD_FILE).write_text(made.bundle.card.to_json(), encoding="utf-8")
    if as_json:
        found = {"notes": list(dataset.notes), "latency_ms": made.latency_ms}
        print(json.dumps({"bundle": str(out), **found, "card": asdict(made.bundle.card)}))
        return
    _report(made.bundle.card, dataset.notes, made.latency_ms)
    console.print(f"Bundle written to [bold]{escape(str(out))}[/bold].")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _report(card: ModelCard, notes: Sequence[str], latency_ms: float) -> None:
    from retrain.report import interval

    metrics, counts = card.metrics, card.data["labels"]
    table = Table(title=f"{card.version}: {metrics['clips']} held-out clips")
    for column in ("label", "learnt from", "held out", "precision", "recall", "F1", "threshold"):
        table.add_column(column, justify="left" if column == "label" else "right")
    for label in card.labels:
        figures = metrics["per_label"][label]
        table.add_row(
            escape(label),
            str(counts[label]["training"]),
            str(counts[label]["held_out"]),
            *(_figure(figures[name]) for name in ("precision", "recall", "f1")),
            f"{card.thresholds[label]:.2f}",
        )
    console.print(table)
    console.print(
        f"Accuracy {metrics['accuracy']:.3f} {escape(interval(metrics['accuracy_interval']))}, "
        f"macro-F1 {metrics['macro_f1']:.3f}, ECE {metrics['ece']:.3f}, "
        f"{latency_ms:.1f} ms per window on one core."
    )
    unseen = metrics["cross_validation"]
    console.print(
        f"Cross-validation by recording on {unseen['clips']} clips learnt from: "
        f"accuracy {unseen['accuracy']:.3f}."
    )
    for note in notes:
        console.print(f"[yellow]Note:[/yellow] {escape(note)}")
