"""``earshot cost``: what a deployment costs, from what was measured to dollars."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from earshot.cli.billing import page, usd, verdict
from earshot.cli.bills import ARCHITECTURES, MILLION, Assumed, Bills, Measured
from earshot.cli.options import AsJson
from earshot.cli.output import note, print_json, print_table, say
from earshot.cli.prices import read_prices


def cost(
    measured: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="What `make bench` measured: docs/bench.json."
        ),
    ] = None,
    predict_ms: Annotated[float | None, typer.Option(min=0.1, help="A warm prediction.")] = None,
    cold_start_ms: Annotated[float | None, typer.Option(min=0, help="A process's start.")] = None,
    ingest_ms: Annotated[float | None, typer.Option(min=0.1, help="A labelled clip.")] = None,
    analysis_x: Annotated[
        float | None, typer.Option(min=0.1, help="So many times as fast as it sounds.")
    ] = None,
    refit_s: Annotated[float | None, typer.Option(min=0, help="A fit of 100,000 samples.")] = None,
    memory_mb: Annotated[float | None, typer.Option(min=128, max=10240)] = None,
    predictions: Annotated[float, typer.Option(min=1, help="So many of them.")] = MILLION,
    hours: Annotated[float, typer.Option(min=0.001, help="So many hours of recordings.")] = 1000,
    samples: Annotated[float, typer.Option(min=1, help="So many samples to learn from.")] = 1e5,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print it whole, as docs/cost.md has it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what predictions, hours of recordings, trainings and an idle month cost on AWS.

    In US dollars in us-east-1, before taxes and free tiers, on both kinds of processor, and when
    an always-on container would be cheaper. Milliseconds are --measured, or given one by one; what
    is neither is guessed.
    """
    given = {
        "predict_ms": predict_ms,
        "cold_start_ms": cold_start_ms,
        "ingest_ms_per_clip": ingest_ms,
        "analysis_x_realtime": analysis_x,
        "refit_s_100k": refit_s,
    }
    figures = replace(
        _read(measured), **{name: value for name, value in given.items() if value is not None}
    )
    assumed = Assumed() if memory_mb is None else Assumed(memory_mb=memory_mb)
    both = [Bills(read_prices(), one, figures, assumed) for one in ARCHITECTURES]
    pairs = {
        "predictions": [bills.predictions(predictions) for bills in both],
        "samples": [bills.samples(samples) for bills in both],
        "hours": [bills.hours(hours) for bills in both],
        "training": [bills.training(samples) for bills in both],
        "idle_month": [bills.idle(samples) for bills in both],
        "metrics_month": [bills.watched() for bills in both],
    }
    if as_json:
        print_json(
            {
                "usd": {
                    name: {
                        bills.architecture: bill.usd for bills, bill in zip(both, pair, strict=True)
                    }
                    for name, pair in pairs.items()
                },
                "break_even_predictions_per_month": {
                    bills.architecture: bills.break_even() for bills in both
                },
                "measured": asdict(figures),
                "assumed": asdict(assumed),
            }
        )
    elif markdown:
        print(page(both, [*pairs.values()]))
    else:
        rows = [(pair[0].title, *(usd(bill.usd) for bill in pair)) for pair in pairs.values()]
        print_table("Dollars", ("what", *(f">{one}" for one in ARCHITECTURES)), rows)
        for bills in both:
            say(f"{bills.architecture}: {verdict(bills)}")
        note("us-east-1, before taxes and free tiers; --markdown says it part by part.")
        if measured is None and None in given.values():
            note("Times are guesses but for those given: --measured docs/bench.json has them.")


def _read(path: Path | None) -> Measured:
    """What was measured; raises typer.BadParameter when the file does not say it."""
    try:
        return Measured.read(path) if path else Measured()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
