"""Alerts: told once for each incident, however its detections come in."""

from __future__ import annotations

import hashlib
import logging
import secrets
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from earshot.events import DetectionAlert
from earshot.incidents import Burst, milliseconds
from earshot.moments import later, now
from earshot.recording import Alert, object_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.application import AlertRule, Application
    from earshot.events import Publisher
    from earshot.incidents import Incidents
    from earshot.recording import Detection, Detections, FieldRecording

logger = logging.getLogger(__name__)

TEST_KEY = "recordings/test/test.wav"


@dataclass(frozen=True)
class Alerts:
    """Raises alerts by the application's rules, and publishes each at least once.

    One that is raised is published by whoever raised it; or, if they die before, by who hears the
    recording again, or by the sweep. It then has the same id.
    """

    application: Application
    incidents: Incidents
    publisher: Publisher

    def consider(self, record: FieldRecording, found: Detections) -> list[Alert]:
        """Raise what the detections of a recording call for; answers its alerts, in their order.

        Safe to repeat, which raises nothing anew but publishes what was not. Detections are taken
        by when they were heard; by when the recording came in, if it does not say when it starts.
        Raises IncidentContended.
        """
        ids = []
        for rule in self.application.rules_at(record.site):
            for burst in _bursts(rule, record, found):
                self.incidents.settle(burst, rule.cooldown_s)
                ids.append(burst.alert.alert)
        raised = []
        for alert, is_published in self.incidents.alerts(ids):
            raised.append(alert)
            if not is_published:
                self.publish(alert)
        return sorted(raised, key=lambda alert: (alert.start_s, alert.label))

    def publish(self, alert: Alert) -> None:
        """Tell of an alert; safe to repeat, and told twice by whoever dies in between."""
        self.publisher.publish(_event(alert))
        self.incidents.published(alert)
        logger.warning("Alert %s: %s", alert.alert, summary(alert))

    def latest(
        self, label: str | None, site: str | None, since: str, limit: int, before: str = ""
    ) -> tuple[list[Alert], str | None]:
        """Alerts, the latest raised first, and where the next page starts; see ``Incidents``."""
        return self.incidents.latest(label, site, since, limit, before)

    def test(self) -> DetectionAlert:
        """Publish an alert that says it is a test, and is in no list."""
        at = now()
        alert = Alert(
            alert=secrets.token_hex(8),
            label=next((rule.label for rule in self.application.rules), "test"),
            threshold=None,
            site="test",
            at=at,
            received_at=at,
            raised_at=at,
            recording=object_id(TEST_KEY),
            key=TEST_KEY,
            start_s=0.0,
            end_s=1.0,
            peak_confidence=1.0,
            model_version="test",
        )
        event = replace(
            _event(alert), test=True, summary=f"This is a test, nothing was heard. {summary(alert)}"
        )
        self.publisher.publish(event)
        return event


def summary(alert: Alert) -> str:
    """An alert in a sentence or two."""
    when = f"at {alert.at}" if alert.at else f"in what came in at {alert.received_at}"
    return (
        f"{alert.label} was heard at {alert.site}, {when}, with confidence "
        f"{alert.peak_confidence:.2f}: {alert.key}, {alert.start_s:g} s to {alert.end_s:g} s."
    )


def _event(alert: Alert) -> DetectionAlert:
    return DetectionAlert(**asdict(alert), summary=summary(alert))


def _bursts(rule: AlertRule, record: FieldRecording, found: Detections) -> Iterator[Burst]:
    """What a rule is about in a recording, in order, with pauses longer than its cooldown."""
    burst: Burst | None = None
    cooldown = round(rule.cooldown_s * 1000)
    began = milliseconds(found.started_at or record.received_at)
    wanted = [one for one in found.detections if _is_meant(rule, one)]
    for one in sorted(wanted, key=lambda one: one.start_s):
        first, last = (began + round(at * 1000) for at in (one.start_s, one.end_s))
        if burst and first - burst.last <= cooldown:
            burst = replace(burst, last=max(burst.last, last))
            continue
        if burst:
            yield burst
        burst = Burst(first, last, _alert(rule, record, found, one))
    if burst:
        yield burst


def _is_meant(rule: AlertRule, one: Detection) -> bool:
    return one.label == rule.label and one.peak_confidence >= (rule.threshold or 0.0)


def _alert(rule: AlertRule, record: FieldRecording, found: Detections, one: Detection) -> Alert:
    """The alert that a detection begins; it has the same id whenever it is heard again."""
    named = f"{record.recording}\n{record.version}\n{rule.label}\n{one.start_s:.3f}"
    return Alert(
        alert=hashlib.sha256(named.encode()).hexdigest()[:16],
        label=rule.label,
        threshold=rule.threshold,
        site=record.site,
        at=later(found.started_at, one.start_s) if found.started_at else None,
        received_at=record.received_at,
        raised_at=now(),
        recording=record.recording,
        key=record.key,
        start_s=one.start_s,
        end_s=one.end_s,
        peak_confidence=one.peak_confidence,
        model_version=found.model_version,
        clip=f"/recordings/{record.recording}/clips/{one.clip}" if one.clip else None,
    )
