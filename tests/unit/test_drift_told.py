"""What is told of drift: a day's report, and an episode in words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from earshot.drift.comparison import Shift
from earshot.drift.log import DriftLog, DriftReport, Episode, SiteDrift
from earshot.drift.observations import ASKED
from earshot.services.drift import summary

if TYPE_CHECKING:
    from conftest import Aws


def test_a_report_of_many_sites_and_labels_is_kept_as_far_as_an_item_has_room(
    aws: Aws,
) -> None:
    log = DriftLog(aws.dynamodb, "earshot")
    shift = Shift(live=100, reference=100, p=0.123456, more_novel=0.123456, surer=0.123456)
    labels = {f"Größere Art {n}": shift for n in range(60)}
    at = "2026-11-20T00:04:00.000Z"
    sites = tuple(
        SiteDrift(f"site {n}", "steady", 100, at, at, 0.1, 0.1, 0.1, None, shift, labels)
        for n in range(300)
    )
    report = DriftReport(at[:10], at, "compared", "v", 7, 0.01, 20, sites)
    log.keep(report)
    kept = log.last()
    assert kept is not None
    assert 10 < len(kept.sites) < 200
    assert kept == replace(report, sites=sites[: len(kept.sites)])
    few = replace(report, sites=tuple(replace(one, labels={}) for one in sites))
    log.keep(few)
    assert log.last() == replace(few, sites=few.sites[:200])


@pytest.mark.parametrize(
    ("more_novel", "surer", "said"),
    [
        (0.87, 0.38, "It is further from what was learnt (87% of pairs) and answered less surely"),
        (0.33, 0.71, "to what was learnt (67% of pairs) and answered more surely (71% of pairs)"),
        (0.52, 0.3, "It is answered less surely (70% of pairs) than"),
        (0.5, 0.52, "but is spread otherwise"),
    ],
)  # fmt: skip
def test_how_it_sounds_is_said_in_words(more_novel: float, surer: float, said: str) -> None:
    when = "2026-11-20T00:04:00.000Z"
    episode = Episode("ridge", "v", when, when, (), 43, 0.0018, more_novel, surer, 0)
    assert said in summary(episode)
    assert "43 answers would differ so much with a probability of 0.0018" in summary(episode)
    assert ", most of all siren, dog." in summary(replace(episode, labels=("siren", "dog")))
    assert summary(replace(episode, site=ASKED)).startswith("What is sent to the API does not")
