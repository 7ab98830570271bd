"""Samples, their counts and the training runs, in the DynamoDB table.

========================  ==================  ==================================================
``pk``                    ``sk``              item
========================  ==================  ==================================================
``SAMPLES#<shard>``       SHA-256 of the PCM  a sample with its embedding, once there is a model
``COUNTS#<shard>``        ``COUNTS``          how many of each label the shard has: ``n#<label>``
``TRAINING``              ``TRAINING``        ``requested_total``, the total at the last request;
                                              ``active_run`` and ``active_until``
``RUNS``                  run                 a training run: state, stage, curve, verdicts
========================  ==================  ==================================================

A sample's shard is the first hex digit of its identity, so a put and its count meet in the same
shard, sixteen of which share the writes of a busy label.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from earshot.errors import LabelConflict, RetrainInProgress, RunNotFound
from earshot.recording import Sample, now
from earshot.runs import FAILED, REQUESTED, RUNNING, Run, Standing
from earshot.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.recording import Samples

SHARDS = "0123456789abcdef"
# How long a run may wait for its worker, and a worker may be silent, before others go on.
WAITING_S = 2 * 3600
SILENCE_S = 600
# DynamoDB reserves both words.
ENDING_NAMES = {"state": "state", "error": "error"}


class Catalog:
    """The table's contents. All writes are safe to repeat."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    # --- samples ---------------------------------------------------------------------------

    def add_sample(self, sample: Sample) -> bool:
        """Catalogue a sample and count it, in one transaction; False when it was there already.

        Raises LabelConflict when the same audio stands under another label.
        """
        added = self._table.transact(
            self._table.putting_new(_sample_item(sample)),
            self._table.updating(
                f"COUNTS#{sample.sha256[0]}",
                "COUNTS",
                "ADD #label :one",
                {"one": 1},
                names={"label": f"n#{sample.label}"},
            ),
            self._table.deleting("REFUSED", sample.key),
        )
        if not added:
            self._table.delete("REFUSED", sample.key)
            there = self.sample(sample.sha256)
            if there is not None and there.label != sample.label:
                raise LabelConflict(
                    f"{sample.key} is the same sound as {there.key}, which is catalogued as "
                    f"{there.label!r}. It is learnt as that; this one changes nothing."
                )
        return added

    def sample(self, sha256: str) -> Sample | None:
        """One sample by its identity."""
        item = self._table.get(f"SAMPLES#{sha256[0]}", sha256)
        return _sample(item) if item else None

    def samples(self) -> Iterator[Sample]:
        """Every sample with its embedding, shard by shard in the order of their identities."""
        for shard in SHARDS:
            for item in self._table.query(f"SAMPLES#{shard}"):
                yield _sample(item)

    def keep_embedding(self, sample: Sample, embedded_by: str, embedding: Samples) -> None:
        """Put a new embedding ``[windows, dim]`` in the place of ``sample``'s.

        Nothing happens when somebody else did, or the sample is gone: both are found again.
        """
        self._table.update(
            f"SAMPLES#{sample.sha256[0]}",
            sample.sha256,
            "SET embedded_by = :by, windows = :windows, embedding = :embedding",
            {"by": embedded_by, "before": sample.embedded_by, **_embedding_item(embedding)},
            when="embedded_by = :before",
        )

    def standing(self) -> Standing:
        """Counts and the state of training, read consistently in one round trip."""
        items = self._table.get_many(
            [*((f"COUNTS#{shard}", "COUNTS") for shard in SHARDS), ("TRAINING", "TRAINING")]
        )
        training = next((item for item in items if item["pk"] == "TRAINING"), {})
        labels: dict[str, int] = {}
        for item in items:
            for name, n in item.items():
                if name.startswith("n#"):
                    labels[name[2:]] = labels.get(name[2:], 0) + int(n)
        return Standing(
            labels=dict(sorted(labels.items())),
            total=sum(labels.values()),
            requested_total=int(training.get("requested_total", 0)),
            **_seat(training),
        )

    # --- training runs ---------------------------------------------------------------------

    def request_run(self, run: Run, seen: Standing) -> bool:
        """Take the training seat for a new run; False when somebody else did since ``seen``.

        The run and the new total appear together or not at all, so one crossing of the
        threshold makes one run.
        """
        return self._table.transact(
            self._table.updating(
                "TRAINING",
                "TRAINING",
                "SET requested_total = :total, active_run = :run, active_until = :until",
                {
                    "total": seen.total,
                    "seen": seen.requested_total,
                    "run": run.run,
                    "until": _in(WAITING_S),
                    "now": _in(0),
                },
                when="(attribute_not_exists(requested_total) OR requested_total = :seen) AND "
                "(attribute_not_exists(active_run) OR active_until < :now)",
            ),
            self._table.putting_new(_run_item(run)),
        )

    def withdraw_run(self, run: str, seen: Standing, error: str) -> None:
        """Take back a request that nobody could be told of: its samples count as new again."""
        self._table.transact(
            self._table.updating(
                "TRAINING",
                "TRAINING",
                "SET requested_total = :seen REMOVE active_run, active_until",
                {"seen": seen.requested_total, "run": run},
                when="active_run = :run",
            ),
            self._table.updating("RUNS", run, *_ending(error), names=ENDING_NAMES),
        )

    def bury_run(self, run: str) -> None:
        """Record that a run's worker fell silent and nobody went on with it."""
        self._table.update(
            "RUNS",
            run,
            *_ending(f"Its worker was silent for {SILENCE_S} s or more."),
            names=ENDING_NAMES,
            when="attribute_not_exists(finished_at)",
        )

    def claim_run(self, run: str, worker: str) -> Run:
        """Start a run as ``worker``; the same worker may claim it again after a crash.

        Raises RetrainInProgress when it is finished, or another copy of the job has it and was
        not silent for SILENCE_S; and RunNotFound.
        """
        self.run(run)
        claimed = self._table.update(
            "RUNS",
            run,
            "SET #state = :running, worker = :worker, started_at = :at, lease_until = :until",
            {
                "running": RUNNING,
                "requested": REQUESTED,
                "worker": worker,
                "at": now(),
                "until": _in(SILENCE_S),
                "now": _in(0),
            },
            names={"state": "state"},
            when="#state = :requested OR (#state = :running AND "
            "(worker = :worker OR lease_until < :now))",
        )
        if not claimed:
            raise RetrainInProgress(f"Run {run} is finished, or another worker has it.")
        self.keep_run(run, worker)
        return self.run(run)

    def keep_run(self, run: str, worker: str) -> None:
        """Say that a run's worker is alive: its claim and the training seat last SILENCE_S more."""
        self.report_run(run, worker, lease_until=_in(SILENCE_S))
        self._on_seat(run, "SET active_until = :until", {"until": _in(SILENCE_S)})

    def report_run(self, run: str, worker: str, **changes: Any) -> None:
        """Write what is known of a run while it goes on: stage, progress, curve and the like.

        Raises RetrainInProgress when the run is not, or no longer, this worker's.
        """
        is_ours = self._table.update(
            "RUNS",
            run,
            "SET " + ", ".join(f"#{name} = :{name}" for name in changes),
            {name: _plain(value) for name, value in changes.items()}
            | {"me": worker, "still_running": RUNNING},
            names={name: name for name in changes} | {"now": "state"},
            when="worker = :me AND #now = :still_running",
        )
        if not is_ours:
            raise RetrainInProgress(f"Run {run} is another worker's by now, or finished.")

    def finish_run(self, run: str, worker: str, state: str, **changes: Any) -> None:
        """End a run and free the training seat; raises RetrainInProgress as ``report_run`` does."""
        self.report_run(run, worker, state=state, finished_at=now(), **changes)
        self._on_seat(run, "REMOVE active_run, active_until", {})

    def _on_seat(self, run: str, change: str, values: dict[str, Any]) -> None:
        """Change the training seat, if the run has it; if its time was up, another may."""
        self._table.update(
            "TRAINING", "TRAINING", change, {"run": run, **values}, when="active_run = :run"
        )

    def run(self, run: str) -> Run:
        """One run; raises RunNotFound."""
        item = self._table.get("RUNS", run)
        if item is None:
            raise RunNotFound(f"There is no training run {run!r}.")
        return _run(item)

    def runs(self, limit: int = 50) -> list[Run]:
        """The latest runs, the newest first."""
        return [_run(item) for item in self._table.last("RUNS", limit)]


