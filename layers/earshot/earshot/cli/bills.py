"""What a deployment costs: amounts, counted from the code and measured, times AWS's prices.

Taxes and discounts are left out, and what is free is told apart: free tiers are an account's, not
a stack's.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from earshot.cli.prices import Bill, Line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from earshot.cli.prices import Price

Architecture = Literal["x86_64", "arm64"]
ARCHITECTURES: tuple[Architecture, ...] = ("x86_64", "arm64")
HOURS = 730  # of a month
DAYS = HOURS / 24
GB = 1e9
MILLION = 1_000_000

# --- counted from the code; tests/unit/test_bills.py counts them again ---------------------------

# The shard's tally is an item of 1.7 KB by the end of the day.
PREDICTION_WRITES = 2
# The request's line and its metrics' are 0.7 KB; Lambda's own of start and report are as much.
PREDICTION_LOG_BYTES = 1_500
ANSWER_BYTES = 900
# Twice the sample's 4.5 KB, its object, its holder, its count and the state of training: a
# transaction writes twice.
SAMPLE_WRITES = 18
SAMPLE_READS = 22
SAMPLE_GETS = 2
# What it is found by, which a sweep reads again, and what is packed.
SAMPLE_PUTS = 1
SAMPLE_BYTES = 4_500
# Among them what drift is told by: an answer for each label and hour, and the site's entry.
RECORDING_WRITES = 29
RECORDING_READS = 13
RECORDING_PUTS = 13
RECORDING_GETS = 4
# A clip; its occurrence by day, now and then an alert or a stretch to review.
DETECTION_WRITES = 8
DETECTION_PUTS = 2
# Ranged reads of eight megabytes (earshot.ranges).
READ_BYTES = 8 << 20
SWEEPS = HOURS * 12
SWEEP_READS = 45
SWEEP_WRITES = 1
SWEEP_LISTS = 1
# The champion's pointer: is it new, and does a challenger hear along?
SWEEP_GETS = 1
SWEEP_LOG_BYTES = 1_500
# Once an hour, what was asked lately and whether a site drifts.
DRIFT_READS = 40
# Six of predict, eleven of ingest and the webhook; of the sweep's one, as it repairs little.
METRICS = 18
ALARMED_METRICS = 18
# Lambda holds five connections to a queue that is empty, each asks for 20 s.
IDLE_POLLS = 5 * 3 * 60 * HOURS


@dataclass(frozen=True)
class Measured:
    """What was measured on one core, which is what 1,769 MB of Lambda have.

    ``docs/bench.json`` has them under the same names. Milliseconds but for ``refit_s_100k``,
    seconds for a hundred thousand samples, and ``analysis_x_realtime``. What was not measured is
    guessed, on the dear side.
    """

    predict_ms: float = 12.0
    cold_start_ms: float = 1500.0
    ingest_ms_per_clip: float = 30.0
    analysis_x_realtime: float = 1000.0
    refit_s_100k: float = 60.0

    @classmethod
    def read(cls, path: Path) -> Measured:
        """All of it, of a file of ``make bench``; raises ValueError when one is not there."""
        names = [field.name for field in fields(cls)]
        try:
            content: Any = json.loads(path.read_text("utf-8"))
            return cls(**{name: float(content[name]) for name in names})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} does not have {', '.join(names)} as numbers: {error!r}"
            ) from error


@dataclass(frozen=True)
class Assumed:
    """What nobody could measure without an account of AWS, each on the dear side."""

    memory_mb: float = 1769
    cold_share: float = 0.01  # of all predictions: each has to wait for a new process
    write_ms: float = 8.0  # until DynamoDB has answered, billed as any other time
    sample_wait_ms: float = 80.0  # a sample's nine round trips
    sweep_ms: float = 300.0
    request_bytes: float = 128_044  # 4 s of 16-bit sound at 16 kHz
    clip_bytes: float = 128_044
    recording_bytes_per_hour: float = 230_400_000  # 16-bit, mono, at 32 kHz
    detections_per_hour: float = 20
    job_start_s: float = 90  # until the image is pulled
    read_mb_per_s: float = 10  # of embeddings out of DynamoDB
    images_gb: float = 1.2  # both, as ECR keeps them
    container_load: float = 0.5  # a container that answers in time is half idle


@dataclass(frozen=True)
class Bills:
    """What is paid for what, on one kind of processor."""

    prices: Mapping[str, Price]
    architecture: Architecture
    measured: Measured
    assumed: Assumed

    def predictions(self, n: float = MILLION) -> Bill:
        """Recordings of four seconds, classified over the HTTP API."""
        return Bill(
            f"{n:,.0f} predictions",
            (
                *self._answering(n),
                self._line("the tally", "table_write", n * PREDICTION_WRITES),
                # The champion and the token are looked up every 30 s by each process.
                self._line("the champion's pointer", "s3_get", n / 10),
                self._line("the token", "table_read", n / 10),
                self._line("log", "log", n * PREDICTION_LOG_BYTES / GB),
                self._line("answers sent", "transfer_out", n * ANSWER_BYTES / GB),
            ),
        )

    def samples(self, n: float = MILLION) -> Bill:
        """Labelled clips of four seconds, taken in one by one from the bucket."""
        ms = self.measured.ingest_ms_per_clip + self.assumed.sample_wait_ms
        return Bill(
            f"{n:,.0f} labelled clips",
            (
                self._line("put into the bucket", "s3_put", n),
                *self._arriving(n),
                self._line("ingest, time", self._own("lambda_time"), n * self._gb_s(ms)),
                self._line("looked at", "s3_get", n * SAMPLE_GETS),
                self._line("made to be found", "s3_put", n * SAMPLE_PUTS),
                self._line("packed to be found", "s3_get", n * SAMPLE_PUTS),
                self._line("catalogued and counted", "table_write", n * SAMPLE_WRITES),
                self._line("read of the books", "table_read", n * SAMPLE_READS),
                self._line("log", "log", n * PREDICTION_LOG_BYTES / GB),
                self._line("kept, a month", "s3_storage", n * self.assumed.clip_bytes / GB),
                self._line("embeddings, a month", "table_storage", n * SAMPLE_BYTES / GB),
                self._line("their backup, a month", "table_backup", n * SAMPLE_BYTES / GB),
            ),
        )

    def hours(self, n: float = 1000) -> Bill:
        """Hours of field recordings, in files of one hour, listened through."""
        assumed = self.assumed
        found = n * assumed.detections_per_hour
        size = n * assumed.recording_bytes_per_hour
        ms = 3_600_000 / self.measured.analysis_x_realtime + (assumed.write_ms * RECORDING_WRITES)
        # Sent in parts of eight megabytes, read in ranges of as much.
        pieces = math.ceil(size / READ_BYTES)
        return Bill(
            f"{n:,.0f} hours analysed",
            (
                self._line("put into the bucket", "s3_put", pieces),
                *self._arriving(n),
                self._line("ingest, time", self._own("lambda_time"), n * self._gb_s(ms)),
                self._line("read", "s3_get", pieces + n * RECORDING_GETS),
                self._line(
                    "results and clips",
                    "s3_put",
                    n * RECORDING_PUTS + found * DETECTION_PUTS,
                ),
                self._line(
                    "written down",
                    "table_write",
                    n * RECORDING_WRITES + found * DETECTION_WRITES,
                ),
                self._line("read of the books", "table_read", n * RECORDING_READS + found),
                self._line("log", "log", n * PREDICTION_LOG_BYTES / GB),
                self._line("recordings kept, a month", "s3_storage", size / GB),
            ),
        )

    def training(self, samples: float = 100_000, vcpus: float = 2, memory_gb: float = 8) -> Bill:
        """One training on so many samples, on Fargate by AWS Batch."""
        stored = samples * SAMPLE_BYTES
        seconds = (
            self.assumed.job_start_s
            + stored / self.assumed.read_mb_per_s / 1e6
            + self.measured.refit_s_100k * samples / 100_000
        )
        hours = max(seconds, 60) / 3600
        return Bill(
            f"A training on {samples:,.0f} samples",
            (
                self._line("processors", self._own("fargate_cpu"), hours * vcpus),
                self._line("memory", self._own("fargate_memory"), hours * memory_gb),
                self._line("its address", "public_address", hours),
                self._line("samples read", "table_read", stored / 4096),
                self._line("the model, kept a month", "s3_storage", (13e6 + stored) / GB),
                self._line("events", "event", 10),
            ),
        )

    def idle(self, samples: float = 0) -> Bill:
        """A month in which nobody asks for anything and nothing arrives; samples are there."""
        assumed = self.assumed
        sweeping = SWEEPS * self._gb_s(assumed.sweep_ms)
        stored = samples * SAMPLE_BYTES
        return Bill(
            f"An idle month with {samples:,.0f} samples",
            (
                self._line("sweeps, invocations", "lambda_request", SWEEPS),
                self._line("sweeps, time", self._own("lambda_time"), sweeping),
                self._line("sweeps, reads", "table_read", SWEEPS * SWEEP_READS),
                self._line("sweeps, the champion's pointer", "s3_get", SWEEPS * SWEEP_GETS),
                self._line("looks for drift, reads", "table_read", HOURS * DRIFT_READS),
                self._line("sweeps, writes", "table_write", SWEEPS * SWEEP_WRITES),
                self._line("sweeps, lists", "s3_put", SWEEPS * SWEEP_LISTS),
                self._line("sweeps, the table's key", "key_request", SWEEPS),
                self._line("sweeps, log", "log", SWEEPS * SWEEP_LOG_BYTES / GB),
                self._line(
                    "the empty queue is asked; a webhook has another", "queue_request", IDLE_POLLS
                ),
                self._line("alarms", "alarm", ALARMED_METRICS),
                self._line("dashboard", "dashboard", 1),
                # Told in the few hours in which a sweep's process is new.
                self._line("a metric, now and then", "metric", 1),
                self._line("samples counted again, daily", "table_read", stored / 4096 * DAYS),
                self._line("samples' embeddings", "table_storage", stored / GB),
                self._line("their backup", "table_backup", stored / GB),
                self._line("samples' sound", "s3_storage", samples * assumed.clip_bytes / GB),
                self._line("images", "image_storage", assumed.images_gb),
                self._line("the default model and code", "s3_storage", 0.2),
            ),
        )

    def watched(self) -> Bill:
        """What metrics add in a month in which each is told in every hour."""
        return Bill("Metrics in a busy month", (self._line("metrics", "metric", METRICS),))

    def container(self, n: float) -> Bill:
        """An always-on container for so many predictions a month: Fargate, 1 vCPU, 2 GB, an ALB.

        What it has in common with the functions (tally, log, answers) is left out.
        """
        tasks = self._containers(n)
        gigabytes = n * (self.assumed.request_bytes + ANSWER_BYTES) / GB
        return Bill(
            f"{tasks} container{'s' * (tasks > 1)}, a month",
            (
                *self._tasks(tasks),
                self._line("load balancer", "load_balancer", HOURS),
                # One in each of two zones.
                self._line("load balancer, addresses", "public_address", HOURS * 2),
                self._line("load balancer, traffic", "load_balancer_unit", gigabytes),
            ),
        )

    @property
    def container_capacity(self) -> float:
        """Predictions a month that one container of one core answers in time."""
        return HOURS * 3600 * 1000 / self.measured.predict_ms * self.assumed.container_load

    def functions(self, n: float) -> Bill:
        """The same by the functions: API and time, without what both have in common."""
        return Bill("Functions, a month", tuple(self._answering(n)))

    def break_even(self) -> float | None:
        """Predictions a month from which on containers are cheaper; None where they never are."""
        balancer, one = self.container(0).usd, self.container(MILLION).usd
        task = sum(line.usd for line in self._tasks(1))
        balancer -= task
        traffic = (one - balancer - task * self._containers(MILLION)) / MILLION
        margin = self.functions(MILLION).usd / MILLION - traffic
        won = margin * self.container_capacity - task
        if won <= 0:
            return None
        return (balancer + math.ceil(balancer / won) * task) / margin

    # --- parts -----------------------------------------------------------------------------

    def _containers(self, n: float) -> int:
        return max(math.ceil(n / self.container_capacity), 1)

    def _tasks(self, tasks: int) -> tuple[Line, ...]:
        return (
            self._line("containers, processors", self._own("fargate_cpu"), HOURS * tasks),
            self._line("containers, memory", self._own("fargate_memory"), HOURS * tasks * 2),
            self._line("containers, addresses", "public_address", HOURS * tasks),
        )

    def _answering(self, n: float) -> tuple[Line, ...]:
        assumed, measured = self.assumed, self.measured
        ms = measured.predict_ms + assumed.write_ms + assumed.cold_share * measured.cold_start_ms
        pieces = math.ceil(assumed.request_bytes / (512 * 1024))
        return (
            self._line("HTTP API", "http_api", n * pieces),
            self._line("predict, invocations", "lambda_request", n),
            self._line("predict, time", self._own("lambda_time"), n * self._gb_s(ms)),
        )

    def _arriving(self, n: float) -> tuple[Line, ...]:
        """From the bucket by an event and the queue to ingest, one by one."""
        return (
            self._line("event", "event", n),
            self._line("queue: sent, received, deleted", "queue_request", 3 * n),
            self._line("ingest, invocations", "lambda_request", n),
        )

    def _gb_s(self, ms: float) -> float:
        return ms / 1000 * self.assumed.memory_mb / 1024

    def _own(self, name: str) -> str:
        return f"{name}.{self.architecture}"

    def _line(self, what: str, price: str, amount: float) -> Line:
        return Line(what, amount, self.prices[price])
