"""A new champion is watched, and taken back when it does far worse than what served before."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earshot import watch
from earshot.drift.observations import ASKED
from earshot.errors import BadBundle, ModelNotFound, NothingToRollBackTo, PromotionConflict
from earshot.moments import later, since_epoch
from earshot.services.shadows import SWEEP
from earshot.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.drift.observations import Observations
    from earshot.pointer import Champion, Promotion
    from earshot.recording import Answer
    from earshot.services.models import Models
    from earshot.serving import Serving
    from earshot.statistics import Statistics
    from earshot.sweeps import Repair

logger = logging.getLogger(__name__)

# What served before is judged by so many days before the promotion, at most.
BEFORE_S = 28 * 86_400
# Of a site its latest answers, and of so many sites: each is a read of every sweep meanwhile.
MOST_ANSWERS = 300
MOST_SITES = 20


@dataclass(frozen=True)
class Watch:
    """Rolls back by itself; ``is_on`` says whether it may.

    What was asked of the API is all counted, of recordings what was kept to tell drift by.
    A version is taken back so once: when somebody puts it into service again, they know why.
    """

    models: Models
    serving: Serving
    statistics: Statistics
    observations: Observations
    is_on: bool

    def look(self, pointer: Champion, now_s: float) -> Iterator[tuple[Repair, str]]:
        """Take the champion back if it came a short while ago and does badly.

        ``now_s`` is in seconds since the epoch. Raises PromotionRefused when what served before
        cannot serve either.
        """
        if not self.is_on or pointer.fault or pointer.undone() is None:
            return
        latest, *before = pointer.history
        since_s = now_s - since_epoch(latest.promoted_at)
        if latest.rollback or since_s > watch.WATCH_S or _taken_back(latest, before):
            return
        name = self.models.name(latest.version)
        why = self._against(latest, before, name) if name else None
        if why is None:
            return
        try:
            back = self.models.roll_back(SWEEP, why, expected=name)
        except (PromotionConflict, NothingToRollBackTo) as error:
            logger.warning("Version %s is not taken back: %s", name, error)
            return
        yield (
            "rolled_back",
            f"{name} is taken back, {back.version or 'the default bundle'} serves. {why}",
        )

    def _against(self, latest: Promotion, before: list[Promotion], name: str) -> str | None:
        self.serving.detector()
        if (latest.version or "default") in self.serving.refused:
            try:
                # Once more: one bad transfer is no reason.
                self.serving.load(latest.version)
            except (BadBundle, ModelNotFound) as error:
                return f"It is refused: {error}"
        return self._in_requests(latest, before, name) or self._in_recordings(latest, name)

    def _in_requests(self, latest: Promotion, before: list[Promotion], name: str) -> str | None:
        oldest = later(latest.promoted_at, -BEFORE_S)
        days = self.statistics.days(oldest)
        # What served just before, if it answered often enough; else what served before that, too.
        for since in (*(one.promoted_at for one in before if one.promoted_at > oldest), oldest):
            first = since[: len("YYYY-MM-DD")]
            tally = Tally.of(*(one.counts for day, one in days.items() if day >= first))
            others = watch.of_others(tally, name)
            if others.asked >= watch.LEAST_ANSWERS:
                return watch.against(watch.of_version(tally, name), others)
        return None

    def _in_recordings(self, latest: Promotion, name: str) -> str | None:
        """Of each site as many answers by it as by others: so a noisy site is on both sides."""
        now: list[Answer] = []
        before: list[Answer] = []
        sites = [site for site in self.observations.sites(latest.promoted_at) if site != ASKED]
        for site in sites[:MOST_SITES]:
            heard = self.observations.latest(site, MOST_ANSWERS)
            its = [one.answer for one in heard if one.model_version == name]
            others = [one.answer for one in heard if one.model_version != name]
            both = min(len(its), len(others))
            now += its[:both]
            before += others[:both]
        return watch.against(watch.of_answers(now), watch.of_answers(before), "recorded sounds")


def _taken_back(latest: Promotion, before: list[Promotion]) -> bool:
    return any(
        one.rollback and one.promoted_by == SWEEP and one.previous == latest.version
        for one in before
    )
