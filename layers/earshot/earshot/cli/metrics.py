"""``earshot metrics``: what was predicted so far."""

from __future__ import annotations

from typing import Any

import typer

from earshot.cli.client import connected
from earshot.cli.options import AsJson
from earshot.cli.output import figure, print_json, print_table, say


def metrics(context: typer.Context, as_json: AsJson = False) -> None:
    """Count what was predicted, how sure it was and how long it took, and say which sites drift."""
    with connected(context) as api:
        found = api.ask("GET", "/metrics")
    if as_json:
        print_json(found)
        return
    totals, confidence, latency = found["totals"], found["confidence"], found["latency_ms"]
    say(
        f"requests    {totals['requests']}: {totals['predictions']} predictions "
        f"({totals['uncertain']} uncertain), {totals['refused']} refused, {totals['failed']} failed"
    )
    say(f"heard       {totals['audio_s']:.1f} s")
    say(
        f"confidence  {figure(confidence['mean'])} on average; high {_share(confidence['high'])}, "
        f"medium {_share(confidence['medium'])}, low {_share(confidence['low'])}"
    )
    say(
        f"latency     median {figure(latency['p50'], 1)} ms, 95% within "
        f"{figure(latency['p95'], 1)} ms, 99% within {figure(latency['p99'], 1)} ms"
    )
    for title, column, key in (
        ("By label", "label", "by_label"),
        ("By version", "version", "by_version"),
        ("Refused and failed", "code", "errors"),
    ):
        if counts := found[key]:
            print_table(title, (column, ">recordings"), _most_first(counts))
    if days := found["by_day"]:
        print_table(
            "By day (UTC)",
            ("day", ">predictions", ">uncertain", ">confidence"),
            (
                (
                    day["date"],
                    day["predictions"],
                    day["uncertain"],
                    figure(day["mean_confidence"]),
                )
                for day in days
            ),
        )

    if drift := found["drift"]:
        print_table(
            f"Drift, looked at {drift['at'][:19]}",
            (
                "site",
                "state",
                "since",
                ">answers",
                ">more novel",
                ">surer",
                ">by chance",
                ">uncertain",
            ),
            map(_site, drift["sites"]),
        )


def _site(one: dict[str, Any]) -> tuple[object, ...]:
    shift = one["all"] or {"more_novel": None, "surer": None, "p": None}
    return (
        one["site"],
        one["state"].replace("_", " "),
        (one["since"] or "-")[:19],
        one["units"],
        _share(shift["more_novel"]),
        _share(shift["surer"]),
        figure(shift["p"], 4),
        _share(one["uncertain"]),
    )


def _most_first(counts: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
