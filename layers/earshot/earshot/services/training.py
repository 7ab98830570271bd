"""Asking for training runs: by hand, or when enough samples are new."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from earshot.errors import NotEnoughSamples, RetrainInProgress
from earshot.events import RetrainRequested
from earshot.recording import now
from earshot.runs import REQUESTED, Run

if TYPE_CHECKING:
    from earshot.catalog import Catalog
    from earshot.events import Publisher
    from earshot.ledger import Ledger
    from earshot.runs import Standing

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """Claims runs and publishes them; ``threshold`` new samples make one due."""

    catalog: Catalog
    ledger: Ledger
    publisher: Publisher
    threshold: int

    def request(self, reason: str, min_new_samples: int = 0) -> Run:
        """Claim a training run and publish it.

        Raises NotEnoughSamples, or RetrainInProgress when a run is under way.
        """
        return self._request(self.catalog.standing(), reason, min_new_samples)

    def request_if_due(self) -> Run | None:
        """Ask for a training when the threshold is crossed and none is under way."""
        standing = self.catalog.standing()
        if standing.active_run or standing.new < self.threshold:
            return None
        try:
            return self._request(
                standing,
                f"{standing.new} new samples reached the threshold of {self.threshold}",
                self.threshold,
            )
        except RetrainInProgress:
            return None

    def _request(self, standing: Standing, reason: str, min_new_samples: int) -> Run:
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
            raise RetrainInProgress("Another training was asked for at the same moment.")
        if standing.silent_run:
            self.ledger.bury(standing.silent_run)
        try:
            self.publisher.publish(RetrainRequested(run.run, reason, run.requested_at))
        except Exception as error:
            self.ledger.withdraw(run.run, standing, f"It could not be published: {error}")
            raise
        logger.info("Training run %s is requested: %s.", run.run, reason)
        return run
