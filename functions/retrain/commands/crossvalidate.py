"""``earshot crossvalidate``: how well a way of learning hears a folder, fold by fold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from earshot.cli import AsJson
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from retrain.commands.options import ApplicationFile, BackboneName, Clips, Only, Relabel

if TYPE_CHECKING:
    from retrain.crossvalidation import Plan
    from retrain.folder import Selection

console = Console()


def crossvalidate(
    folder: Clips,
    application: ApplicationFile = None,
    backbone: BackboneName = None,
    folds: Annotated[
        str, typer.Option(help="A number; manifest: its column fold; loo: leave one out.")
    ] = "5",
    seed: Annotated[int, typer.Option(help="Decides which recordings share a fold.")] = 0,
    repeats: Annotated[int, typer.Option(min=1, help="So many times, with other folds.")] = 1,
    only: Only = None,
    relabel: Relabel = None,
    as_json: AsJson = False,
) -> None:
    """Learn from all recordings but a fold's, ask about the fold's, for each fold in turn.

    No recording is on both sides, and all that a training chooses is chosen without the fold.
    """
    from retrain.crossvalidation import Plan
    from retrain.folder import Selection

    found = run(
        folder,
        application,
        backbone,
        Plan(folds, seed, repeats),
        Selection.parse(only or (), relabel or ()),
    )
    if as_json:
        print(json.dumps(found))
        return
    from retrain.commands.tables import print_metrics

    metrics = found["metrics"]
    print_metrics(
        console,
        f"{found['application']} with {found['backbone']}: {metrics['clips']} clips of "
        f"{metrics['recordings']} recordings, {found['folds']} folds",
        metrics,
    )
    for note in found["left_out"]:
        console.print(f"[yellow]Note:[/yellow] {escape(note)}")


def run(
    folder: Path, application: Path | None, backbone: str | None, plan: Plan, selection: Selection
) -> dict[str, Any]:
    """Cross-validate on a folder, with a bar for whoever waits; raises what the parts raise."""
    from retrain import backbones
    from retrain.backbones.folder import BackboneFolder
    from retrain.crossvalidation import try_folder
    from retrain.folder import application_of, labelled_files

    files = labelled_files(folder, selection)
    listens = application_of(files, folder, application, backbone)
    hears = backbones.of_application(listens, BackboneFolder.of_user().read)
    with Progress(console=Console(stderr=True)) as bar:
        tasks = {stage: bar.add_task(stage, total=1.0) for stage in ("embedding", "learning")}
        return try_folder(
            files,
            listens,
            hears,
            plan,
            lambda stage, share: bar.update(tasks[stage], completed=share),
        )
