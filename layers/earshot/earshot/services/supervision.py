"""Training runs that nobody works on: published again, or ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from earshot.errors import RunNotFound
from earshot.ledger import SILENCE_S
from earshot.moments import since_epoch
from earshot.runs import REQUESTED, RUNNING
from earshot.sweeps import UNPUBLISHED_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.ledger import Ledger
    from earshot.runs import Run
    from earshot.services.training import Training
    from earshot.sweeps import Repair

# Fargate starts a job in about half a minute, but a full queue may hold one for hours. Each time
# is twice the one before, so that few copies wait there, and the seventh ends after 32 hours:
# EventBridge itself tries for 24 to hand over an event.
PATIENCE_S = 15 * 60
PUBLICATIONS = 7
# Two jobs, each of which Batch tries twice.
ATTEMPTS = 4
# Of the latest runs; only one is under way at a time.
RUNS = 10


@dataclass(frozen=True)
class Supervision:
    """Looks after runs; what it did is yielded, a kind and a sentence each."""

    ledger: Ledger
    training: Training

    def end_strays(self) -> Iterator[tuple[Repair, str]]:
        """End runs that are not over and do not have the seat."""
        # In this order: who had the seat when it is read here, has had it all the time.
        runs = self.ledger.runs(RUNS)
        seat = self.ledger.seat()
        for run in runs:
            if not run.is_over and run.run != seat:
                why = "It lost its seat: another run was begun, or the seat was freed."
                if self.ledger.abandon(run, why):
                    yield "run_ended", f"Run {run.run} had no seat and is ended."

    def look_after(self, now_s: float) -> Iterator[tuple[Repair, str]]:
        """See to it that the run which has the seat goes on; ``now_s`` in seconds since 1970."""
        seat = self.ledger.seat()
        if seat is None:
            return
        try:
            run = self.ledger.run(seat)
        except RunNotFound:
            if self.ledger.vacate(seat):
                yield "seat_freed", f"The seat was that of run {seat}, which is not there."
            return
        if run.is_over:
            if self.ledger.vacate(seat):
                yield "seat_freed", f"The seat was still that of run {seat}, which is over."
        elif run.state == REQUESTED or run.lease_until < now_s:
            yield from self._go_on_with(run, now_s)

    def _go_on_with(self, run: Run, now_s: float) -> Iterator[tuple[Repair, str]]:
        """Publish a run that nobody works on, or end it when that was tried often enough."""
        if run.published_at is None:
            due_s = since_epoch(run.requested_at) + UNPUBLISHED_S
        else:
            due_s = since_epoch(run.published_at) + PATIENCE_S * 2 ** (run.publications - 1)
        if run.state == RUNNING and run.attempts >= ATTEMPTS:
            yield from self._end(
                run,
                f"Its worker fell silent for more than {SILENCE_S} s, and so did those before: "
                f"it was begun {run.attempts} times.",
            )
        elif now_s < due_s:
            return
        elif run.publications >= PUBLICATIONS:
            told = f"Workers were told {run.publications} times, and none"
            if run.state == RUNNING:
                yield from self._end(run, f"{told} went on when its own fell silent.")
            else:
                # Nothing was tried with its samples.
                yield from self._end(run, f"{told} began it.", renewed=True)
        else:
            self.training.publish(run)
            why = "its worker fell silent" if run.state == RUNNING else "nobody has begun it"
            yield "run_published", f"Run {run.run} is published again: {why}."

    def _end(self, run: Run, why: str, *, renewed: bool = False) -> Iterator[tuple[Repair, str]]:
        if self.training.give_up(run, why, renewed=renewed):
            yield "run_ended", f"Run {run.run} is ended. {why}"
