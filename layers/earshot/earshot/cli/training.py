"""``earshot retrain`` and ``earshot runs``: a training asked for, watched, looked back at."""

from __future__ import annotations

import time
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from earshot.cli.client import TRIES, Api, connected
from earshot.cli.exits import ExitCode
from earshot.cli.options import AsJson
from earshot.cli.output import console, figure, note, print_json, print_table, say
from earshot.runs import FAILED, PROMOTED, REJECTED

POLL_S = 2.0
ENDED = (PROMOTED, REJECTED, FAILED)

Wait = Annotated[
    bool, typer.Option("--wait", help="Until it has ended; exit status 5 unless it was promoted.")
]


def retrain(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the run.")] = "asked for by "
    "hand",
    min_new_samples: Annotated[
        int, typer.Option(min=0, help="Refuse when fewer samples are new.")
    ] = 0,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Ask for a training now."""
    with connected(context) as api:
        wish = {"reason": reason, "min_new_samples": min_new_samples}
        run = api.ask("POST", "/retrain", json=wish)
        if wait:
            run = _watch(api, run)
    if wait:
        _finish(run, as_json)
    elif as_json:
        print_json(run)
    else:
        say(f"{run['run']} is asked for; earshot runs {run['run']} --wait watches it")


def runs(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(help="One run, with what its gates said.")] = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """List the latest trainings, or show one."""
    if wait and run is None:
        raise typer.BadParameter("name the run to wait for", param_hint="--wait")
    with connected(context) as api:
        if run is None:
            _list(api.ask("GET", "/retrain"), as_json)
            return
        found = api.ask("GET", f"/retrain/{quote(run, safe='')}")
        if wait:
            found = _watch(api, found)
    if wait:
        _finish(found, as_json)
    elif as_json:
        print_json(found)
    else:
        _print(found)


def _watch(api: Api, run: dict[str, Any]) -> dict[str, Any]:
    """The run once it has ended; until then its stage, its share done and its last fold."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[fold]}", markup=False),
        console=console,
    )
    shown = None
    try:
        with bar:
            task = bar.add_task(run["stage"], total=1.0, fold="")
            while True:
                bar.update(
                    task, description=run["stage"], completed=run["progress"], fold=_last_fold(run)
                )
                # A log has no bar that moves: it gets a line a stage.
                if not console.is_terminal and run["stage"] != shown:
                    shown = run["stage"]
                    note(f"{shown}, {run['progress']:.0%}")
                if run["state"] in ENDED:
                    return run
                time.sleep(POLL_S)
                run = api.ask("GET", f"/retrain/{quote(run['run'], safe='')}", tries=TRIES)
    except KeyboardInterrupt:
        note(f"The training goes on; earshot runs {run['run']} --wait watches it again.")
        raise


def _last_fold(run: dict[str, Any]) -> str:
    if not run["curve"]:
        return ""
    row = run["curve"][-1]
    return f"{row['candidate']}, fold {row['fold']}: accuracy {figure(row['accuracy'])}"


def _finish(run: dict[str, Any], as_json: bool) -> None:
    """Print how it ended, and end so."""
    if as_json:
        print_json(run)
    else:
        _print(run)
    if run["state"] != PROMOTED:
        raise typer.Exit(ExitCode.TRAINING)


def _print(run: dict[str, Any]) -> None:
    """A run, and what each gate said."""
    version = f": {run['version']}" if run["version"] else ""
    say(f"{run['run']} is {run['state']}{version}")
    say(f"asked for   {run['requested_at']}, {run['reason']}, with {run['samples']} samples")
    if run["state"] not in ENDED:
        say(f"stage       {run['stage']}, {run['progress']:.0%}")
    metrics = run["metrics"]
    if metrics.get("accuracy") is not None:
        say(
            f"accuracy    {figure(metrics['accuracy'])}, macro-F1 "
            f"{figure(metrics.get('macro_f1'))} on {metrics.get('clips', 0)} held-out clips"
        )
    if reviews := metrics.get("reviews"):
        say(f"reviews     {reviews['sentence']}")
    if projection := metrics.get("projection"):
        say(f"to collect  {projection['sentence']}")
    if run["gates"]:
        print_table(
            "Gates",
            ("gate", "verdict", "what it saw"),
            (
                (gate["gate"], "passed" if gate["passed"] else "refused", gate["detail"])
                for gate in run["gates"]
            ),
        )
    if projection:
        print_table(
            "More recordings",
            ("label", ">recordings", ">F1", ">more", "expect"),
            (row for label in projection["labels"].items() for row in _outlook(*label)),
        )
    for remark in run["notes"]:
        say(f"note: {remark}")
    if run["error"]:
        say(f"error: {run['error']}")


def _outlook(label: str, found: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row for each number of more recordings that can be told of, or one for none."""
    has = (label, str(found["recordings"]), figure(found["f1"]))
    if not found["more"]:
        return [(*has, "-", "cannot be told")]
    return [
        (
            *(has if number == 0 else ("", "", "")),
            str(one["recordings"]),
            f"F1 +{one['gain']:.2f} ({one['interval'][0]:.2f} to {one['interval'][1]:.2f})",
        )
        for number, one in enumerate(found["more"])
    ]


def _list(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_table(
        "Trainings",
        ("run", "state", "asked for", "reason", ">done", "version"),
        (
            (
                run["run"],
                run["state"],
                run["requested_at"][:16],
                run["reason"],
                f"{run['progress']:.0%}",
                run["version"] or "-",
            )
            for run in found["runs"]
        ),
    )