def _in(seconds: int) -> int:
    """So many seconds from now, as DynamoDB's time to live counts: whole seconds since 1970."""
    return int(time.time()) + seconds


def _ending(error: str) -> tuple[str, dict[str, Any]]:
    """The change, and its values, that end a run by failure."""
    return (
        "SET #state = :failed, finished_at = :at, #error = :error",
        {"failed": FAILED, "at": now(), "error": error},
    )


def _plain(value: Any) -> Any:
    """Nested figures travel as JSON text: DynamoDB's numbers are decimals, not floats."""
    return json.dumps(value) if isinstance(value, dict | list | float) else value


def _sample_item(sample: Sample) -> dict[str, Any]:
    return {
        "pk": f"SAMPLES#{sample.sha256[0]}",
        "sk": sample.sha256,
        "label": sample.label,
        "group": sample.group,
        "key": sample.key,
        "duration_ms": round(sample.duration_s * 1000),
        "embedded_by": sample.embedded_by,
        "added_at": sample.added_at,
        **({} if sample.embedding is None else _embedding_item(sample.embedding)),
    }


def _embedding_item(embedding: Samples) -> dict[str, Any]:
    return {
        "windows": len(embedding),
        "embedding": embedding.astype("<f4", copy=False).tobytes(),
    }


def _sample(item: dict[str, Any]) -> Sample:
    embedding: Samples | None = None
    if "embedding" in item:
        stored = np.frombuffer(bytes(item["embedding"]), dtype="<f4")
        embedding = stored.reshape(int(item["windows"]), -1)
    return Sample(
        sha256=item["sk"],
        label=item["label"],
        group=item["group"],
        key=item["key"],
        duration_s=int(item["duration_ms"]) / 1000,
        embedded_by=item["embedded_by"],
        embedding=embedding,
        added_at=item["added_at"],
    )


_JSON_FIELDS = ("progress", "curve", "metrics", "gates", "notes")


def _run_item(run: Run) -> dict[str, Any]:
    return {
        "pk": "RUNS",
        "sk": run.run,
        "state": run.state,
        "stage": run.stage,
        "reason": run.reason,
        "requested_at": run.requested_at,
        "samples": run.samples,
    }


def _run(item: dict[str, Any]) -> Run:
    known: dict[str, Any] = {
        name: value for name, value in item.items() if name in Run.__dataclass_fields__
    }
    for name in _JSON_FIELDS:
        if name in known:
            known[name] = json.loads(known[name])
    known["samples"] = int(known["samples"])
    return Run(run=item["sk"], **known)


def _seat(training: dict[str, Any]) -> dict[str, str | None]:
    """Who has the training seat, and whether its time is up."""
    is_alive = int(training.get("active_until", 0)) >= time.time()
    run: str | None = training.get("active_run")
    return {"active_run": run if is_alive else None, "silent_run": None if is_alive else run}
