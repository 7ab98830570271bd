"""``earshot train``: a model from a folder of labelled clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from earshot.application import Application
from earshot.bundle import CARD_FILE, EMBEDDINGS_FILE
from earshot.errors import BadDataset
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earshot.bundle import ModelCard

console = Console()


def train(
    folder: Annotated[Path, typer.Argument(help="Clips at <label>/<file>, or a manifest.csv.")],
    out: Annotated[Path, typer.Option(help="Where the bundle is written; must not exist.")],
    application: Annotated[
        Path | None, typer.Option(help="An application file; default: the labels found, 16 kHz.")
    ] = None,
) -> None:
    """Train a model bundle on a folder of labelled clips, and report how well it hears."""
    # Only this command pays for scikit-learn.
    from retrain import training
    from retrain.augment import silences
    from retrain.backbones import BACKBONES
    from retrain.dataset import save_embeddings, split, with_copies
    from retrain.export import Embedder
    from retrain.folder import labelled_files, read_clips

    if out.exists():
        raise BadDataset(f"{out} exists already; a bundle is never overwritten. Choose another.")
    files = labelled_files(folder)
    listens = Application.load(application) if application else _listening_for(folder, files)
    backbone = BACKBONES[listens.backbone](listens.sample_rate)
    embed = Embedder(backbone, listens.sample_rate, listens.window_s, listens.hop_s)
    bar = Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    with bar:
        reading = bar.add_task("embedding", total=len(files))
        clips, notes = read_clips(files, embed, lambda: bar.advance(reading))
        strangers = {clip.label for clip in clips} - set(listens.labels)
        if strangers and not listens.open_labels:
            raise BadDataset(
                f"{folder} holds clips labelled {', '.join(sorted(strangers))}, which "
                f"{listens.name} does not have: it knows {', '.join(listens.labels)}."
            )
        if listens.silence_label:
            quiet = [embed(w) for w in silences(listens.sample_rate, listens.window_s)]
            clips = with_copies(clips, listens.silence_label, quiet)
        dataset = split(clips, listens.labels, notes)
        fitting = bar.add_task("fitting", total=100)

        def report(stage: str, share: float, _: Sequence[dict[str, Any]]) -> None:
            bar.update(fitting, description=stage, completed=round(100 * share))

        made = training.train(dataset, backbone, listens, parent=None, progress=report)
        bar.update(fitting, description="done", completed=100)
    out.mkdir(parents=True)
    for name, content in made.files.items():
        (out / name).write_bytes(content)
    save_embeddings(out / EMBEDDINGS_FILE, clips, made.bundle.card.embedding_id)
    # The card comes last: a folder without it is not a bundle.
    (out / CARD_FILE).write_text(made.bundle.card.to_json(), encoding="utf-8")
    _report(made.bundle.card, dataset.notes, made.latency_ms)
    console.print(f"Bundle written to [bold]{out}[/bold].")


def _listening_for(folder: Path, files: Sequence[Any]) -> Application:
    return Application(
        name=folder.resolve().name,
        labels=tuple(sorted({file.label for file in files})),
        sample_rate=16_000,
        window_s=4.0,
        hop_s=4.0,
        backbone="melstats",
        open_labels=True,
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _report(card: ModelCard, notes: Sequence[str], latency_ms: float) -> None:
    metrics, counts = card.metrics, card.data["labels"]
    table = Table(title=f"{card.version}: {metrics['clips']} held-out clips")
    for column in ("label", "learnt from", "held out", "precision", "recall", "F1", "threshold"):
        table.add_column(column, justify="left" if column == "label" else "right")
    for label in card.labels:
        figures = metrics["per_label"][label]
        table.add_row(
            label,
            str(counts[label]["training"]),
            str(counts[label]["held_out"]),
            *(_figure(figures[name]) for name in ("precision", "recall", "f1")),
            f"{card.thresholds[label]:.2f}",
        )
    console.print(table)
    low, high = metrics["accuracy_interval"]
    console.print(
        f"Accuracy {metrics['accuracy']:.3f} (95% interval {low:.3f} to {high:.3f}), "
        f"macro-F1 {metrics['macro_f1']:.3f}, ECE {metrics['ece']:.3f}, "
        f"{latency_ms:.1f} ms per window on one core."
    )
    unseen = metrics["cross_validation"]
    console.print(
        f"Cross-validation by recording on {unseen['clips']} clips learnt from: "
        f"accuracy {unseen['accuracy']:.3f}."
    )
    for note in notes:
        console.print(f"[yellow]Note:[/yellow] {note}")
