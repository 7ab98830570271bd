"""``earshot alerts``: what somebody had to know of, and whether word of it comes through."""

from __future__ import annotations

from typing import Annotated

import typer

from earshot.cli.client import connected, listed
from earshot.cli.options import AsJson
from earshot.cli.output import note, print_json, print_table, say

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Alerts: list them, try whether they arrive.",
)


@app.command("list")
def list_alerts(
    context: typer.Context,
    label: Annotated[str | None, typer.Option(help="Only those of a label.")] = None,
    site: Annotated[str | None, typer.Option(help="Only those of a site.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Raised then or later, such as 2026-11-21T06:00:00Z.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List alerts, the latest raised first."""
    asked = {"label": label, "site": site, "since": since}
    with connected(context) as api:
        found, is_all = listed(api, "alerts", asked, limit)
    if as_json:
        print_json({"alerts": found})
        return
    print_table(
        "Alerts",
        ("raised", "heard", "site", "label", ">confidence", "recording", ">at s", "clip"),
        (
            (
                row["raised_at"][:19],
                (row["at"] or "-")[:19],
                row["site"],
                row["label"],
                f"{row['peak_confidence']:.3f}",
                row["key"],
                f"{row['start_s']:.1f}",
                row["clip"] or "-",
            )
            for row in found
        ),
    )
    if not is_all:
        note("There are more: say --limit.")


@app.command()
def rules(context: typer.Context, as_json: AsJson = False) -> None:
    """Show what alerts are raised by; the application's file says so."""
    with connected(context) as api:
        found = api.ask("GET", "/alerts/rules")
    if as_json:
        print_json(found)
        return
    print_table(
        "Rules",
        ("label", ">threshold", "site", ">cooldown s"),
        (
            (
                row["label"],
                "its own" if row["threshold"] is None else row["threshold"],
                row["site"] or "all others",
                f"{row['cooldown_s']:g}",
            )
            for row in found["rules"]
        ),
    )


@app.command("test")
def send_test(context: typer.Context, as_json: AsJson = False) -> None:
    """Send an alert that says it is a test, by mail and webhook as any other."""
    with connected(context) as api:
        sent = api.ask("POST", "/alerts/test")
    if as_json:
        print_json(sent)
    else:
        say(f"{sent['alert']} is on its way: {sent['summary']}")
