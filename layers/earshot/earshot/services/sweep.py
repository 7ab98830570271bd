"""What crashes and lost events leave behind: found by the clock, repaired, and reported.

Whatever happens in Earshot is begun by an event, and an event can be lost, or its worker die. So a
sweep looks, every few minutes, at what should have gone on. Every repair is one that a lost event
would have made, or a conditional write: two sweeps at once, or one beside those whose work it
looks after, do no harm.

=======================  =====================================================================
``run_published``        a run was claimed, and workers were not told, or none of them began:
                         it is published again
``run_ended``            nobody could do a run, or it has no seat: it failed, and says why
``seat_freed``           the training seat was that of a run which is over
``run_requested``        enough samples were new, and nobody had asked for a training
``count_corrected``      a shard's count of a label was not what the catalog has
``upload_aborted``       an upload in parts was begun and left
``object_received``      a recording waited for a model that is there now, or an object's
                         event was lost for good: it was taken in, or gone on with
``alert_published``      an alert was raised, and nobody was told of it
``promotion_published``  another model serves, and nobody was told of it
``rolled_back``          a new champion did far worse than what served before it
``shadow_promoted``      a challenger has proven itself in the shadow, and serves
``shadow_ended``         a challenger failed in the shadow, or was not heard enough
``run_settled``          a run's challenger left the shadow, and the run did not know
``drift_told``           a site was found to drift, and people are told; see ``services.drift``
=======================  =====================================================================
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING

from earshot.errors import NoModel
from earshot.field.listening import always
from earshot.moments import moment, since_epoch
from earshot.sweeps import UNPUBLISHED_S, SweepReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from earshot.arrivals import Arrivals
    from earshot.catalog import Catalog
    from earshot.recording import FieldRecording, Outcome
    from earshot.registry import Registry
    from earshot.services.alerts import Alerts
    from earshot.services.analysis import Analysis
    from earshot.services.drift import Drift
    from earshot.services.models import Models
    from earshot.services.packing import Packing
    from earshot.services.shadows import Shadows
    from earshot.services.supervision import Supervision
    from earshot.services.training import Training
    from earshot.services.watching import Watch
    from earshot.serving import Serving
    from earshot.statistics import Statistics
    from earshot.store import Store
    from earshot.sweeps import Repair, Sweeps

logger = logging.getLogger(__name__)

DAY_S = 86_400

ALERTS = 50

# A shard is counted anew once a day, for DynamoDB bills whole samples: 4.5 KB for one of a single
# window. 5,000 are some 5,600 read units, a fourteenth of a cent; 100,000 cost 1.4 cents a day.
RECOUNT_S = DAY_S
SAMPLES_AT_ONCE = 5_000

# As the buckets' own rules, and the API's word, have it.
LEFTOVER_S = 2 * DAY_S

# The queue goes on for longer than an hour: five times, 18 minutes apart.
STUCK_S = 2 * 3600
GIVEN_UP_S = 7 * DAY_S
# Recordings that are looked at: a page at a time, until one has some that wait.
PAGE = 20
PAGES = 10
ARCHIVES = 20


@dataclass
class _Log:
    """What a sweep has done so far."""

    at: str
    place: str
    repairs: Counter[Repair] = field(default_factory=Counter)
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def did(self, repair: Repair, sentence: str) -> None:
        logger.warning("%s", sentence, extra={"repair": repair})
        self.repairs[repair] += 1
        self.done.append(sentence)

    def did_all(self, repairs: Iterator[tuple[Repair, str]]) -> None:
        for repair, sentence in repairs:
            self.did(repair, sentence)

    def could_not(self, what: str, error: Exception) -> None:
        logger.error("The sweep could not %s.", what, exc_info=error)
        self.failed.append(f"It could not {what}: {error!r}")

    def report(self) -> SweepReport:
        return SweepReport(
            self.at, dict(self.repairs), tuple(self.done), tuple(self.failed), self.place
        )


@dataclass(frozen=True)
class Sweep:
    """Looks after what is under way; ``clock`` tells seconds since the epoch."""

    catalog: Catalog
    training: Training
    supervision: Supervision
    store: Store
    registry: Registry
    serving: Serving
    analysis: Analysis
    alerts: Alerts
    drift: Drift
    models: Models
    shadows: Shadows
    watch: Watch
    arrivals: Arrivals
    statistics: Statistics
    sweeps: Sweeps
    packing: Packing
    receive: Callable[[str, Callable[[], bool]], Outcome]
    clock: Callable[[], float] = time.time

    def run(self, goes_on: Callable[[], bool] = always) -> SweepReport:
        """Do one sweep; what fails is told in the report, and keeps nothing else from being done.

        Recordings are heard as long as ``goes_on`` says yes, and then left to ingest. Raises what
        keeps the report itself from being written.
        """
        last = self.sweeps.last()
        log = _Log(moment(self.clock()), last.place if last else "")
        steps: dict[str, Callable[[_Log], None]] = {
            "publish alerts": self._publish_alerts,
            "end runs that lost their seat": self._end_strays,
            "look after the run under way": self._look_after_run,
            "look after the champion and its challenger": self._look_after_models,
            "ask for a training that is due": self._request_if_due,
            "count samples anew": self._recount,
            "pack what can be searched": partial(self._pack, goes_on),
        }
        is_first_of_day = last is None or last.at[:10] != log.at[:10]
        if is_first_of_day:
            # Not again after a failure: it reads what DynamoDB bills.
            steps["tidy what can be searched"] = partial(self._tidy, goes_on)
        if last is None or last.failed or is_first_of_day:
            # Once a day: the one is told by nobody, the other happens when somebody looks.
            steps["abort uploads that were left"] = self._abort_leftovers
            steps["add up the statistics of past days"] = self._fold_statistics
        if last is None or last.failed or last.at[:13] != log.at[:13]:
            steps["look for drift"] = self._look_for_drift
        # Last, for it is the most work, and on what others have sent.
        steps["take in recordings that wait"] = partial(self._take_in_recordings, goes_on)
        steps["take in archives that were left"] = partial(self._take_in_archives, goes_on)
        for what, step in steps.items():
            try:
                step(log)
            except Exception as error:
                log.could_not(what, error)
        report = log.report()
        self.sweeps.keep(report)
        return report

    # --- alerts ----------------------------------------------------------------------------

    def _publish_alerts(self, log: _Log) -> None:
        """Publish alerts whose recordings were given up, or not heard again yet."""
        for alert in self.alerts.incidents.unpublished(ALERTS):
            if self.clock() < since_epoch(alert.raised_at) + UNPUBLISHED_S:
                return
            self.alerts.publish(alert)
            log.did("alert_published", f"Alert {alert.alert} had not been published.")

    # --- training --------------------------------------------------------------------------

    def _end_strays(self, log: _Log) -> None:
        log.did_all(self.supervision.end_strays())

    def _look_after_run(self, log: _Log) -> None:
        log.did_all(self.supervision.look_after(self.clock()))

    def _request_if_due(self, log: _Log) -> None:
        if run := self.training.request_if_due():
            log.did("run_requested", f"Run {run.run} is requested: {run.reason}.")

    # --- models ----------------------------------------------------------------------------

    def _look_after_models(self, log: _Log) -> None:
        pointer = self.registry.champion()
        if pointer is None:
            return
        for what, look in (
            ("tell of the champion", self.models.tell_of),
            ("watch the champion", self.watch.look),
            ("look after its challenger", self.shadows.look_after),
        ):
            try:
                log.did_all(look(pointer, self.clock()))
            except Exception as error:
                log.could_not(what, error)

    # --- counts ----------------------------------------------------------------------------

    def _recount(self, log: _Log) -> None:
        """Count shards anew, those that were not for a day, until enough samples were read."""
        before = moment(self.clock() - RECOUNT_S)
        due = [shard for shard, at in self.catalog.recounted().items() if at < before]
        # Another first one each minute: a busy shard, whose recount fails, holds up no other.
        turn = int(self.clock() // 60) % max(len(due), 1)
        read = 0
        for shard in (*due[turn:], *due[:turn]):
            found = self.catalog.recount(shard, log.at)
            for label, (was, there) in found.changes.items():
                log.did(
                    "count_corrected",
                    f"Shard {shard} counted {was} of {label!r}, and has {there}.",
                )
            read += found.samples
            if read >= SAMPLES_AT_ONCE:
                return

    def _fold_statistics(self, _: _Log) -> None:
        self.statistics.totals()

    def _look_for_drift(self, log: _Log) -> None:
        self.drift.watch(log.did)

    def _pack(self, goes_on: Callable[[], bool], _: _Log) -> None:
        self.packing.run(goes_on)

    def _tidy(self, goes_on: Callable[[], bool], _: _Log) -> None:
        self.packing.tidy(datetime.fromtimestamp(self.clock() - DAY_S, UTC), goes_on)

    # --- objects ---------------------------------------------------------------------------

    def _abort_leftovers(self, log: _Log) -> None:
        before = datetime.fromtimestamp(self.clock() - LEFTOVER_S, UTC)
        for place in (self.store, self.registry):
            for key in place.abandon_leftovers(before):
                log.did("upload_aborted", f"The upload of {key} was begun and left.")

    def _take_in_recordings(self, goes_on: Callable[[], bool], log: _Log) -> None:
        """Receive the recordings that wait on the next page that has some."""
        hears = cache(self._hears)
        for _ in range(PAGES):
            page, rest = self.analysis.recordings(None, PAGE, log.place)
            log.place = rest or ""
            waiting = [record for record in page if self._waits_in_vain(record, hears)]
            if waiting:
                # What would kill this process is not to be the next one's first, too.
                self.sweeps.keep(log.report())
            for record in waiting:
                self._take_in(record.key, goes_on, log)
            if waiting or not rest:
                return

    def _waits_in_vain(self, record: FieldRecording, hears: Callable[[], bool]) -> bool:
        if record.state not in ("received", "analysing"):
            return False
        if record.code == NoModel.code:
            return hears()
        return self.clock() - since_epoch(record.progress_at or record.received_at) > STUCK_S

    def _hears(self) -> bool:
        try:
            self.serving.detector()
        except NoModel:
            return False
        return True

    def _take_in_archives(self, goes_on: Callable[[], bool], log: _Log) -> None:
        for record in self.arrivals.imports(ARCHIVES):
            age_s = self.clock() - since_epoch(record.at)
            if record.state == "unpacking" and STUCK_S < age_s < GIVEN_UP_S:
                self._take_in(record.key, goes_on, log)

    def _take_in(self, key: str, goes_on: Callable[[], bool], log: _Log) -> None:
        try:
            outcome = self.receive(key, goes_on)
        except Exception as error:
            log.could_not(f"take in {key}", error)
            return
        if outcome.state in ("analysing", "analysed", "unpacked", "refused"):
            log.did("object_received", f"{key} was left, and is {outcome.state} now.")
