"""Answers to live sound, those of a site that are independent, in the DynamoDB table.

================  ================  ======================================================
``pk``            ``sk``            item
================  ================  ======================================================
``HEARD#<site>``  time, ``_``,      an answer: of a recording, one for each label and hour,
                  name              which the label then names
``HEARD``         site              when something of it last came in
================  ================  ======================================================

All go after KEPT_DAYS.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from earshot.moments import moment
from earshot.recording import Answer, Observation
from earshot.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.table import Item

KEPT_DAYS = 90
# What was asked of the API is of no site: no recording's key makes a site of this name.
ASKED = "/predict"


class Observations:
    """What was heard where. Writing the same again changes nothing."""

    def __init__(
        self, client: DynamoDBClient, table: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._table = Table(client, table)
        self._clock = clock

    def keep(self, site: str, observations: Sequence[Observation]) -> None:
        """Note what was heard at a site, each in the place of one of its time and name."""
        if not observations:
            return
        expires_at = int(self._clock()) + KEPT_DAYS * 86_400
        items = {item["sk"]: item for item in (_item(site, one) for one in observations)}
        told = {"pk": "HEARD", "sk": site, "heard_at": moment(self._clock())}
        self._table.put_many(item | {"expires_at": expires_at} for item in (*items.values(), told))

    def sites(self, since: str) -> list[str]:
        """Where something came in since then, ISO 8601."""
        return [item["sk"] for item in self._table.query("HEARD") if item["heard_at"] >= since]

    def latest(self, site: str, limit: int) -> list[Observation]:
        """The latest of a site by when they were heard, the latest first."""
        return [_observation(item) for item in self._table.last(f"HEARD#{site}", limit)]


def _item(site: str, one: Observation) -> Item:
    answer = one.answer
    told = [answer.label, answer.confidence, answer.novelty, answer.accepted]
    return {
        "pk": f"HEARD#{site}",
        "sk": f"{one.at}_{one.name}",
        "version": one.model_version,
        "answer": json.dumps(told, ensure_ascii=False, separators=(",", ":")),
    }


def _observation(item: Item) -> Observation:
    at, _, name = item["sk"].partition("_")
    return Observation(at, name, item["version"], Answer(*json.loads(item["answer"])))
