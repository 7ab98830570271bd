"""docs/scale.md: which limit is met first, and which setting moves it; `make scale` prints it.

Nothing here was tried on AWS. Quotas are an account's first ones in us-east-1, as AWS's
documentation had them in 2026; most are raised for the asking.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from earshot.cli.bills import SAMPLE_BYTES, Assumed, Measured
from earshot.cli.prices import Line, read_prices
from earshot.statistics import SHARDS, SHARDS_OF_A_WRITER

from infra.simulation import (
    ITEM_BYTES,
    KEY_WRITES_PER_S,
    TALLY_BYTES,
    WRITER_BYTES,
    Counted,
    count,
    drain,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RATES = (10, 1_000, 100_000)
SAMPLES = (100_000, 1_000_000, 10_000_000, 100_000_000)
BACKLOG = 50_000
CONCURRENCIES = (2, 10, 50, 100, 200, 1000)

# Quotas: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html,
# …/apigateway/latest/developerguide/limits.html, …/amazondynamodb/latest/developerguide/ and so on.
RATE_LIMIT = 100  # template.yaml's
LAMBDA_AT_ONCE = 1000
API_PER_S = 10_000
NEW_TABLE_WRITES = 4000
TABLE_WRITES = 40_000

# A process of a function is replaced after some two hours.
PROCESSES_PER_DAY = 12
# A sample of one window of 1,022 figures, in memory.
HELD_BYTES = 4 * 1022
ASSUMED = Assumed()
# Reading embeddings out of DynamoDB, one query at a time.
READ_BYTES_PER_S = ASSUMED.read_mb_per_s * 1e6
JOB_S = 7200  # infra/batch.yaml
JOB_BYTES = 8192 << 20
MOST_JOB_BYTES = 120 << 30  # that Fargate has
SWEEP_S = 290


@dataclass(frozen=True)
class Limit:
    """What ends at so many a second (or samples), and what moves it."""

    at: float
    what: str
    setting: str


def answer_s(figures: Measured) -> float:
    """For how long a prediction keeps its process busy."""
    return (figures.predict_ms + ASSUMED.write_ms) / 1000


def writers(per_second: float, figures: Measured) -> int:
    """Processes that count predictions in a day: those at once (Little's law), replaced."""
    return math.ceil(max(per_second * answer_s(figures), 1) * PROCESSES_PER_DAY)


def counted(per_second: float, figures: Measured, shards: int = len(SHARDS)) -> Counted:
    """What becomes of the tallies at a rate that lasts."""
    return count(per_second, writers(per_second, figures), shards=shards)


def hot_at(figures: Measured) -> float:
    """Predictions a second from which on the sixteen tallies do not take all, on average."""
    shards = len(SHARDS)
    low, high = 1.0, 1e6
    while high / low > 1.001:
        rate = math.sqrt(low * high)
        marks = WRITER_BYTES * writers(rate, figures) * SHARDS_OF_A_WRITER / shards
        units = math.ceil((TALLY_BYTES + marks) / 1024)
        fits = rate * units < shards * KEY_WRITES_PER_S and TALLY_BYTES + marks < ITEM_BYTES
        low, high = (rate, high) if fits else (low, rate)
    return low


def prediction_limits(figures: Measured) -> list[Limit]:
    """What ends predictions a second, the first first."""
    units = counted(1000, figures).units
    return sorted(
        [
            Limit(RATE_LIMIT, "the gateway answers 429", "parameters RateLimit and BurstLimit"),
            Limit(
                NEW_TABLE_WRITES / units,
                "a new table takes 4,000 write units a second",
                "warm throughput of the table; it doubles by itself within half an hour",
            ),
            Limit(
                hot_at(figures),
                "tallies are hot keys: answers go on, some are not counted",
                "SHARDS in earshot/statistics.py",
            ),
            Limit(API_PER_S, "the account's quota of requests", "quota: API Gateway throttle rate"),
            Limit(
                TABLE_WRITES / units,
                "the table's quota of write units",
                "quota: DynamoDB table-level write throughput",
            ),
            Limit(
                LAMBDA_AT_ONCE / answer_s(figures),
                "the account's quota of functions at once",
                "quota: Lambda concurrent executions",
            ),
        ],
        key=lambda limit: limit.at,
    )


def sample_s(figures: Measured) -> float:
    """What a training takes to read and fit one sample."""
    return SAMPLE_BYTES / READ_BYTES_PER_S + figures.refit_s_100k / 100_000


def sample_limits(figures: Measured) -> list[Limit]:
    """What ends the number of samples, the first first."""
    copies = 2  # the rows, and the matrix that is fitted
    return sorted(
        [
            Limit(
                JOB_BYTES / HELD_BYTES / copies,
                "a training's memory, 8 GB",
                "parameters RetrainMemory and RetrainVcpus",
            ),
            Limit(
                MOST_JOB_BYTES / HELD_BYTES / copies,
                "the largest job that Fargate has, 120 GB",
                "a fit by parts, which is not built",
            ),
            Limit(
                JOB_S / sample_s(figures),
                "a training's two hours",
                "AttemptDurationSeconds; reading shards side by side, which is not built",
            ),
            Limit(
                len(SHARDS) * SWEEP_S * READ_BYTES_PER_S / SAMPLE_BYTES,
                "a sweep cannot count one shard again in its time",
                "more shards in earshot/catalog.py, or an array job of sixteen; not built",
            ),
        ],
        key=lambda limit: limit.at,
    )


def page(figures: Measured) -> str:
    """The page, in Markdown."""
    clip_ms = figures.ingest_ms_per_clip + ASSUMED.sample_wait_ms
    drained = [(c, drain(BACKLOG, c, clip_ms)) for c in CONCURRENCIES]
    return "\n\n".join(
        [
            INTRODUCTION,
            "## Predictions a second",
            _table(
                ("a second", "processes at once", "the day's writers", "a tally's write, units",
                 "counted", "with 256 shards", "met before"),
                (_at_rate(rate, figures) for rate in RATES),
            ),
            COUNTERS,
            "Limits of predictions, the first first:",
            _limits("a second", prediction_limits(figures)),
            "## The queue",
            QUEUE.format(backlog=BACKLOG, ms=clip_ms),
            _table(
                ("IngestConcurrency", "seconds", "clips a second", "gave up for a while"),
                (
                    (c, f"{one.seconds:,.0f}", f"{one.clips_per_s:,.0f}", one.gave_up)
                    for c, one in drained
                ),
            ),
            CONFLICTS,
            "## Samples",
            _table(
                ("samples", "held in memory", "read and fitted in", "reading costs", "met before"),
                (_at_samples(n, figures) for n in SAMPLES),
            ),
            "Limits of samples, the first first:",
            _limits("samples", sample_limits(figures)),
            CONCLUSION,
        ]
    )  # fmt: skip


INTRODUCTION = """\
# What happens at scale

Made by `make scale`: do not edit. On paper and by simulation (`infra/scale.py`, \
`infra/simulation.py`): nothing here was tried on AWS. Quotas are an account's first ones."""

COUNTERS = """\
A prediction is counted in one write on one of sixteen tallies, and DynamoDB takes 1,000 units a \
second on one key. Each process leaves its own number in a quarter of the tallies, so that a write \
that is repeated counts once: 16 bytes a day. So the more processes, the more a write takes, and \
an item that has grown beyond 400 KB takes no writes at all. An answer waits for its write, and \
for boto's tries when it is refused; what cannot be counted then is answered and logged."""

QUEUE = """\
{backlog:,} clips wait; one takes {ms:,.0f} ms of a worker, and a transaction of 10 ms on its \
shard's count. Lambda begins with five batches and adds 300 a minute:"""

CONFLICTS = """\
Two transactions on one of the sixteen counts at once are a conflict, and one of them waits. So \
beyond about a hundred workers more of them do not help: what gave up comes again when its \
message's visibility time-out is over, and is counted then."""

CONCLUSION = """\
## What to set

- **10 predictions a second**: nothing.
- **1,000**: `RateLimit` and `BurstLimit`; for a burst, warm throughput of the new table.
- **100,000**: quotas of API Gateway, Lambda and DynamoDB, and tallies that are counted in the \
process and written every second, which is not built: more shards alone do not carry it, as the \
table says.
- **A million samples**: `RetrainMemory`. **100 million**: a fit by parts and \
reading side by side, and recounts by another clock; they are not built."""


def _at_rate(rate: float, figures: Measured) -> tuple[object, ...]:
    here, more = counted(rate, figures), counted(rate, figures, shards=256)
    met = [limit.what for limit in prediction_limits(figures) if limit.at < rate]
    return (
        f"{rate:,}",
        f"{max(rate * answer_s(figures), 1):,.0f}",
        f"{writers(rate, figures):,}",
        here.units,
        f"{here.counted:.1%}",
        f"{more.counted:.1%}",
        "; ".join(met) or "none",
    )


def _at_samples(n: int, figures: Measured) -> tuple[object, ...]:
    reading = Line("reading", n * SAMPLE_BYTES / 4096, read_prices()["table_read"])
    met = [limit.what for limit in sample_limits(figures) if limit.at < n]
    return (
        f"{n:,}",
        f"{n * HELD_BYTES / 1e9:,.1f} GB",
        f"{n * sample_s(figures) / 60:,.0f} min",
        f"${reading.usd:,.2f}",
        "; ".join(met) or "none",
    )


def _limits(unit: str, limits: Sequence[Limit]) -> str:
    rows = ((f"{_rounded(one.at):,}", one.what, one.setting) for one in limits)
    return _table((unit, "what ends", "what moves it"), rows)


def _rounded(value: float) -> int:
    """Two digits of it: the rest would be a pretence."""
    digits = 1 - math.floor(math.log10(value))
    return int(round(value, digits))


def _table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


if __name__ == "__main__":
    bench = Path("docs/bench.json")
    print(page(Measured.read(bench) if bench.exists() else Measured()))
