"""``earshot search``: where else is there what sounds like a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from earshot.cli.client import TRIES, connected
from earshot.cli.options import AsJson
from earshot.cli.output import figure, print_json, print_table, say


class Kind(StrEnum):
    """Among what is searched."""

    RECORDINGS = "recordings"
    SAMPLES = "samples"
    ALL = "all"


def search(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A short sound.")
    ],
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many to show.")] = 10,
    kind: Annotated[Kind, typer.Option(help="Among what.")] = Kind.ALL,
    site: Annotated[str | None, typer.Option(help="Only what was recorded there.")] = None,
    label: Annotated[str | None, typer.Option(help="Only what is heard or labelled as it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find what sounds like a file among samples, and what was heard in recordings.

    The nearest comes first; 1 is the very same sound.
    """
    wish = {"limit": limit, "kind": kind.value, "site": site, "label": label}
    asked = {name: value for name, value in wish.items() if value is not None}
    with connected(context) as api, file.open("rb") as opened:
        content = {"file": (file.name, opened)}
        found = api.ask("POST", "/search", tries=TRIES, params=asked, files=content)
    if as_json:
        print_json(found)
        return
    if found["matches"]:
        print_table(
            f"Nearest to {file.name} among {found['searched']}",
            (">similarity", "label", ">confidence", "object", ">from s", ">to s"),
            map(_row, found["matches"]),
        )
    elif not found["notes"]:
        say(f"Nothing among {found['searched']} is of that kind, site and label.")
    for note in found["notes"]:
        say(note)


def _row(match: dict[str, Any]) -> tuple[str, ...]:
    sure = match["confidence"]
    return (
        figure(match["similarity"]),
        match["label"],
        "given" if sure is None else figure(sure),
        match["key"],
        figure(match["start_s"], 1),
        figure(match["end_s"], 1),
    )
