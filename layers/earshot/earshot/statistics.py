"""What was predicted, counted in the DynamoDB table: one write a prediction, on one of 16 items.

========================  ==================  ==================================================
``pk``                    ``sk``              item
========================  ==================  ==================================================
``STATISTICS#<shard>``    day, YYYY-MM-DD     a shard's tally of a UTC day (``earshot.tally``);
                                              its latest predictions, ``last<slot>``; and each
                                              writer's last number, ``by#<writer>``
``STATISTICS``            ``TOTALS``          the tally of all days before ``folded_until``
``DAYS``                  day                 the tally of one of these days
========================  ==================  ==================================================

**Counted once.** A write whose answer is lost is sent again by botocore. As Kafka's idempotent
producers do (KIP-98), each writer numbers its writes and has one on its way at a time; an item
takes a number only above the last that it has of the writer, so a copy changes nothing, however
late it comes and whoever wrote in between.

**Cheap for ever.** Who reads sums ``TOTALS``, yesterday and today, in one round trip. What is older
is folded into ``TOTALS`` by the day's first reader, in a transaction that compares and swaps
``folded_until``, so that of many readers one folds. Only a write that was on its way for more than
a day would find its day folded, and be missing.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from earshot import tally
from earshot.moments import moment
from earshot.table import Table
from earshot.tally import Hour, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.recording import Decision, Prediction

SHARDS = "0123456789abcdef"
# A writer's latest predictions stay in so many slots of each of so many shards. More shards make
# smaller items of more predictions, but writers leave a dozen bytes a day in each of theirs.
SHARDS_OF_A_WRITER = 4
SLOTS = 8
RECENT = SHARDS_OF_A_WRITER * SLOTS
RECENT_DAYS = 1
# Until then somebody has to read, or a day is lost.
KEPT_DAYS = 400
LISTED_DAYS = 30
# A day to look at and the day before it to compare with.
LISTED_HOURS = 48
# A transaction takes a hundred actions.
DAYS_AT_ONCE = 90


@dataclass(frozen=True)
class Recent:
    """One of the latest predictions; ``timestamp`` in UTC, ISO 8601.

    ``novelty`` is None for one that an earlier release has counted.
    """

    timestamp: str
    request_id: str
    label: str
    confidence: float
    decision: Decision
    model_version: str
    duration_s: float
    processing_ms: float
    novelty: float | None = None


@dataclass(frozen=True)
class Report:
    """All that is counted: of all time, by UTC day, and the latest; the newest first.

    ``hours`` are the latest ``LISTED_HOURS`` by their beginning in ISO 8601, the one that runs
    first, those in which nothing came included.
    """

    totals: Tally
    days: dict[str, Tally]
    hours: dict[str, Hour]
    recent: list[Recent]


@dataclass
class _Writer:
    """Numbers its writes; never two of them are on their way at once."""

    name: str
    first_shard: int
    number: int = 0


class Statistics:
    """Tallies of predictions; ``clock`` tells seconds since the epoch."""

    def __init__(
        self, client: DynamoDBClient, table: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._table = Table(client, table)
        self._clock = clock
        # Writers are made when they are needed: a copy of a process that has one would repeat its
        # numbers. The last to be idle is the first to write, so that there are few.
        self._idle: deque[_Writer] = deque()
        self._first_shards = count(secrets.randbelow(len(SHARDS)), SHARDS_OF_A_WRITER)

    # --- counting --------------------------------------------------------------------------

    def count(
        self,
        prediction: Prediction,
        request_id: str = "",
        besides: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Count a prediction, and ``besides`` what comes with it, in one write.

        It is kept among the latest.
        """
        now = moment(self._clock())
        recent = Recent(
            timestamp=now,
            request_id=request_id,
            label=prediction.label,
            confidence=prediction.confidence,
            decision=prediction.decision,
            model_version=prediction.model_version,
            duration_s=prediction.duration_s,
            processing_ms=prediction.processing_ms,
            novelty=round(prediction.novelty, 6),
        )
        self._add({**tally.of_prediction(prediction, hour=int(now[11:13])), **besides}, recent)

    def count_error(self, error: Exception, version: str | None = None) -> None:
        """Count a recording that was not answered with a label, in one write.

        ``version`` was in service then.
        """
        self._add(tally.of_error(error, version))

    def _add(self, counts: Mapping[str, int], recent: Recent | None = None) -> None:
        try:
            writer = self._idle.pop()
        except IndexError:
            writer = _Writer(secrets.token_urlsafe(6), next(self._first_shards))
        try:
            self._write(writer, counts, recent)
        finally:
            self._idle.append(writer)

    def _write(self, writer: _Writer, counts: Mapping[str, int], recent: Recent | None) -> None:
        writer.number += 1
        turn, place = divmod(writer.number, SHARDS_OF_A_WRITER)
        shard = SHARDS[(writer.first_shard + place) % len(SHARDS)]
        sets = "SET #writer = :number, expires_at = :expires"
        names = {"writer": f"by#{writer.name}"}
        values: dict[str, Any] = {
            "number": writer.number,
            "expires": int(self._clock()) + KEPT_DAYS * 86_400,
        }
        if recent:
            sets += f", last{turn % SLOTS} = :recent"
            values["recent"] = json.dumps(list(vars(recent).values()), separators=(",", ":"))
        adds = []
        for number, (name, n) in enumerate(counts.items()):
            # Every name and value of a request costs time: plain names need no second, ones are
            # all alike.
            plain, value = name.isalnum(), f"n{n}"
            adds.append(f"{name if plain else f'#n{number}'} :{value}")
            values[value] = n
            if not plain:
                names[f"n{number}"] = name
        self._table.update(
            f"STATISTICS#{shard}",
            self._today(),
            f"{sets} ADD {', '.join(adds)}",
            values,
            names=names,
            when="attribute_not_exists(#writer) OR #writer < :number",
        )

    # --- reading ---------------------------------------------------------------------------

    def totals(self) -> Tally:
        """The tally of all time, in one round trip."""
        folded, shards = self._read()
        return Tally.of(folded, *_open(shards, folded))

    def since(self, then: str) -> Tally:
        """The tally of the UTC day of a moment, ISO 8601, and of all days after it.

        What is counted of challengers is in it, which totals are without.
        """
        return Tally.of(*(one.counts for one in self.days(then).values()))

    def days(self, then: str) -> dict[str, Tally]:
        """The tallies of these days, each by its day, YYYY-MM-DD."""
        folded, shards = self._read()
        first = then[: len("YYYY-MM-DD")]
        past = self._table.query("DAYS", between=(first, self._today()))
        return _by_day(*past, *(one for one in _open(shards, folded) if one["sk"] >= first))

    def report(self) -> Report:
        """The tallies of all time and of the latest days that have any, and what came last."""
        folded, shards = self._read()
        days = _by_day(*_open(shards, folded), *self._table.last("DAYS", LISTED_DAYS))
        tallies = {day: days[day] for day in sorted(days, reverse=True)[:LISTED_DAYS]}
        now = self._clock()
        since = moment(now - RECENT_DAYS * 86_400)
        latest = sorted(_recent(shards), key=lambda recent: recent.timestamp, reverse=True)
        return Report(
            totals=Tally.of(folded, *_open(shards, folded)),
            days=tallies,
            hours=dict(_hours(now, tallies)),
            recent=[recent for recent in latest if recent.timestamp >= since][:RECENT],
        )

    def _read(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The folded totals, and every shard's items of yesterday and today."""
        while True:
            today = self._today()
            yesterday = (date.fromisoformat(today) - timedelta(days=1)).isoformat()
            items = self._table.get_many(
                [
                    ("STATISTICS", "TOTALS"),
                    *(
                        (f"STATISTICS#{shard}", day)
                        for day in (yesterday, today)
                        for shard in SHARDS
                    ),
                ]
            )
            shards = [item for item in items if item["sk"] != "TOTALS"]
            folded = next((item for item in items if item["sk"] == "TOTALS"), {"folded_until": "0"})
            if folded["folded_until"] >= yesterday:
                return folded, shards
            self._fold(folded, yesterday)

    def _fold(self, folded: Mapping[str, Any], until: str) -> None:
        """Add the days before ``until`` to the totals, unless somebody else has begun to."""
        since = folded["folded_until"]
        days = _by_day(
            *(
                item
                for shard in SHARDS
                for item in self._table.query(f"STATISTICS#{shard}", between=(since, until))
                if item["sk"] < until
            )
        )
        chosen = sorted(days)
        if len(chosen) > DAYS_AT_ONCE:
            chosen, until = chosen[:DAYS_AT_ONCE], chosen[DAYS_AT_ONCE]
        tallies = {day: days[day].counts for day in chosen}
        totals = Tally.of(folded, *tallies.values()).without_shadows().counts
        self._table.transact(
            self._table.putting_if(
                "attribute_not_exists(pk) OR folded_until = :since",
                {"pk": "STATISTICS", "sk": "TOTALS", "folded_until": until, **totals},
                {"since": since},
            ),
            *(self._table.putting({"pk": "DAYS", "sk": day, **n}) for day, n in tallies.items()),
        )

    def _today(self) -> str:
        return moment(self._clock())[: len("YYYY-MM-DD")]


def _open(shards: Iterable[dict[str, Any]], folded: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Items of days that are not folded yet; of both, when the folder's clock is ahead of ours."""
    return [item for item in shards if item["sk"] >= folded["folded_until"]]


def _by_day(*items: Mapping[str, Any]) -> dict[str, Tally]:
    """The tallies of the days that items are of."""
    days: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for item in items:
        days[item["sk"]].append(item)
    return {day: Tally.of(*some) for day, some in days.items()}


def _hours(now: float, days: Mapping[str, Tally]) -> Iterable[tuple[str, Hour]]:
    """The latest hours by their beginning, the one that ``now`` lies in first."""
    for back in range(LISTED_HOURS):
        hour = moment(now - back * 3600)[: len("YYYY-MM-DDTHH")]
        day, number = hour.split("T")
        of_day = days.get(day, Tally({})).by_hour
        yield f"{hour}:00:00.000Z", of_day[int(number)]


def _recent(shards: Iterable[Mapping[str, Any]]) -> Iterable[Recent]:
    for item in shards:
        for name, value in item.items():
            if name.startswith("last"):
                yield Recent(*json.loads(value))
