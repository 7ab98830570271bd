"""Challengers in the shadow: begun, compared with the champion, promoted or dismissed.

A version that passed its gates was right about held-out clips. What the field sounds like today it
has not heard: so it may be asked to prove itself on live traffic before anybody gets its answers.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from earshot.errors import (
    ModelNotFound,
    NoShadow,
    PromotionConflict,
    PromotionRefused,
    RunNotFound,
)
from earshot.moments import since_epoch
from earshot.runs import PROMOTED, REJECTED, SHADOWING
from earshot.services.training import promoted_run
from earshot.shadow import comparison as counts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.field.logbook import Logbook
    from earshot.ledger import Ledger
    from earshot.pointer import Champion, PastShadow, Shadow
    from earshot.registry import Registry
    from earshot.runs import Run
    from earshot.services.models import Models
    from earshot.shadow.comparison import Comparison
    from earshot.statistics import Statistics
    from earshot.sweeps import Repair

logger = logging.getLogger(__name__)

# Who acts by the clock, in the words of the trail.
SWEEP = "sweep"
# Who was not heard enough by then waits for no more: the world is another by that time.
LONGEST_S = 28 * 86_400
# Hardly more end between two sweeps; each is a read of every sweep.
LATEST = 3


@dataclass(frozen=True)
class Shadows:
    """Says which challenger hears along, and what comes of it.

    ``needed`` comparisons are asked of a run's challenger before it serves, of a ``share`` (0 to
    1) of the traffic; by 0 it serves at once.
    """

    registry: Registry
    models: Models
    ledger: Ledger
    statistics: Statistics
    logbook: Logbook
    needed: int
    share: float

    def begin(
        self,
        version: str,
        by: str,
        reason: str,
        needed: int,
        share: float | None = None,
        expected: str | None = None,
    ) -> Shadow:
        """Let a version hear along with the champion, in the place of one that does.

        After ``needed`` comparisons the sweep promotes it, or by 0 it only hears along.
        ``expected`` is the champion that the caller has seen. The version that hears along goes on
        with its counts when it is asked for in the same way again.

        Raises ModelNotFound, PromotionRefused when it could not serve, and PromotionConflict when
        the champion is not ``expected``, or is this version.
        """
        return self.begin_beside(self.models.pointer(expected), version, by, reason, needed, share)

    def begin_beside(
        self,
        pointer: Champion | None,
        version: str,
        by: str,
        reason: str,
        needed: int,
        share: float | None = None,
    ) -> Shadow:
        """As ``begin`` does, beside the champion that a pointer told."""
        share = self.share if share is None else share
        if pointer and pointer.fault:
            raise PromotionConflict(f"{version} does not hear along: {pointer.fault}")
        if self.models.name(pointer.version if pointer else None) == version:
            raise PromotionConflict(f"{version} is the champion: compare another one with it.")
        if self.models.name(None) == version:
            raise PromotionConflict(
                f"{version} came with the deployment: only what a training made hears along. "
                "Compare them by their held-out clips, or promote it."
            )
        known = pointer.shadow if pointer else None
        if known and replace(known, began_at="") == replace(
            known, version=version, began_at="", began_by=by, needed=needed, share=share
        ):
            return known
        self.models.tried(version)
        begun = self.registry.cast_shadow(version, pointer, by, reason, needed, share).shadow
        assert begun
        logger.info("Version %s hears along with the champion.", version)
        return begun

    def end(self, by: str, why: str, expected: str | None = None) -> PastShadow:
        """Let the challenger hear no more; ``expected`` is the version that the caller means.

        Raises NoShadow when none, or not that one, hears along.
        """
        shadow = self.current()
        if shadow and expected in (None, shadow.version):
            pointer = self.registry.end_shadow(shadow, by, why)
            if pointer:
                return next(one for one in pointer.shadows if one.shadow == shadow.shadow)
        meant = f"{expected[:100]} does not hear" if expected else "No version hears"
        raise NoShadow(
            f"{meant} along with the champion: nothing was changed. Look at GET /models."
        )

    def current(self) -> Shadow | None:
        """The challenger that hears along now."""
        pointer = self.registry.champion()
        return pointer.shadow if pointer else None

    def of_version(self, version: str) -> Shadow:
        """The last time that a version heard along; raises NoShadow when it never did."""
        pointer = self.registry.champion()
        for one in (pointer.shadow, *pointer.shadows) if pointer else ():
            if one and one.version == version:
                return one
        raise NoShadow(f"{version[:100]} never heard along with a champion.")

    def comparison(self, shadow: Shadow) -> Comparison:
        """What both models said since the challenger began, to requests and in recordings."""
        tally = self.statistics.since(shadow.began_at)
        heard = counts.read(shadow.shadow, tally.counts)
        return heard + counts.read(shadow.shadow, self.logbook.compared(shadow.shadow))

    # --- what the sweep does ---------------------------------------------------------------

    def look_after(self, pointer: Champion, now_s: float) -> Iterator[tuple[Repair, str]]:
        """Promote a challenger that has proven itself, or dismiss it; then tell its run.

        ``now_s`` is in seconds since the epoch. What was done is told as it is done.
        """
        if pointer.shadow:
            for done in self._judge(pointer, pointer.shadow, now_s):
                yield done
                pointer = self.registry.champion() or pointer
        if pointer.shadows:
            yield from self._settle(pointer)

    def _judge(
        self, pointer: Champion, shadow: Shadow, now_s: float
    ) -> Iterator[tuple[Repair, str]]:
        found = self.comparison(shadow)
        why = found.against(shadow.needed)
        if why is None and 0 < shadow.needed <= found.compared:
            try:
                self.models.promote(
                    shadow.version,
                    pointer,
                    by=shadow.began_by,
                    reason=f"{shadow.reason}; in the shadow it said the same as the champion to "
                    f"{found.agreed} of {found.compared} sounds",
                    proven_as=shadow,
                )
            except PromotionConflict:
                return  # somebody else decided, and the next sweep sees what
            except (PromotionRefused, ModelNotFound) as error:
                why = str(error)
            else:
                yield "shadow_promoted", f"Version {shadow.version} has proven itself and serves."
                return
        if why is None and now_s - since_epoch(shadow.began_at) > LONGEST_S:
            why = f"It was compared {found.compared} times in {LONGEST_S // 86_400} days" + (
                f"; {shadow.needed} were asked for." if shadow.needed else "."
            )
        if why and self.registry.end_shadow(shadow, SWEEP, why):
            yield "shadow_ended", f"Version {shadow.version} hears along no more. {why}"

    def _settle(self, pointer: Champion) -> Iterator[tuple[Repair, str]]:
        """Tell the runs of challengers what came of them, however that came about."""
        for ended in pointer.shadows[:LATEST]:
            run = self._run_of(ended)
            if run is None or run.state != SHADOWING:
                continue
            settled = (
                self.ledger.settle(run, PROMOTED)
                if ended.promoted
                else self.ledger.settle(run, REJECTED, error=ended.why)
            )
            if settled:
                yield "run_settled", f"Run {run.run} is told what came of its challenger."

    def _run_of(self, shadow: Shadow) -> Run | None:
        """The run whose challenger it is; None when a person began it."""
        named = promoted_run(shadow.began_by)
        try:
            return self.ledger.run(named) if named else None
        except RunNotFound:
            return None
