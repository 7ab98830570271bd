"""Detections of all recordings, by their time, in the DynamoDB table.

=====================  ====================================  ==================================
``pk``                 ``sk``                                item
=====================  ====================================  ==================================
``DETECTIONS``         day, as 2026-11-21                    an entry for each day that has any
``DETECTIONS#<day>``   time, recording, results and number,  a detection
                       with ``_`` between
=====================  ====================================  ==================================

Days are those of UTC. An item counts only while its recording points to the ``results`` that it
belongs to: what was half written, or is of content that was replaced, is there and is not listed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from earshot.recording import Detection, Occurrence
from earshot.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.table import Item

# As many records at most are looked up for a page, in one round trip.
PAGE = 100


@dataclass(frozen=True)
class Entry:
    """A detection, the key of the ``results`` that it belongs to, and its ``place`` in the list."""

    occurrence: Occurrence
    results: str
    place: str


class Chronicle:
    """What was detected, when. Writing the same again changes nothing."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def write(self, results: str, occurrences: Sequence[Occurrence]) -> None:
        """Note the detections of one recording, in their order, and the key of their results."""
        days = sorted({one.at[:10] for one in occurrences})
        self._table.put_many({"pk": "DETECTIONS", "sk": day} for day in days)
        self._table.put_many(_item(one, results, number) for number, one in enumerate(occurrences))

    def pages(self, since: str, before: str) -> Iterator[list[Entry]]:
        """Detections from ``since`` on, the latest first, those at ``before`` and later left out.

        ``since`` is a time in the form of ``now``, ``before`` as well, or an entry's place. Pages
        are read as they are asked for, of PAGE entries at most.
        """
        days = [item["sk"] for item in self._table.query("DETECTIONS", (since[:10], before[:10]))]
        for day in reversed(days):
            place = before
            while found := self._table.last(f"DETECTIONS#{day}", PAGE, place):
                entries = [_entry(item) for item in found if item["sk"] >= since]
                if entries:
                    yield entries
                if len(found) < PAGE or len(entries) < len(found):
                    break
                place = found[-1]["sk"]


def _item(one: Occurrence, results: str, number: int) -> Item:
    digest = results.split("/")[-2]
    return {
        "pk": f"DETECTIONS#{one.at[:10]}",
        "sk": f"{one.at}_{one.recording}_{digest}_{number:07}",
        "results": results,
        "occurrence": json.dumps(asdict(one), ensure_ascii=False),
    }


def _entry(item: Item) -> Entry:
    content = json.loads(item["occurrence"])
    content["detection"] = Detection(**content["detection"])
    return Entry(Occurrence(**content), item["results"], item["sk"])
