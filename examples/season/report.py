"""What is told of a season afterwards: a page with two pictures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from matplotlib import rc_context
from matplotlib.figure import Figure

from examples.season.story import SITES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from examples.season.story import Season

COLOURS = {"harbour": "#c8501e", "market": "#3f78d8", "api": "#6b7686"}


def write(season: Season, folder: Path) -> None:
    """Write ``season.md`` and its pictures into a folder."""
    pictures = folder / "season"
    pictures.mkdir(parents=True, exist_ok=True)
    for name, figure in (("hearing", _hearing(season)), ("drift", _drift(season))):
        (pictures / f"{name}.svg").write_text(_svg(figure), encoding="utf-8")
    (folder / "season.md").write_text("\n\n".join(_page(season)) + "\n", encoding="utf-8")


def _page(season: Season) -> Iterator[str]:
    plan = season.plan
    yield "# A season"
    yield (
        f"{plan.weeks} simulated weeks at two sites, on {season.source}: recordings come in every "
        "day, people ask the API, and somebody who knows listens to what is queued for review. In "
        f"week {plan.breaks} water comes into the harbour's microphone; in week {plan.spoilt} a "
        "spoilt version is put into service by hand. Everything else Earshot does by itself. "
        "`make season` plays it again, in one process, on moto and under a simulated clock: with "
        "`FOLDER=` of real clips, without it of made-up sounds."
    )
    yield "## How well it heard"
    yield "![Right answers and uncertain ones, week by week](season/hearing.svg)"
    yield _table(
        ("week", *(f"{site}: right" for site in SITES), *(f"{site}: uncertain" for site in SITES),
         "reviewed"),
        (
            (
                number,
                *(f"{week.right[site]:.0%}" for site in SITES),
                *(f"{week.uncertain[site]:.0%}" for site in SITES),
                week.reviewed,
            )
            for number, week in enumerate(season.weeks, 1)
        ),
    )  # fmt: skip
    yield "## What drifted"
    yield "![How probable each day's difference is by chance, at each site](season/drift.svg)"
    yield (
        "Each day the latest answers of each site are compared with what the version in service "
        "answered to its held-out clips, and so is what the API was asked. A site that falls below "
        "the line drifts until a week was calm; when nothing changes anywhere, one day in a "
        "hundred may have one that does, so each of the three has a third of that."
    )
    yield "## What was learnt"
    yield _table(
        ("run", "why", "became", "macro-F1 on held-out clips", "what the reviews changed"),
        (
            (
                run.run,
                run.reason,
                run.state,
                f"{run.metrics['macro_f1']:.3f}" if "macro_f1" in run.metrics else "",
                run.metrics.get("reviews", {}).get("sentence", ""),
            )
            for run in season.runs
        ),
    )
    for run in season.runs[-1:]:
        if projection := run.metrics.get("projection"):
            yield f"What the last run expects of more recordings: {projection['sentence']}"
    if found := season.comparison:
        yield (
            f"The last challenger was compared with the champion {found.compared} times: both "
            f"said the same to {found.agreed}. Of the champion's answers {found.uncertain[0]} "
            f"were uncertain, of the challenger's {found.uncertain[1]}."
        )
    yield "## What happened"
    yield _table(
        ("week", "when", "what"),
        ((one.week, f"{one.at:%d %b %H:%M}", one.text) for one in season.entries),
    )


def _hearing(season: Season) -> Figure:
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    axes = figure.subplots()
    weeks = range(1, len(season.weeks) + 1)
    for site in SITES:
        right = [week.right[site] for week in season.weeks]
        uncertain = [week.uncertain[site] for week in season.weeks]
        axes.plot(weeks, right, "o-", color=COLOURS[site], label=f"{site}: right")
        axes.plot(weeks, uncertain, "--", color=COLOURS[site], label=f"{site}: uncertain")
    for week, what in (
        (season.plan.breaks, "the microphone\nbreaks"),
        (season.plan.spoilt, "a spoilt version\nserves"),
    ):
        axes.axvline(week - 0.5, color="#999999", linewidth=0.8)
        axes.text(week - 0.45, 0.5, what, fontsize=8, color="#555555")
    axes.set(xlabel="week", ylabel="share of recordings", ylim=(0, 1.02), xticks=weeks)
    figure.legend(loc="outside upper center", frameon=False, fontsize=8, ncols=4)
    return figure


def _drift(season: Season) -> Figure:
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    days = [report.day[5:] for report in season.drift]
    for site, colour in COLOURS.items():
        found = [
            (n, one.all.p)
            for n, report in enumerate(season.drift)
            for one in report.sites
            if one.site == site and one.all and one.all.p is not None
        ]
        if found:
            axes.semilogy(*zip(*found, strict=True), ".", color=colour, label=site)
    if season.drift:
        last = season.drift[-1]
        tested = sum(one.all is not None for one in last.sites)
        axes.axhline(last.false_alarms / max(tested, 1), color="#999999", linewidth=0.8)
    axes.set(ylabel="p", xticks=range(0, len(days), 7))
    axes.set_xticklabels(days[::7])
    axes.legend(frameon=False, fontsize=8)
    return figure


def _svg(figure: Figure) -> str:
    file = io.StringIO()
    # The same season gives the same file.
    with rc_context({"svg.hashsalt": "earshot"}):
        figure.savefig(file, format="svg", metadata={"Date": None}, facecolor="white")
    return file.getvalue()


def _table(head: tuple[object, ...], rows: Iterator[tuple[object, ...]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )
