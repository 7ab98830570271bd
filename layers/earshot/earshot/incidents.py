"""Incidents, and the alerts that tell of them, in the DynamoDB table.

=============================  =================  ===============================================
``pk``                         ``sk``             item
=============================  =================  ===============================================
``RULE#<label>#<site>``        ``RULE``           ``changes``, one more with each of its incidents
``INCIDENTS#<label>#<site>``   time               an incident: from ``first`` to ``last``, in
                                                  milliseconds since the epoch; by the time of its
                                                  first
``ALERT#<alert>``              ``ALERT``          ``content``, the alert as JSON, and
                                                  ``published_at``
``LATEST#ALERTS``              time, ``_``, id    an entry for each, by when it was raised: its
                                                  ``label`` and ``site``
``ALERTS#UNPUBLISHED``         time, ``_``, id    an entry for each that was not published yet
=============================  =================  ===============================================

An incident is what is heard at one site by one rule without a pause longer than the rule's
cooldown. One that is new is written with its alert in one transaction, on condition that no other
of its rule and site has changed since they were read: so whoever works beside whom, whatever order
recordings come in and however often,

- every detection lies in an incident, and each incident began with an alert;
- alerts of a rule and a site lie further apart than its cooldown;
- an incident that recordings tell of in the order of time has one alert, that of its beginning.

One whose middle comes last has two, for it was two incidents until then.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from earshot.errors import IncidentContended
from earshot.moments import moment, now, since_epoch
from earshot.recording import Alert
from earshot.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.table import Item

TRIES = 10
# A transaction has a hundred actions.
MERGED_AT_ONCE = 80
# Entries that are looked through for one page of a list: they are small.
LOOKED_AT = 2_000
PAGE = 100


@dataclass(frozen=True)
class Burst:
    """Detections of a rule, each within its cooldown of the one before.

    From ``first`` to ``last`` in milliseconds since the epoch; ``alert`` tells of them if nobody
    was told of their incident.
    """

    first: int
    last: int
    alert: Alert


@dataclass(frozen=True)
class _Incident:
    first: int
    last: int

    @property
    def time(self) -> str:
        return moment(self.first / 1000)


class Incidents:
    """What somebody was, or has to be, told of. All writes are safe to repeat."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def settle(self, burst: Burst, cooldown_s: float) -> None:
        """Let a burst be part of an incident: of one that is known, or of a new one with its alert.

        It joins incidents that it lies between. Raises IncidentContended when others change them
        again and again.
        """
        label, site = burst.alert.label, burst.alert.site
        cooldown = round(cooldown_s * 1000)
        tries = 0
        while tries < TRIES:
            rule = self._table.get(f"RULE#{label}#{site}", "RULE")
            near = self._near(label, site, burst.first - cooldown, burst.last + cooldown)
            if any(one.first <= burst.first and burst.last <= one.last for one in near):
                return
            some = near[:MERGED_AT_ONCE]
            # More than that are joined from the first on, some at a time: they stay in order.
            last = burst.last if some == near else some[-1].last
            whole = _Incident(
                min([burst.first, *(one.first for one in some)]),
                max([last, *(one.last for one in some)]),
            )
            seen = int(rule["changes"]) if rule else 0
            done = self._table.transact(
                self._table.updating(
                    f"RULE#{label}#{site}",
                    "RULE",
                    "ADD changes :one",
                    {"one": 1, "seen": seen},
                    when="attribute_not_exists(changes) OR changes = :seen",
                ),
                *(
                    self._table.deleting(_incidents(label, site), one.time)
                    for one in some
                    if one.time != whole.time
                ),
                self._table.putting(_item(label, site, whole)),
                *(() if near else self._raising(burst.alert)),
            )
            if done and some == near:
                return
            if not done:
                tries += 1
                time.sleep(random.uniform(0, 0.01 * 2**tries))
        raise IncidentContended(f"Others change the incidents of {label!r} at {site!r}. Try again.")

    def alerts(self, ids: Sequence[str]) -> list[tuple[Alert, bool]]:
        """Those of some ids that were raised, and whether they were published; in any order."""
        found: list[tuple[Alert, bool]] = []
        for start in range(0, len(ids), PAGE):
            keys = [_alert_key(one) for one in ids[start : start + PAGE]]
            items = self._table.get_many(keys)
            found += [(_alert(item), "published_at" in item) for item in items]
        return found

    def published(self, alert: Alert) -> None:
        """Record that an alert was published."""
        entry = _unpublished(alert)
        self._table.transact(
            self._table.updating(*_alert_key(alert.alert), "SET published_at = :at", {"at": now()}),
            self._table.deleting(entry["pk"], entry["sk"]),
        )

    def unpublished(self, limit: int) -> list[Alert]:
        """Alerts that were not published yet, the earliest first; up to a hundred."""
        ids = [_id(entry) for entry in self._table.first("ALERTS#UNPUBLISHED", limit)]
        return sorted(
            (alert for alert, is_published in self.alerts(ids) if not is_published),
            key=lambda alert: (alert.raised_at, alert.alert),
        )

    def latest(
        self, label: str | None, site: str | None, since: str, limit: int, before: str = ""
    ) -> tuple[list[Alert], str | None]:
        """Up to a hundred alerts, the latest raised first, and what to pass as ``before`` next.

        That is None when there are no more. A page may have fewer than ``limit``: only so many
        entries are looked through for it. ``since`` is the earliest time of raising.
        """
        chosen: list[str] = []
        for _ in range(0, LOOKED_AT, PAGE):
            entries = self._table.last("LATEST#ALERTS", PAGE, before)
            for entry in entries:
                if entry["sk"] < since:
                    return self._listed(chosen), None
                if len(chosen) == limit:
                    return self._listed(chosen), before
                before = entry["sk"]
                if label in (None, entry["label"]) and site in (None, entry["site"]):
                    chosen.append(_id(entry))
            if len(entries) < PAGE:
                return self._listed(chosen), None
        return self._listed(chosen), before

    def _listed(self, ids: list[str]) -> list[Alert]:
        found = {alert.alert: alert for alert, _ in self.alerts(ids)}
        return [found[one] for one in ids]

    def _near(self, label: str, site: str, start: int, end: int) -> list[_Incident]:
        """The incidents that reach into a stretch of time, in order."""
        pk = _incidents(label, site)
        start_time, end_time = moment(start / 1000), moment(end / 1000)
        # They do not overlap, so of those that began before only the last can.
        items = [
            *self._table.last(pk, 1, start_time),
            *self._table.query(pk, (start_time, end_time)),
        ]
        found = [_Incident(int(item["first"]), int(item["last"])) for item in items]
        return [one for one in found if one.last >= start and one.first <= end]

    def _raising(self, alert: Alert) -> list[Item]:
        """The actions that write an alert, and put it into the lists."""
        pk, sk = _alert_key(alert.alert)
        entry = {
            "pk": "LATEST#ALERTS",
            "sk": f"{alert.raised_at}_{alert.alert}",
            "label": alert.label,
            "site": alert.site,
        }
        return [
            self._table.putting({"pk": pk, "sk": sk, "content": json.dumps(asdict(alert))}),
            self._table.putting(entry),
            self._table.putting(_unpublished(alert)),
        ]


def milliseconds(then: str) -> int:
    """A moment, ISO 8601, in milliseconds since the epoch."""
    return round(since_epoch(then) * 1000)


def _incidents(label: str, site: str) -> str:
    return f"INCIDENTS#{label}#{site}"


def _item(label: str, site: str, incident: _Incident) -> Item:
    return {"pk": _incidents(label, site), "sk": incident.time, **asdict(incident)}


def _alert_key(alert: str) -> tuple[str, str]:
    return f"ALERT#{alert}", "ALERT"


def _alert(item: Item) -> Alert:
    return Alert(**json.loads(item["content"]))


def _unpublished(alert: Alert) -> Item:
    return {"pk": "ALERTS#UNPUBLISHED", "sk": f"{alert.raised_at}_{alert.alert}"}


def _id(entry: Item) -> str:
    """The alert that an entry of a list names."""
    found: str = entry["sk"].rpartition("_")[2]
    return found
