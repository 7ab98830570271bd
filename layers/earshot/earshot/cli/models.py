"""``earshot models``: the versions, and which one serves."""

from __future__ import annotations

import getpass
from typing import Annotated, Any
from urllib.parse import quote

import typer

from earshot.cli.client import Api, connected
from earshot.cli.options import AsJson
from earshot.cli.output import figure, print_json, print_table, say

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Versions of the model: list, show, put into service.",
)

Version = Annotated[str, typer.Argument(help="A version, as earshot models list shows it.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with who and when.")]


@app.command("list")
def list_models(context: typer.Context, as_json: AsJson = False) -> None:
    """List the latest versions, with figures of their held-out clips."""
    with connected(context) as api:
        found = api.ask("GET", "/models")
    if as_json:
        print_json(found)
        return
    shadow = found["shadow"]
    print_table(
        "Models; * serves, ~ hears along",
        ("", "version", "trained", "backbone", ">clips", ">accuracy", ">macro-F1", ">ECE"),
        (
            (
                "*" if row["champion"] else "~" if _hears_along(shadow, row) else "",
                row["version"],
                row["trained_at"][:16],
                row["backbone"],
                "-" if row["held_out"] is None else row["held_out"],
                _with_interval(row["accuracy"], row["accuracy_interval"]),
                figure(row["macro_f1"]),
                figure(row["ece"]),
            )
            for row in found["models"]
        ),
    )
    for version, why in found["unreadable"].items():
        say(f"{version} cannot be read: {why}")
    if shadow:
        say(_compared(shadow))


@app.command()
def show(context: typer.Context, version: Version, as_json: AsJson = False) -> None:
    """Show a version's card: labels, thresholds, figures, and what it learnt from."""
    with connected(context) as api:
        card = api.ask("GET", f"/models/{quote(version, safe='')}")
    if as_json:
        print_json(card)
        return
    metrics, counts = card["metrics"], card["data"].get("labels", {})
    say(f"{card['version']}, trained {card['trained_at']} for {card['application']}")
    say(f"after      {card['parent'] or 'none'}")
    say(f"hears by   {card['backbone']}, {card['sample_rate']} Hz, windows of {card['window_s']} s")
    say(
        f"accuracy   {_with_interval(metrics.get('accuracy'), metrics.get('accuracy_interval'))}, "
        f"macro-F1 {figure(metrics.get('macro_f1'))}, ECE {figure(metrics.get('ece'))}, on "
        f"{metrics.get('clips', 0)} held-out clips"
    )
    per_label = metrics.get("per_label", {})
    print_table(
        "Labels",
        ("label", ">learnt from", ">held out", ">precision", ">recall", ">F1", ">threshold"),
        (
            (
                label,
                counts.get(label, {}).get("training", "-"),
                counts.get(label, {}).get("held_out", "-"),
                *(figure(per_label.get(label, {}).get(n)) for n in ("precision", "recall", "f1")),
                figure(card["thresholds"][label], 2),
            )
            for label in card["labels"]
        ),
    )


@app.command()
def promote(
    context: typer.Context, version: Version, reason: Reason, as_json: AsJson = False
) -> None:
    """Put a version into service, also one that its gates rejected."""
    with connected(context) as api:
        wish = _wish(api, reason)
        champion = api.ask("POST", f"/models/{quote(version, safe='')}/promote", json=wish)
    _report(champion, as_json)


@app.command()
def rollback(context: typer.Context, reason: Reason, as_json: AsJson = False) -> None:
    """Put the version into service that served before."""
    with connected(context) as api:
        champion = api.ask("POST", "/models/rollback", json=_wish(api, reason))
    _report(champion, as_json)


@app.command()
def shadow(
    context: typer.Context,
    version: Version,
    reason: Reason,
    needed: Annotated[
        int, typer.Option(min=0, help="Comparisons after which it is promoted; 0 for never.")
    ] = 0,
    share: Annotated[
        float | None, typer.Option(help="Of the traffic, that it hears, up to 1.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let a version hear along with the one that serves; nobody gets its answers."""
    with connected(context) as api:
        wish = _wish(api, reason) | {"needed": needed, "share": share}
        begun = api.ask("POST", f"/models/{quote(version, safe='')}/shadow", json=wish)
    if as_json:
        print_json(begun)
    else:
        say(_compared(begun))


@app.command()
def unshadow(context: typer.Context, reason: Reason, as_json: AsJson = False) -> None:
    """Let no version hear along any more."""
    with connected(context) as api:
        wish = {"reason": reason, "by": _who()}
        ended = api.ask("DELETE", "/models/shadow", params=wish)
    if as_json:
        print_json(ended)
    else:
        say(f"{ended['version']} hears along no more")


def _hears_along(shadow: dict[str, Any] | None, row: dict[str, Any]) -> bool:
    return shadow is not None and shadow["version"] == row["version"]


def _compared(shadow: dict[str, Any]) -> str:
    told = f"{shadow['version']} hears along: {shadow['agreed']} of {shadow['compared']} alike"
    left = f", {shadow['still_needed']} to go" if shadow["needed"] else ""
    return f"{told}{left}. {shadow['against'] or ''}".rstrip()


def _wish(api: Api, reason: str) -> dict[str, Any]:
    """Who asks for it and why, and the champion that is seen now: another one is left alone."""
    champion = api.ask("GET", "/models")["champion"]
    expected = champion["version"] if champion else None
    return {"reason": reason, "by": _who(), "expected": expected}


def _who() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        # A container may have a user without a name.
        user = "unknown"
    return f"{user} (earshot)"


def _report(champion: dict[str, Any] | None, as_json: bool) -> None:
    if as_json:
        print_json(champion)
    elif champion is None:
        say("the default bundle serves, as before")
    else:
        say(
            f"{champion['version'] or 'the default bundle'} serves, in place of "
            f"{champion['previous'] or 'the default bundle'}"
        )


def _with_interval(value: float | None, interval: list[float] | None) -> str:
    if value is None or not interval:
        return figure(value)
    return f"{figure(value)} [{figure(interval[0])}, {figure(interval[1])}]"
