"""``earshot recordings``: what became of field recordings, and what was detected in them."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import quote

import typer

from earshot.cli.client import connected, listed
from earshot.cli.options import AsJson, Form
from earshot.cli.output import figure, note, print_json, print_table

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Field recordings: list them, and take what was detected in one.",
)


@app.command("list")
def list_recordings(
    context: typer.Context,
    site: Annotated[str | None, typer.Option(help="Only those of a site.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List field recordings, the latest received first: what became of each, and what is in it."""
    with connected(context) as api:
        found, is_all = listed(api, "recordings", {"site": site}, limit)
    if as_json:
        print_json({"recordings": found})
        return
    print_table(
        "Recordings",
        ("recording", "received", "object", "state", ">seconds", "detections, or why not"),
        (
            (
                row["recording"],
                row["received_at"][:19],
                row["key"],
                row["state"] if row["progress"] is None else f"{row['progress']:.0%} heard",
                figure(row["duration_s"], 1),
                row["reason"] or _counted(row["detections"]),
            )
            for row in found
        ),
    )
    if not is_all:
        note("There are more: say --limit.")


@app.command()
def detections(
    context: typer.Context,
    recording: Annotated[
        str, typer.Argument(help="A recording, as earshot recordings list shows it.")
    ],
    form: Annotated[
        Form, typer.Option("--format", help="As a table, for programs, or for an editor of sounds.")
    ] = Form.CSV,
    label: Annotated[list[str] | None, typer.Option(help="Only these labels. Repeatable.")] = None,
    min_confidence: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Only what peaks at it or above.")
    ] = 0.0,
) -> None:
    """Print what was detected in a recording, as a file that other programs read."""
    asked = {"format": form.value, "label": label or [], "min_confidence": min_confidence}
    with connected(context) as api:
        found = api.text(f"/recordings/{quote(recording, safe='')}/detections", params=asked)
    sys.stdout.write(found)


def _counted(detections: dict[str, int]) -> str:
    ranked = sorted(detections.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{label} {number}" for label, number in ranked) or "-"
