"""``earshot samples``: what there is to learn from."""

from __future__ import annotations

import typer

from earshot.cli.client import connected
from earshot.cli.options import AsJson
from earshot.cli.output import print_json, print_table, say


def samples(context: typer.Context, as_json: AsJson = False) -> None:
    """Count the samples per label, and list what could not be used and why."""
    with connected(context) as api:
        found = api.ask("GET", "/samples")
    if as_json:
        print_json(found)
        return
    print_table(f"{found['total']} samples", ("label", ">samples"), sorted(found["labels"].items()))
    say(
        f"{found['new_samples']} are new since the last training was asked for; "
        f"{found['threshold']} start one. {found['recordings']} unlabelled recordings."
    )
    if archives := found["imports"]:
        print_table(
            "Archives",
            ("archive", "state", ">clips", ">not audio", "at"),
            (
                (one["key"], one["state"], one["clips"], one["ignored_total"], one["at"])
                for one in archives
            ),
        )
    if refused := found["refused"]:
        print_table(
            "Refused",
            ("file", "code", "reason"),
            ((one["key"], one["code"], one["reason"]) for one in refused),
        )
