"""Two things measured side by side: in turns, so that a busy machine is as hard on both."""

from __future__ import annotations

import os
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESAMPLES = 2_000
TICKS = os.sysconf("SC_CLK_TCK")


def in_turns(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Each side once a round; every second round backwards, for what comes first has it worse."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            found[name].append(sides[name]())
    return found


def median(values: Sequence[float]) -> dict[str, float]:
    """The median with its 95% interval, by the bootstrap."""
    chance = random.Random(8)
    again = sorted(
        statistics.median(chance.choices(values, k=len(values))) for _ in range(RESAMPLES)
    )
    low, high = again[RESAMPLES // 40], again[-RESAMPLES // 40]
    return {"median": _short(statistics.median(values)), "low": _short(low), "high": _short(high)}


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """The median of the rounds' ratios, each of two that were measured one after the other."""
    return median([a / b for a, b in zip(ours, theirs, strict=True)])


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {f"p{percent}": _short(cuts[percent - 1]) for percent in (50, 95, 99)}


def cpu_s(pid: int) -> float:
    """The processor's time of a process and of all that it has started and that still runs."""
    try:
        # What is in brackets may hold anything.
        after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    return (int(after[11]) + int(after[12])) / TICKS + sum(cpu_s(int(child)) for child in children)


def descendants(pid: int) -> list[int]:
    """All that a process has started, and what those have."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def load() -> list[float]:
    """The machine's load averages over 1, 5 and 15 minutes."""
    return [round(one, 1) for one in os.getloadavg()]


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def told(**values: Any) -> dict[str, Any]:
    """A section of the figures, with the load that it was measured under."""
    return {**values, "load": load()}
