"""``earshot evaluate``: how well a version hears clips that it has not learnt from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from earshot.cli import AsJson
from earshot.errors import BadDataset
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from retrain.commands.options import Clips, Only, Relabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrain.report import Evaluation

console = Console()


def evaluate(
    bundle: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="A model version's folder.")
    ],
    folder: Clips,
    out: Annotated[
        Path | None, typer.Option(help="Where to write JSON, a page and pictures.")
    ] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Leave out clips that it has learnt from.")
    ] = False,
    only: Only = None,
    relabel: Relabel = None,
    as_json: AsJson = False,
) -> None:
    """Hear a folder of labelled clips, and say how well and how honestly they were answered.

    Clips that the version has learnt from are refused, the same recordings as well as the same
    sounds. Clips of other labels show how often it answers uncertain to none of its classes.
    """
    evaluation = _evaluate(bundle, folder, held_out, only or (), relabel or ())
    if out is not None:
        from retrain import report

        report.write(evaluation, out)
    if as_json:
        print(json.dumps(evaluation.figures()))
    else:
        _print(evaluation)
        if out is not None:
            console.print(f"Written to [bold]{escape(str(out))}[/bold].")


def _evaluate(
    bundle: Path, folder: Path, held_out: bool, only: Sequence[str], relabel: Sequence[str]
) -> Evaluation:
    from earshot.bundle import Bundle
    from earshot.detector import Detector

    from retrain.folder import Selection, hear, labelled_files
    from retrain.leakage import Learnt, refuse_learnt
    from retrain.report import Evaluation

    detector = Detector(Bundle.load(bundle))
    card = detector.card
    learnt = Learnt.of_bundle(bundle, card)
    files = labelled_files(folder, Selection.parse(only, relabel))
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("hearing", total=len(files))
        heard, notes = hear(files, detector.classify, lambda: bar.advance(task))
    if held_out:
        kept = [one for one in heard if learnt.reason(one) is None]
        if len(kept) < len(heard):
            notes.append(
                f"{len(heard) - len(kept)} clips are left out: {card.version} has learnt from them."
            )
        heard = kept
    refuse_learnt(learnt, heard, card.version)
    if not heard:
        raise BadDataset(f"No clip of {folder} is left to evaluate by. " + " ".join(notes[:5]))
    return Evaluation(
        card=card,
        folder=str(folder),
        known=[one for one in heard if one.file.label in card.labels],
        strange=[one for one in heard if one.file.label not in card.labels],
        notes=notes,
    )


def _print(evaluation: Evaluation) -> None:
    from retrain.commands.tables import print_metrics
    from retrain.report import figure, interval

    found = evaluation.figures()
    metrics, strangers = found["metrics"], found["none_of_the_classes"]
    if metrics["clips"]:
        title = (
            f"{found['version']}: {metrics['clips']} clips of {metrics['recordings']} recordings"
        )
        print_metrics(console, title, metrics)
    for name, share in {"all": strangers["uncertain"], **strangers["per_label"]}.items():
        if share["clips"]:
            console.print(
                f"None of the classes, {name}: {share['clips']} clips, uncertain "
                f"{figure(share['share'])} {interval(share['interval'])}",
                markup=False,
            )
    for note in found["left_out"]:
        console.print(f"[yellow]Note:[/yellow] {escape(note)}")
