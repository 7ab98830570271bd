"""Bills as a page, docs/cost.md: every part, what is measured and assumed, and every price."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from earshot.cli.bills import ARCHITECTURES, HOURS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from earshot.cli.bills import Bills
    from earshot.cli.prices import Bill

# Predictions a month that are compared.
VOLUMES = (1e4, 1e5, 1e6, 1e7, 1e8, 1e9)

INTRODUCTION = """\
# What it costs

Made by `make cost`: do not edit. US dollars in us-east-1, before taxes and discounts. Amounts \
are counted from the code (`layers/earshot/earshot/cli/bills.py`, and counted again by its test), \
times are measured on one core of x86_64, prices are AWS's (below, each with its source and date). \
Of arm64 the same times are assumed: nothing was measured there. No bill of AWS has been seen yet. \
The free tier, what every account has for nothing each month, is taken off in the last row of each \
table only, for an account that does nothing else."""

CONTAINER = """\
## Against an always-on container

Fargate with 1 vCPU and 2 GB behind an Application Load Balancer, as many as keep {load:.0%} busy: \
one answers {capacity:,.0f} predictions a month. What both need (tally, log, answers sent, bucket, \
table) is left out of both. Dollars a month:"""

STEADY = """\
The break-even is of steady load. Containers that are made for the day's peak stand idle at night; \
functions are not paid for then."""

PRICES = """\
## Prices

`copy` is somebody else's dated copy of the page, `memory` its keeper's: none was read from AWS's \
own page on that day."""


def page(both: Sequence[Bills], pairs: Sequence[Sequence[Bill]]) -> str:
    """The bills of both kinds of processor, pair by pair, in Markdown."""
    first = both[0]
    parts = [
        INTRODUCTION,
        _table(("", *ARCHITECTURES), [(p[0].title, *(usd(b.usd) for b in p)) for p in pairs]),
    ]
    for pair in pairs:
        parts += [f"## {pair[0].title}", _parts(pair)]
    parts += [
        CONTAINER.format(load=first.assumed.container_load, capacity=first.container_capacity),
        _against(both),
        "\n".join(f"- {bills.architecture}: {verdict(bills)}" for bills in both),
        STEADY,
        "## What was measured",
        _figures(asdict(first.measured)),
        "## What is assumed",
        _figures(asdict(first.assumed)),
        PRICES,
        _table(
            ("", "$", "for", "free a month", "source", "as of", "by"),
            [
                (
                    name,
                    f"{p.usd:g}",
                    f"{p.count:,} {p.unit}",
                    f"{p.free:,}",
                    p.source,
                    p.as_of,
                    p.by,
                )
                for name, p in first.prices.items()
            ],
        ),
    ]
    return "\n\n".join(parts)


def verdict(bills: Bills) -> str:
    """From when on containers are cheaper, in words."""
    n = bills.break_even()
    if n is None:
        return "no number of predictions makes containers cheaper."
    return (
        f"from {n:,.0f} predictions a month on ({n / (HOURS * 3600):.1f} a second, day and night) "
        "containers are cheaper."
    )


def usd(value: float) -> str:
    """Dollars, to a cent, or to what is less than one."""
    return f"{value:,.2f}" if value >= 1 else f"{value:.4f}"


def _parts(pair: Sequence[Bill]) -> str:
    rows: list[tuple[str, ...]] = [
        (lines[0].what, _amount(lines[0].amount), lines[0].price.unit,
         *(usd(line.usd) for line in lines))
        for lines in zip(*(bill.lines for bill in pair), strict=True)
    ]  # fmt: skip
    rows.append(("**all**", "", "", *(f"**{usd(bill.usd)}**" for bill in pair)))
    rows.append(("with the free tier", "", "", *(usd(bill.usd_at_least) for bill in pair)))
    return _table(("part", "amount", "of", *ARCHITECTURES), rows)


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


def _against(both: Sequence[Bills]) -> str:
    head = [f"{what}, {one}" for one in ARCHITECTURES for what in ("functions", "containers")]
    rows = [
        (
            f"{n:,.0f}",
            *(usd(bill.usd) for one in both for bill in (one.functions(n), one.container(n))),
        )
        for n in VOLUMES
    ]
    return _table(("predictions", *head), rows)


def _figures(figures: Mapping[str, float]) -> str:
    return _table(("", ""), [(f"`{name}`", f"{value:,g}") for name, value in figures.items()])


def _table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
