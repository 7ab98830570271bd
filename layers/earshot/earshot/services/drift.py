"""Drift: noticing that what is heard does not sound as what the model was judged by."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from earshot.drift import comparison as drift
from earshot.drift.log import DriftReport, Episode, SiteDrift
from earshot.drift.observations import ASKED
from earshot.errors import (
    BadBundle,
    EvaluationNotFound,
    NoModel,
    NotEnoughSamples,
    RetrainInProgress,
)
from earshot.events import DriftDetected
from earshot.moments import later, moment
from earshot.recording import Answer, Observation
from earshot.runs import FAILED, REJECTED
from earshot.statistics import RECENT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from earshot.application import Application, DriftRule
    from earshot.drift.comparison import Comparison
    from earshot.drift.log import DriftLog, ReportState
    from earshot.drift.observations import Observations
    from earshot.evaluation import Reference
    from earshot.events import Publisher
    from earshot.services.models import Models
    from earshot.services.review import ReviewQueue
    from earshot.services.training import Training
    from earshot.serving import Serving
    from earshot.statistics import Statistics
    from earshot.sweeps import Repair

logger = logging.getLogger(__name__)

DAY_S = 86_400
# Of a site, its latest answers.
MOST_UNITS = 500
# A site that drifts does so until this was no surprise for as many days as are looked at, when none
# of the answers is left that told of it: from few answers a p-value sways, though all is as it was.
CALM = 0.1
# A share of pairs this far from a half is told.
SHIFTED = 0.05
# With fewer samples that came since a site drifts, and since the last training, one would learn
# nothing of why: it waits for what somebody labels there, which comes first in review.
NEW_SAMPLES = 10


@dataclass(frozen=True)
class Drift:
    """Compares, tells, and asks; it never changes what serves. ``clock`` tells seconds since 1970.

    Answers are compared once a day, with what the version in service answered to its held-out
    clips, so a site that never was like those drifts from its first day. A site that differs begins
    an episode: it is told of once, comes first in review until it is over, and asks for a training
    where the application wants that, and for another one if that came to nothing. It is over when
    the site was calm for as many days as are looked at, when nothing comes in any more, and when
    another version serves.
    """

    application: Application
    statistics: Statistics
    observations: Observations
    log: DriftLog
    serving: Serving
    models: Models
    training: Training
    reviews: ReviewQueue
    publisher: Publisher
    clock: Callable[[], float] = time.time

    def watch(self, did: Callable[[Repair, str], None] = lambda *_: None) -> None:
        """Do what is due: safe to repeat, and to be called at any time. ``did`` hears what came."""
        self.gather()
        last, today = self.log.last(), moment(self.clock())[: len("YYYY-MM-DD")]
        if last is None or last.day != today:
            self.compare()
        episodes = [self._told(episode, did) for episode in self.log.episodes()]
        if self.application.drift.retrain:
            self._ask(episodes, did)

    def latest(self) -> DriftReport | None:
        """What was found last; None while nothing was."""
        return self.log.last()

    def gather(self) -> None:
        """Note the latest answers of the API, each once: all of a few, of many a sample."""
        known = {(one.at, one.name) for one in self.observations.latest(ASKED, 2 * RECENT)}
        fresh = [
            Observation(
                at=one.timestamp,
                name=one.request_id or one.label,
                model_version=one.model_version,
                answer=Answer(
                    one.label, one.confidence, one.novelty, accepted=one.decision == "accepted"
                ),
            )
            for one in self.statistics.report().recent
            if one.novelty is not None
        ]
        self.observations.keep(ASKED, [one for one in fresh if (one.at, one.name) not in known])

    def compare(self) -> DriftReport | None:
        """Compare what was heard lately, whether that is due or not; None when there is nothing.

        Sites begin to drift by this, and end to.
        """
        rule, now = self.application.drift, self.clock()
        sites = self.observations.sites(moment(now - rule.days * DAY_S))
        episodes = {one.site: one for one in self.log.episodes()}
        if not sites and not episodes:
            return None
        state, version, reference = self._reference()
        report = DriftReport(
            day=moment(now)[: len("YYYY-MM-DD")],
            at=moment(now),
            state=state,
            version=version,
            days=rule.days,
            false_alarms=rule.false_alarms,
            min_units=rule.min_units,
        )
        if reference is not None and version is not None:
            heard = {site: self._heard(site, version, rule.days) for site in sites}
            open_now = {site: one for site, one in episodes.items() if one.version == version}
            found = _judge(heard, reference, rule, report, open_now)
            report = replace(report, sites=tuple(found))
            self._settle(episodes, report)
        # Last, for by this it is done for the day.
        self.log.keep(report)
        return report

    # --- comparing -------------------------------------------------------------------------

    def _reference(self) -> tuple[ReportState, str | None, Reference | None]:
        try:
            version = self.serving.detector().card.version
        except NoModel:
            return "no_model", None, None
        try:
            reference = self.models.evaluation(version).reference
        except (EvaluationNotFound, BadBundle) as error:
            logger.warning("Drift cannot be told of %s: %s", version, error)
            reference = None
        return "no_reference" if reference is None else "compared", version, reference

    def _heard(self, site: str, version: str, days: float) -> list[Observation]:
        """What a version lately heard at a site, the latest first; no sound twice."""
        by_version = [
            one
            for one in self.observations.latest(site, MOST_UNITS)
            if one.model_version == version
        ]
        if not by_version:
            return []
        # By the site's own time: a recorder that is fetched once a month has a last week, too.
        since = later(by_version[0].at, -days * DAY_S)
        return [*{one.answer: one for one in by_version if one.at >= since}.values()]

    def _settle(self, episodes: Mapping[str, Episode], report: DriftReport) -> None:
        """Begin and end episodes, and let the sites that drift come first in review."""
        p = {one.site: one.all.p for one in report.sites if one.all and one.all.p is not None}
        drifting = {one.site: one for one in report.sites if one.state == "drifting"}
        waiting = {one.site for one in report.sites if one.state == "too_few"}
        known = set()
        for site, episode in episodes.items():
            is_old = episode.version != report.version
            if is_old or site not in (*drifting, *waiting):
                self.log.end(episode)
                continue
            known.add(site)
            if p.get(site, 1.0) < CALM:
                self.log.go_on(replace(episode, seen=report.at))
        begun = [one for site, one in drifting.items() if site not in known]
        samples = self.training.catalog.standing().total if begun else 0
        for one in begun:
            assert one.all
            assert one.all.more_novel is not None
            assert one.all.surer is not None
            self.log.begin(
                Episode(
                    site=one.site,
                    version=str(report.version),
                    since=report.at,
                    seen=report.at,
                    labels=one.drifting,
                    units=one.units,
                    p=p[one.site],
                    more_novel=one.all.more_novel,
                    surer=one.all.surer,
                    samples=samples,
                )
            )
        self.reviews.favour({*drifting, *known} - {ASKED})

    # --- telling ---------------------------------------------------------------------------

    def _told(self, episode: Episode, did: Callable[[Repair, str], None]) -> Episode:
        """The episode, told of if it was not."""
        if episode.told is not None:
            return episode
        said = summary(episode)
        self.publisher.publish(
            DriftDetected(
                version=episode.version,
                site=episode.site,
                since=episode.since,
                labels=episode.labels,
                p=episode.p,
                units=episode.units,
                more_novel=episode.more_novel,
                surer=episode.surer,
                summary=said,
            )
        )
        episode = replace(episode, told=moment(self.clock()))
        self.log.go_on(episode)
        did("drift_told", said)
        return episode

    def _ask(self, episodes: Sequence[Episode], did: Callable[[Repair, str], None]) -> None:
        """Ask for the trainings that there is something new for."""
        total = self.training.catalog.standing().total if episodes else 0
        for episode in episodes:
            if total < episode.samples + NEW_SAMPLES or self._is_awaited(episode):
                continue
            try:
                run = self.training.request(f"{episode.site} drifts", NEW_SAMPLES)
            except (NotEnoughSamples, RetrainInProgress) as error:
                # It goes on: the next sweep tries again.
                logger.info("No training for the drift of %s yet: %s", episode.site, error)
                return
            self.log.go_on(replace(episode, asked=run.run))
            did("run_requested", f"Run {run.run} is requested: {run.reason}.")

    def _is_awaited(self, episode: Episode) -> bool:
        """Whether the training that was asked for may still put another version into service."""
        if episode.asked is None:
            return False
        return self.training.ledger.run(episode.asked).state not in (REJECTED, FAILED)


def summary(episode: Episode) -> str:
    """An episode in a few sentences."""
    where = (
        "What is sent to the API" if episode.site == ASKED else f"What is heard at {episode.site}"
    )
    which = f", most of all {', '.join(episode.labels)}" if episode.labels else ""
    shifts = [
        f"{more if share > 0.5 else less} ({max(share, 1 - share):.0%} of pairs)"
        for share, less, more in (
            (episode.more_novel, "nearer to what was learnt", "further from what was learnt"),
            (episode.surer, "answered less surely", "answered more surely"),
        )
        if abs(share - 0.5) >= SHIFTED
    ]
    how = (
        f"It is {' and '.join(shifts)} than held-out clips of the same label."
        if shifts
        else "On the whole it is as near to what was learnt and answered as surely as held-out "
        "clips of the same label, but is spread otherwise."
    )
    return (
        f"{where} does not sound as what {episode.version} was judged by{which}. {how} If nothing "
        f"had changed, {episode.units} answers would differ so much with a probability of "
        f"{episode.p:.2g}."
    )


def _judge(
    heard: Mapping[str, Sequence[Observation]],
    reference: Reference,
    rule: DriftRule,
    report: DriftReport,
    open_now: Mapping[str, Episode],
) -> list[SiteDrift]:
    """Every site, those that drift first, and the others by how near they are to it."""
    answers = {site: [one.answer for one in found] for site, found in heard.items() if found}
    beside = {site: _beside(site, reference) for site in answers}
    tested = [
        site
        for site, live in answers.items()
        if drift.comparable(beside[site], live) >= rule.min_units
    ]
    level = rule.false_alarms / max(len(tested), 1)
    results: dict[str, Comparison] = {
        site: drift.compare(beside[site], answers[site], f"{report.version} {site}", level)
        for site in tested
    }
    p = {site: one.all.p for site, one in results.items() if one.all.p is not None}
    rejected = drift.holm(p, rule.false_alarms)
    found = []
    for site, live in answers.items():
        result, episode = results.get(site), open_now.get(site)
        differs = site in rejected or (
            episode is not None and site in p and _goes_on(episode, p[site], report)
        )
        since = (episode.since if episode else report.at) if differs else None
        shifts = result.labels if result else {}
        found.append(
            SiteDrift(
                site=site,
                state="too_few" if result is None else "drifting" if differs else "steady",
                units=len(live),
                first=heard[site][-1].at,
                last=heard[site][0].at,
                label_mix=round(
                    drift.stability((a.label for a in beside[site]), (a.label for a in live)), 4
                ),
                uncertain=_uncertain(live),
                reference_uncertain=_uncertain(beside[site]),
                since=since,
                all=result.all if result else None,
                labels=shifts,
                drifting=tuple(
                    label
                    for label, one in shifts.items()
                    if differs and one.p is not None and one.p <= level
                ),
            )
        )
    return sorted(found, key=lambda one: (one.state != "drifting", p.get(one.site, 2.0), one.site))


def _goes_on(episode: Episode, p: float, report: DriftReport) -> bool:
    """Whether a site that was found to drift still does."""
    return p < CALM or report.at < later(episode.seen, report.days * DAY_S)


def _beside(site: str, reference: Reference) -> Sequence[Answer]:
    """What a site's answers are like: those of the API are to clips, others to single windows."""
    return reference.clips if site == ASKED else reference.windows


def _uncertain(answers: Collection[Answer]) -> float:
    return round(sum(not answer.accepted for answer in answers) / max(len(answers), 1), 4)
