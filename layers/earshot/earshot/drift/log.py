"""What was found of drift, day by day, and the sites that drift, in the DynamoDB table.

============  ==================  ======================================================
``pk``        ``sk``              item
============  ==================  ======================================================
``DRIFT``     day, YYYY-MM-DD     what was found on a UTC day; goes after KEPT_DAYS
``DRIFTING``  site                a site that drifts: since when, and who was told
============  ==================  ======================================================
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from earshot.drift.comparison import Shift
from earshot.moments import since_epoch
from earshot.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT_DAYS = 400
# So many sites of a report are kept, or as many as go into an item, which has 400 KB: its first.
LISTED = 200
MOST_BYTES = 400_000

SiteState = Literal["drifting", "steady", "too_few"]
ReportState = Literal["compared", "no_model", "no_reference"]


@dataclass(frozen=True)
class SiteDrift:
    """How a site sounds beside what the model was judged by.

    ``units`` are independent answers, heard from ``first`` to ``last``; ``drifting`` of ``labels``
    names those that differ by themselves. ``since`` is when it was first found to drift.
    ``label_mix`` is the population stability index of how often each label is answered,
    ``uncertain`` the share that is not accepted, of ``reference_uncertain`` among held-out clips;
    neither raises an alarm.
    """

    site: str
    state: SiteState
    units: int
    first: str
    last: str
    label_mix: float
    uncertain: float
    reference_uncertain: float
    since: str | None = None
    all: Shift | None = None
    labels: dict[str, Shift] = field(default_factory=dict)
    drifting: tuple[str, ...] = ()


@dataclass(frozen=True)
class DriftReport:
    """What was found on a day; ``version`` is the model's, None without one."""

    day: str
    at: str
    state: ReportState
    version: str | None
    days: float
    false_alarms: float
    min_units: int
    sites: tuple[SiteDrift, ...] = ()


@dataclass(frozen=True)
class Episode:
    """A site drifts since ``since``, and at ``seen`` did so for the last time.

    What it was told by, ``labels`` to ``surer``, stays as it was when it began. ``samples`` is how
    many there were then; ``told`` is when it was published, ``asked`` for which run the last time.
    """

    site: str
    version: str
    since: str
    seen: str
    labels: tuple[str, ...]
    units: int
    p: float
    more_novel: float
    surer: float
    samples: int
    told: str | None = None
    asked: str | None = None


class DriftLog:
    """Reports and episodes. All writes are safe to repeat."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def keep(self, report: DriftReport) -> None:
        """Put a day's report, in the place of one of that day."""
        expires_at = int(since_epoch(report.at)) + KEPT_DAYS * 86_400
        content = asdict(replace(report, sites=report.sites[:LISTED]))
        while len((text := json.dumps(content, ensure_ascii=False)).encode()) > MOST_BYTES:
            content["sites"] = content["sites"][: len(content["sites"]) * 3 // 4]
        self._table.put(
            {
                "pk": "DRIFT",
                "sk": report.day,
                "report": text,
                "expires_at": expires_at,
            }
        )

    def last(self) -> DriftReport | None:
        """The last day's report; None when there was none yet."""
        for item in self._table.last("DRIFT", 1):
            content = json.loads(item["report"])
            sites = tuple(_site(site) for site in content.pop("sites"))
            return DriftReport(**content, sites=sites)
        return None

    def episodes(self) -> list[Episode]:
        """The sites that drift."""
        found = [json.loads(item["episode"]) for item in self._table.query("DRIFTING")]
        return [Episode(**(one | {"labels": tuple(one["labels"])})) for one in found]

    def is_drifting(self, site: str) -> bool:
        """Whether a site drifts."""
        return self._table.get("DRIFTING", site) is not None

    def begin(self, episode: Episode) -> None:
        """Note that a site drifts, unless that is known of it and this version."""
        self._table.transact(
            self._table.putting_if(
                "attribute_not_exists(pk) OR version <> :version",
                _item(episode),
                {"version": episode.version},
            )
        )

    def go_on(self, episode: Episode) -> None:
        """Note what came of it, while it is the same episode."""
        self._table.transact(
            self._table.putting_if(
                "version = :version AND since = :since",
                _item(episode),
                {"version": episode.version, "since": episode.since},
            )
        )

    def end(self, episode: Episode) -> None:
        """Note that it is over."""
        self._table.transact(
            self._table.deleting(
                "DRIFTING",
                episode.site,
                "attribute_not_exists(pk) OR (version = :version AND since = :since)",
                {"version": episode.version, "since": episode.since},
            )
        )


def _item(episode: Episode) -> dict[str, str]:
    return {
        "pk": "DRIFTING",
        "sk": episode.site,
        "version": episode.version,
        "since": episode.since,
        "episode": json.dumps(asdict(episode), ensure_ascii=False),
    }


def _site(content: dict[str, Any]) -> SiteDrift:
    labels, overall = content["labels"], content["all"]
    return SiteDrift(
        **content
        | {
            "labels": {label: Shift(**shift) for label, shift in labels.items()},
            "all": None if overall is None else Shift(**overall),
            "drifting": tuple(content["drifting"]),
        }
    )
