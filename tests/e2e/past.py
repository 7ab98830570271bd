"""A past for a stack that has just begun: what its pages show of three weeks is there at once."""

from __future__ import annotations

import math
import random
import time
from typing import TYPE_CHECKING

from conftest import emulated
from earshot.errors import TruncatedRecording
from earshot.recording import Prediction
from earshot.statistics import Statistics

if TYPE_CHECKING:
    from browsing import Site

DAYS = 21
LABELS = {"casual": 9, "siren": 5, "gunshot": 1, "explosion": 1}


def make_past(site: Site, each_day: int = 60) -> None:
    """Count at most so many predictions on each of ``DAYS`` days, as this service would have."""
    dice = random.Random(7)
    now = time.time() - 3600
    dynamodb = emulated(site.s3.meta.endpoint_url, "dynamodb")
    with_clock = Statistics(dynamodb, "earshot", lambda: moment)
    for number in reversed(range(DAYS * each_day)):
        moment = now - (number + dice.random()) * 86_400 / each_day
        # More by day than by night, and a little more each day.
        by_day = 0.5 - 0.4 * math.cos(2 * math.pi * (moment % 86_400 - 3600) / 86_400)
        if dice.random() > by_day * (1 - 0.5 * number / each_day / DAYS):
            continue
        label = dice.choices(list(LABELS), list(LABELS.values()))[0]
        confidence = 1 - min(0.7, dice.expovariate(14))
        heard = Prediction(
            label,
            0,
            confidence,
            "accepted" if confidence > 0.8 else "uncertain",
            {},
            (),
            "20261121-101500-3f1c22ab",
            4.0,
            processing_ms=dice.lognormvariate(1.6, 0.5),
        )
        with_clock.count(heard, f"{number:08x}")
        if dice.random() < 0.03:
            with_clock.count_error(TruncatedRecording("cut"))
    # Who has read already has folded these days without what is in them now.
    folded = {"pk": {"S": "STATISTICS"}, "sk": {"S": "TOTALS"}}
    dynamodb.delete_item(TableName="earshot", Key=folded)
