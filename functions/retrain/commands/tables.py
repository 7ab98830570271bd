"""What the commands print of figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from retrain.report import PER_LABEL, SUMMARY, figure, interval

if TYPE_CHECKING:
    from rich.console import Console


def print_metrics(console: Console, title: str, metrics: dict[str, Any]) -> None:
    """Figures as ``figures.measure`` gives them, with their 95% intervals."""
    intervals = metrics["intervals"]
    by_label = Table(title=escape(title))
    for column in ("", "Clips", *PER_LABEL.values()):
        by_label.add_column(column, justify="right" if column else "left")
    for label, row in metrics["per_label"].items():
        bounds = intervals["per_label"][label]
        by_label.add_row(
            escape(label),
            str(row["clips"]),
            *(escape(f"{figure(row[key])}\n{interval(bounds[key])}") for key in PER_LABEL),
        )
    console.print(by_label)
    for key, name in SUMMARY.items():
        if metrics[key] is not None:
            line = f"{name:<25} {figure(metrics[key])} {interval(intervals[key])}"
            console.print(line, markup=False)
