"""Training runs, and the one seat for them, in the DynamoDB table.

============  ============  ================================================================
``pk``        ``sk``        item
============  ============  ================================================================
``TRAINING``  ``TRAINING``  ``requested_total``, the samples at the last request;
                            ``active_run`` and ``active_until``
``RUNS``      run           a training run: state, stage, curve, verdicts
============  ============  ================================================================
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from earshot.errors import RetrainInProgress, RunNotFound
from earshot.recording import now
from earshot.runs import FAILED, REQUESTED, RUNNING, Run
from earshot.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.runs import Standing

# How long a run may wait for its worker, and a worker may be silent, before others go on.
WAITING_S = 2 * 3600
SILENCE_S = 600
# DynamoDB reserves both words.
ENDING_NAMES = {"state": "state", "error": "error"}


class Ledger:
    """Who trains, and what came of it. All writes are safe to repeat."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def request(self, run: Run, seen: Standing) -> bool:
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

    def withdraw(self, run: str, seen: Standing, error: str) -> None:
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

    def bury(self, run: str) -> None:
        """Record that a run's worker fell silent and nobody went on with it."""
        self._table.update(
            "RUNS",
            run,
            *_ending(f"Its worker was silent for {SILENCE_S} s or more."),
            names=ENDING_NAMES,
            when="attribute_not_exists(finished_at)",
        )

    def claim(self, run: str, worker: str) -> Run:
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
        self.keep(run, worker)
        return self.run(run)

    def keep(self, run: str, worker: str) -> None:
        """Say that a run's worker is alive: its claim and the training seat last SILENCE_S more."""
        self.report(run, worker, lease_until=_in(SILENCE_S))
        self._on_seat(run, "SET active_until = :until", {"until": _in(SILENCE_S)})

    def report(self, run: str, worker: str, **changes: Any) -> None:
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

    def finish(self, run: str, worker: str, state: str, **changes: Any) -> None:
        """End a run and free the training seat; raises RetrainInProgress as ``report`` does."""
        self.report(run, worker, state=state, finished_at=now(), **changes)
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
