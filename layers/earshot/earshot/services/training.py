"""Asking for training runs: by hand, or when enough samples are new."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from earshot.errors import NotEnoughSamples, RetrainInProgress, RunNotFound
from earshot.events import RetrainRequested
from earshot.moments import now
from earshot.pointer import PastShadow
from earshot.runs import REQUESTED, RUNNING, SHADOWING, Fate, Run

if TYPE_CHECKING:
    from earshot.catalog import Catalog
    from earshot.events import Publisher
    from earshot.ledger import Ledger
    from earshot.pointer import Champion, Promotion, Shadow
    from earshot.registry import Registry
    from earshot.runs import Became

logger = logging.getLogger(__name__)

_RUN = "run "


@dataclass(frozen=True)
class Training:
    """Claims runs and publishes them; ``threshold`` new samples make one due."""

    catalog: Catalog
    ledger: Ledger
    registry: Registry
    publisher: Publisher
    threshold: int

    def request(self, reason: str, min_new_samples: int = 0) -> Run:
        """Claim a training run and publish it; what cannot be published yet, a sweep will.

        Raises NotEnoughSamples, or RetrainInProgress when a run is under way.
        """
        standing = self.catalog.standing(to_request=True)
        if standing.active_run:
            raise RetrainInProgress(
                f"Training run {standing.active_run} is under way. Wait for it to end."
            )
        if standing.new < min_new_samples:
            raise NotEnoughSamples(
                f"There are {standing.new} new samples, {min_new_samples} were asked for. "
                "Add samples, or ask for fewer."
            )
        moment = datetime.now(UTC)
        run = Run(
            run=f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
            state=REQUESTED,
            reason=reason,
            requested_at=now(),
            samples=standing.total,
        )
        if not self.ledger.request(run, standing):
            raise RetrainInProgress(
                "Another training was asked for, or a sample was removed, at the same moment. "
                "Ask again."
            )
        logger.info("Training run %s is requested: %s.", run.run, reason)
        try:
            self.publish(run)
        except Exception:
            # It is asked for all the same: the next sweep finds it, and publishes it.
            logger.exception("Training run %s could not be published yet.", run.run)
        return run

    def request_if_due(self) -> Run | None:
        """Ask for a training when the threshold is crossed and none is under way."""
        standing = self.catalog.standing()
        if standing.active_run or standing.new < self.threshold:
            return None
        try:
            return self.request(
                f"{standing.new} new samples reached the threshold of {self.threshold}",
                self.threshold,
            )
        except (RetrainInProgress, NotEnoughSamples):
            return None

    def publish(self, run: Run) -> None:
        """Tell workers of a run; safe to repeat, for one of them claims it."""
        self.publisher.publish(RetrainRequested(run.run, run.reason, run.requested_at))
        self.ledger.published(run)

    def job_failed(self, run_id: str, job: str, why: str) -> bool:
        """End a run whose Batch job failed, attempts and all; False when that changes nothing.

        Nothing is changed by a job that has not, or no longer, the run: a repeated or late event,
        or one of several jobs that a run published again may have. The run's samples are not new
        again: what failed would only be tried with the same ones.
        """
        try:
            run = self.ledger.run(run_id)
        except RunNotFound:
            return False
        is_its_worker = run.state == RUNNING and run.worker == job
        is_its_only_job = run.state == REQUESTED and run.publications <= 1
        if not (is_its_worker or is_its_only_job):
            return False
        if not self.give_up(run, f"Its job failed: {why}"):
            return False
        logger.error("Training run %s ended with its job %s: %s", run.run, job, why)
        # Samples that came in meanwhile may already be enough for the next one.
        self.request_if_due()
        return True

    def give_up(self, run: Run, why: str, *, renewed: bool = False) -> bool:
        """End a run that nobody goes on with; False when it went on since it was read.

        It failed, unless its worker died between promoting, or putting into the shadow, and saying
        so. If ``renewed``, its samples count as new again.
        """
        if promotion := self.promotion_of(run):
            return self.ledger.conclude(run, promotion.version)
        if shadow := self.shadow_of(run):
            return self.ledger.conclude(run, shadow.version, SHADOWING)
        return self.ledger.fail(run, why, renewed=renewed)

    def promotion_of(self, run: Run) -> Promotion | None:
        """How a run's version came into service, whether it serves still or not."""
        trail = _trail(self.registry.champion())
        return next((one for one in trail if one.promoted_by == promoter(run)), None)

    def shadow_of(self, run: Run) -> Shadow | None:
        """How a run's version was, or is, compared with the champion."""
        pointer = self.registry.champion()
        return next((one for one in _shadows(pointer) if one.began_by == promoter(run)), None)

    def fates(self, run: Run) -> list[Fate]:
        """What became of a run's version since it was judged, the oldest first."""
        if run.version is None:
            return []
        pointer = self.registry.champion()
        fates = []
        for one in _shadows(pointer):
            if one.version != run.version:
                continue
            fates.append(Fate("shadowing", one.began_at, one.began_by, one.reason))
            if isinstance(one, PastShadow) and not one.promoted:
                fates.append(Fate("dismissed", one.ended_at, one.ended_by, one.why))
        for change in _trail(pointer):
            if change.version == run.version:
                became: Became = "promoted"
            elif change.rollback and change.previous == run.version:
                became = "taken back"
            else:
                continue
            fates.append(Fate(became, change.promoted_at, change.promoted_by, change.reason))
        return sorted(fates, key=lambda fate: fate.at)


def _trail(pointer: Champion | None) -> tuple[Promotion, ...]:
    return pointer.history if pointer else ()


def _shadows(pointer: Champion | None) -> list[Shadow]:
    """The challengers, the latest first, with the one that hears along."""
    if pointer is None:
        return []
    return [*((pointer.shadow,) if pointer.shadow else ()), *pointer.shadows]


def promoter(run: Run) -> str:
    """Who promotes a run's version, in the words of the trail."""
    return f"{_RUN}{run.run}"


def promoted_run(by: str) -> str | None:
    """The run that these words of the trail name; None when they name a person."""
    return by.removeprefix(_RUN) if by.startswith(_RUN) else None
