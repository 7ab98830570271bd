"""``earshot upload``: labelled clips, recordings and archives, sent to where they are heard."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from earshot.cli.client import Api, connected
from earshot.cli.exits import ExitCode
from earshot.cli.files import Item, Labelling, items
from earshot.cli.options import AsJson, Jobs
from earshot.cli.output import console, fail, note, print_json, problem, say
from earshot.cli.transfer import Pending, Sent, Transfer
from earshot.errors import ApiRefused, StorageRefused, TokenRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Row = dict[str, Any]

# What one file is refused for, and another may not be.
OF_ONE_FILE = (ApiRefused, StorageRefused, OSError)


def upload(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH",
            exists=True,
            help="Folders of <label>/<file> or <label>/<recording>/<file>, files, or zip archives "
            "of such folders.",
        ),
    ],
    label: Annotated[str | None, typer.Option(help="One label for every file.")] = None,
    labels_from_names: Annotated[
        bool, typer.Option("--labels-from-names", help="Labels from names: <label>_x.wav.")
    ] = False,
    site: Annotated[
        str | None, typer.Option(help="These are recordings of this place, without labels.")
    ] = None,
    jobs: Jobs = 8,
    as_json: AsJson = False,
) -> None:
    """Send clips, recordings or archives; what is there already is not sent again.

    Whatever interrupts it, the same command goes on where it was: file by file, and over 100 MB
    part by part. Clips of one recording go into a folder of their own below the label. earshot
    samples says what became of them, earshot recordings list what became of those of --site.
    """
    if (label is not None) + labels_from_names + (site is not None) > 1:
        raise typer.BadParameter("choose one of --label, --labels-from-names and --site")
    with connected(context) as api:
        # At once, before files are read: is anything there?
        api.ask("GET", "/health")
        names = _known_labels(api) if labels_from_names else None
        found = items(paths, Labelling(label, names, site))
        report = _send(api, found, jobs)
    _print(report, "recordings list" if site is not None else "samples", as_json)
    if any(row["state"] == "refused" for row in report):
        raise typer.Exit(ExitCode.REFUSED)


def _known_labels(api: Api) -> frozenset[str]:
    """The labels that the model answers with, and those that samples came with."""
    classes = api.ask("GET", "/classes")["classes"]
    return frozenset([*(one["label"] for one in classes), *api.ask("GET", "/samples")["labels"]])


def _send(api: Api, wanted: Sequence[Item], jobs: int) -> list[Row]:
    """Send every file; a row of the report for each, in their order.

    Small files go side by side, then large ones one after the other, their parts side by side.
    """
    rows: dict[Item, Row] = {}
    pending: dict[Item, Pending] = {}
    with _progress() as bar, ThreadPoolExecutor(jobs) as pool:
        task = bar.add_task("uploading", total=sum(item.size for item in wanted))
        transfer = Transfer(api, lambda size: bar.advance(task, size))

        def keep(item: Item, outcome: Callable[[], Sent | Pending]) -> None:
            try:
                done = outcome()
            except TokenRefused:
                raise
            except OF_ONE_FILE as error:
                rows[item] = {"file": str(item.path), "state": "refused", **problem(error)}
                return
            if isinstance(done, Pending):
                pending[item] = done
            else:
                rows[item] = {"file": str(item.path), "state": done.state, "key": done.key}

        try:
            begun = {pool.submit(transfer.begin, item): item for item in wanted}
            for future in as_completed(begun):
                keep(begun[future], future.result)
            for item, rest in pending.copy().items():
                keep(item, partial(transfer.finish, item, rest, pool))
        except BaseException as error:
            api.stop.set()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, KeyboardInterrupt):
                note(f"Stopped after {len(rows)} of {len(wanted)} files; the same command goes on.")
            raise
    return [rows[item] for item in wanted]


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _print(report: list[Row], told_by: str, as_json: bool) -> None:
    """Say what was sent, and which command says what became of it."""
    count = Counter(row["state"] for row in report)
    for row in report:
        if row["state"] == "refused":
            fail(row["code"], f"{row['file']}: {row['detail']}")
    if as_json:
        print_json(
            {**{name: count[name] for name in ("sent", "there", "refused")}, "files": report}
        )
        return
    words = [f"{count['sent']} sent", f"{count['there']} there already"]
    if count["refused"]:
        words.append(f"{count['refused']} refused")
    say(f"{len(report)} files: {', '.join(words)}; earshot {told_by} says what became of them")
