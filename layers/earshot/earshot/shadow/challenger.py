"""A challenger at work: it hears what the champion heard, and what both said is counted."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earshot.shadow import comparison as counts

if TYPE_CHECKING:
    from earshot.detector import Detector
    from earshot.pointer import Shadow
    from earshot.recording import Prediction, Waveform

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Challenger:
    """A version in the shadow; ``detector`` is None when it does not verify."""

    shadow: Shadow
    detector: Detector | None

    def hear(
        self, waveform: Waveform, mine: Prediction
    ) -> tuple[Prediction | None, dict[str, int]]:
        """What it says to a sound that the champion's answer is ``mine`` to, and what to count.

        It raises nothing: what it fails at is counted, and its answer is None.
        """
        started = time.perf_counter()
        try:
            its = self.detector.classify(waveform) if self.detector else None
        except Exception:
            logger.exception("Version %s failed in the shadow.", self.shadow.version)
            its = None
        if its is None:
            return None, counts.failed(self.shadow.shadow)
        took_ms = (time.perf_counter() - started) * 1000
        return its, counts.compared(self.shadow.shadow, mine, its, took_ms)
