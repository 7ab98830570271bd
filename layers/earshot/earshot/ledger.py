"""Training runs, and the one seat for them, in the DynamoDB table.

============  ============  ================================================================
``pk``        ``sk``        item
============  ============  ================================================================
``TRAINING``  ``TRAINING``  ``active_run``, the run that has the seat; ``requested_total``, the
                            samples of the last request that are still there, and ``marks``, by
                            which they are known; ``requested``, those of each label that there
                            were; ``requested_before``, ``marks_before`` and ``labels_before``,
                            those of the one before it; ``requests``, one more with each change of
                            the marks; ``removals``, of samples
``RUNS``      run           a training run: state, stage, curve, verdicts
============  ============  ================================================================

A run takes the seat in the transaction that makes it, and leaves it in the one that ends it. So
the seat is that of the one run that is not over; a sweep ends a run whose worker does not.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from earshot.errors import RetrainInProgress, RunNotFound
from earshot.moments import moment
from earshot.runs import FAILED, PROMOTED, REQUESTED, RUNNING, Run
from earshot.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.runs import Standing

# For how long a worker may be silent before others go on.
SILENCE_S = 600


class Ledger:
    """Who trains, and what came of it. All writes are safe to repeat.

    ``clock`` tells seconds since the epoch.
    """

    def __init__(
        self, client: DynamoDBClient, table: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._table = Table(client, table)
        self._clock = clock

    def request(self, run: Run, seen: Standing) -> bool:
        """Take the training seat for a new run; False when somebody else did since ``seen``.

        Or when a sample was removed since. The run and the new total appear together or not at
        all, so one crossing of the threshold makes one run.
        """
        return self._table.transact(
            self._table.updating(
                "TRAINING",
                "TRAINING",
                "SET requested_total = :total, active_run = :run, marks = :revisions, "
                "requested_before = :seen, marks_before = :marks, requested = :labels, "
                "labels_before = :before ADD requests :one",
                {
                    "total": seen.total,
                    "seen": seen.requested_total,
                    "run": run.run,
                    "revisions": seen.revisions,
                    "marks": seen.marks,
                    "labels": seen.labels,
                    "before": seen.requested,
                    "removals": seen.removals,
                    "one": 1,
                },
                when="(attribute_not_exists(requested_total) OR requested_total = :seen) AND "
                "(attribute_not_exists(removals) OR removals = :removals) AND "
                "attribute_not_exists(active_run)",
            ),
            self._table.putting_new(_run_item(run)),
        )

    def published(self, run: Run) -> bool:
        """Record that workers were told of a run, as it was read; False when it is known."""
        return self._table.update(
            "RUNS",
            run.run,
            "SET published_at = :at, publications = :times",
            {"at": self._now(), "times": run.publications + 1, "seen": run.publications},
            when="attribute_exists(pk) AND "
            "(attribute_not_exists(publications) OR publications = :seen)",
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
            "SET #state = :running, worker = :worker, started_at = :at, lease_until = :until "
            "ADD attempts :one",
            {
                "running": RUNNING,
                "requested": REQUESTED,
                "worker": worker,
                "at": self._now(),
                "until": self._in(SILENCE_S),
                "now": self._in(0),
                "one": 1,
            },
            names={"state": "state"},
            when="#state = :requested OR (#state = :running AND "
            "(worker = :worker OR lease_until < :now))",
        )
        if not claimed:
            raise RetrainInProgress(f"Run {run} is finished, or another worker has it.")
        return self.run(run)

    def keep(self, run: str, worker: str) -> None:
        """Say that a run's worker is alive: its claim lasts SILENCE_S more."""
        self.report(run, worker, lease_until=self._in(SILENCE_S))

    def report(self, run: str, worker: str, **changes: Any) -> None:
        """Write what is known of a run while it goes on: stage, progress, curve and the like.

        Raises RetrainInProgress when the run is not, or no longer, this worker's.
        """
        if not self._table.transact(self._reporting(run, worker, changes)):
            raise _not_ours(run)

    def finish(self, run: str, worker: str, state: str, **changes: Any) -> None:
        """End a run and free the training seat; raises RetrainInProgress as ``report`` does."""
        ending = {"state": state, "finished_at": self._now(), **changes}
        if not self._table.transact(self._reporting(run, worker, ending), self._freeing(run)):
            raise _not_ours(run)

    def fail(self, run: Run, error: str, *, renewed: bool = False) -> bool:
        """End a run by failure and free its seat; False when it went on since it was read.

        If ``renewed``, its samples count as new again.
        """
        return self._table.transact(
            self._ending(run, FAILED, error=error), self._freeing(run.run, renewed)
        )

    def conclude(self, run: Run, version: str | None, state: str = PROMOTED) -> bool:
        """End a run whose version was promoted by a worker that did not live to say so.

        Or was put into the shadow, as ``state`` then says. False when it went on since it was read.
        """
        done = {"stage": "done", "progress": 1.0, "version": version}
        return self._table.transact(self._ending(run, state, **done), self._freeing(run.run))

    def settle(self, run: Run, state: str, **changes: Any) -> bool:
        """Say what came of a run whose version was in the shadow; False when it is said."""
        return self._table.transact(self._ending(run, state, **changes))

    def abandon(self, run: Run, error: str) -> bool:
        """End a run that is without the seat; False when it went on since it was read."""
        return self._table.transact(self._ending(run, FAILED, error=error))

    def seat(self) -> str | None:
        """The run that has the training seat."""
        item = self._table.get("TRAINING", "TRAINING") or {}
        run: str | None = item.get("active_run")
        return run

    def vacate(self, run: str) -> bool:
        """Free the seat of a run that is over, or is not there; False when it has none."""
        return self._table.transact(self._freeing(run))

    def run(self, run: str) -> Run:
        """One run; raises RunNotFound."""
        item = self._table.get("RUNS", run)
        if item is None:
            raise RunNotFound(f"There is no training run {run!r}.")
        return _run(item)

    def runs(self, limit: int = 50) -> list[Run]:
        """The latest runs, the newest first."""
        return [_run(item) for item in self._table.last("RUNS", limit)]

    def _reporting(self, run: str, worker: str, changes: dict[str, Any]) -> dict[str, Any]:
        """The action that writes of a run while it is this worker's."""
        return self._table.updating(
            "RUNS",
            run,
            "SET " + ", ".join(f"#{name} = :{name}" for name in changes),
            {name: _plain(value) for name, value in changes.items()}
            | {"me": worker, "still_running": RUNNING},
            names={name: name for name in changes} | {"now": "state"},
            when="worker = :me AND #now = :still_running",
        )

    def _ending(self, run: Run, state: str, **changes: Any) -> dict[str, Any]:
        """The action that ends a run, unless it was claimed, kept or ended meanwhile."""
        ending = {"state": state, "finished_at": self._now(), **changes}
        return self._table.updating(
            "RUNS",
            run.run,
            "SET " + ", ".join(f"#{name} = :{name}" for name in ending),
            {name: _plain(value) for name, value in ending.items()}
            | {"seen": run.state, "lease": run.lease_until},
            names={name: name for name in ending} | {"now": "state"},
            when="#now = :seen AND (attribute_not_exists(lease_until) OR lease_until = :lease)",
        )

    def _freeing(self, run: str, renewed: bool = False) -> dict[str, Any]:
        """The action that takes the seat from a run, and what it asked for back."""
        if not renewed:
            return self._table.updating(
                "TRAINING",
                "TRAINING",
                "REMOVE active_run",
                {"run": run},
                when="active_run = :run",
            )
        return self._table.updating(
            "TRAINING",
            "TRAINING",
            # What an earlier release asked for had no marks.
            "SET requested_total = if_not_exists(requested_before, requested_total), "
            "marks = if_not_exists(marks_before, :none), "
            "requested = if_not_exists(labels_before, :none) REMOVE active_run ADD requests :one",
            {"run": run, "one": 1, "none": {}},
            when="active_run = :run",
        )

    def _now(self) -> str:
        return moment(self._clock())

    def _in(self, seconds: int) -> int:
        """So many seconds from now, in whole seconds since the epoch."""
        return int(self._clock()) + seconds


def _not_ours(run: str) -> RetrainInProgress:
    return RetrainInProgress(f"Run {run} is another worker's by now, or finished.")


def _plain(value: Any) -> Any:
    """Nested figures travel as JSON text: DynamoDB's numbers are decimals, not floats."""
    return json.dumps(value) if isinstance(value, dict | list | float) else value


_JSON_FIELDS = ("progress", "curve", "metrics", "gates", "notes")
_WHOLE_FIELDS = ("samples", "publications", "attempts", "lease_until")


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
    for name in _WHOLE_FIELDS:
        if name in known:
            known[name] = int(known[name])
    return Run(run=item["sk"], **known)
