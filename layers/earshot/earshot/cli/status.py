"""``earshot status``: how the service is."""

from __future__ import annotations

import typer

from earshot.cli.client import connected
from earshot.cli.options import AsJson
from earshot.cli.output import figure, print_json, say


def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Say which version serves, how much it was asked, and how far the next training is."""
    with connected(context) as api:
        found = api.ask("GET", "/status")
    if as_json:
        print_json(found)
        return
    say(f"{found['name']}, up for {_span(found['uptime_s'])}")
    model, training = found["model"], found["training"]
    if model is None:
        say("no model serves yet")
    else:
        say(
            f"model      {model['version']}, trained {model['trained_at']}, accuracy "
            f"{figure(model['accuracy'])} on its held-out clips"
        )
        say(f"labels     {', '.join(model['classes'])}")
    say(f"answered   {found['predictions']} predictions, {found['uncertain']} of them uncertain")
    say(f"training   {training['new_samples']} new samples of {training['threshold']}")
    if training["active_run"]:
        say(f"           {training['active_run']} is under way")
    elif training["last_run"]:
        say(f"           the last one, {training['last_run']}, was {training['last_state']}")
    if swept := found["last_sweep"]:
        say(f"sweep      {swept['at']}, {swept['repaired']} repaired")
        for sentence in (*swept["done"], *swept["failed"]):
            say(f"           {sentence}")
    for version, reason in found["refused_bundles"].items():
        say(f"refused    {version}: {reason}")


def _span(seconds: float) -> str:
    """A time that something lasted, in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
