"""``earshot figures``: cross-validation on many sets, as one table."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer
from earshot.cli import AsJson
from earshot.errors import BadDataset, UnknownBackbone
from rich.console import Console
from rich.markup import escape

from retrain.commands.crossvalidate import run

console = Console(stderr=True)


def figures(
    sets: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="What is tried, and how: TOML.")
    ],
    data: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Where the sets are.")],
    name: Annotated[
        list[str] | None, typer.Option("--set", help="Only this set. Repeatable.")
    ] = None,
    backbone: Annotated[
        list[str] | None, typer.Option(help="Instead of those named there. Repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Cross-validate on every set that is here, and print one Markdown table of accuracies.

    SETS has ``backbones``, ``applications`` (the folder of their files) and, for each set, a table
    ``[sets.NAME]`` of ``folder`` and, where needed, ``application``, ``folds``, ``repeats``,
    ``only``, ``relabel``, ``reference``.
    """
    content = tomllib.loads(sets.read_text(encoding="utf-8"))
    wanted = content["sets"]
    if strangers := set(name or ()) - set(wanted):
        raise BadDataset(f"{sets} has no set {', '.join(sorted(strangers))}.")
    rows = []
    for title, asked in wanted.items():
        if name and title not in name:
            continue
        if not (data / asked["folder"]).is_dir():
            console.print(f"{title} is left out: there is no {data / asked['folder']}.")
            continue
        for heard_by in backbone or content["backbones"]:
            try:
                found = _try(asked, data, sets.parent / content["applications"], heard_by)
            except UnknownBackbone as error:
                console.print(f"{title} with {heard_by} is left out: {escape(str(error))}")
                continue
            rows.append({"set": title, "reference": asked.get("reference", ""), **found})
    print(json.dumps(rows) if as_json else table(rows))


def _try(asked: dict[str, Any], data: Path, applications: Path, backbone: str) -> dict[str, Any]:
    from retrain.crossvalidation import Plan
    from retrain.folder import Selection

    return run(
        data / asked["folder"],
        applications / f"{asked['application']}.toml" if "application" in asked else None,
        backbone,
        Plan(str(asked.get("folds", "5")), repeats=asked.get("repeats", 1)),
        Selection.parse(asked.get("only", ()), asked.get("relabel", ())),
    )


def table(rows: list[dict[str, Any]]) -> str:
    """Accuracies with their 95% intervals by recording, as Markdown: a set a line."""
    backbones = list(dict.fromkeys(row["backbone"] for row in rows))
    lines = [
        f"| set | clips, recordings | folds | {' | '.join(backbones)} | reference |",
        "|---" * (4 + len(backbones)) + "|",
    ]
    for name in dict.fromkeys(row["set"] for row in rows):
        of_set = {row["backbone"]: row for row in rows if row["set"] == name}
        any_row = next(iter(of_set.values()))
        metrics, loo = any_row["metrics"], any_row["plan"]["folds"] == "loo"
        cells = [
            name,
            f"{metrics['clips']}, {metrics['recordings']}",
            "one left out" if loo else str(any_row["folds"]),
            *(_accuracy(of_set[name]["metrics"]) if name in of_set else "" for name in backbones),
            any_row["reference"],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _accuracy(metrics: dict[str, Any]) -> str:
    from retrain.report import figure, interval

    found = f"{figure(metrics['accuracy'])} {interval(metrics['intervals']['accuracy'])}"
    return found.strip()
