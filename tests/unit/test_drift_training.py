"""The training that a site asks for by drifting, where the application says so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from conftest import Aws
from earshot.runs import FAILED, PROMOTED, REJECTED, SHADOWING
from station import Station
from test_catalog import sample

if TYPE_CHECKING:
    from earshot.services import Services


@pytest.fixture
def station(services: Services, aws: Aws) -> Station:
    return Station(services, aws)


def test_a_training_is_asked_for_once_when_there_is_something_new(station: Station) -> None:
    station.rule(retrain=True)
    holdings, ledger = station.services.samples.holdings, station.services.ledger
    for n in range(10):
        holdings.hold(replace(sample(f"a{n}" * 32), key=f"samples/before/{n}.wav"), "1")
    station.hear(novelty=0.4)
    station.look()
    # What came before the site drifted says nothing of it.
    assert ledger.runs() == []
    for n in range(10):
        holdings.hold(replace(sample(f"{n}" * 64), key=f"samples/{n}.wav"), "1")
    station.drift.watch()
    (run,) = ledger.runs()
    assert "ridge" in run.reason
    station.drift.watch()
    assert len(ledger.runs()) == 1
    assert [one.asked for one in station.log.episodes()] == [run.run]
    assert ledger.runs()[0].state != PROMOTED
    assert station.services.registry.champion() is None


@pytest.mark.parametrize(("became", "runs"), [(REJECTED, 2), (FAILED, 2), (SHADOWING, 1)])
def test_another_training_is_asked_for_when_one_came_to_nothing(
    station: Station, became: str, runs: int
) -> None:
    station.rule(retrain=True)
    holdings, ledger = station.services.samples.holdings, station.services.ledger
    station.hear(novelty=0.4)
    station.look()

    def label(*some: int) -> None:
        for n in some:
            holdings.hold(replace(sample(f"{n:064}"), key=f"samples/{n}.wav"), "1")
        station.drift.watch()

    label(*range(10))
    (run,) = ledger.runs()
    ledger.claim(run.run, "worker")
    ledger.finish(run.run, "worker", became)
    label(*range(10, 19))
    assert len(ledger.runs()) == 1
    label(19)
    assert len(ledger.runs()) == runs


def test_unless_the_application_says_so_none_is_asked_for(station: Station) -> None:
    station.hear(novelty=0.4)
    for n in range(10):
        one = sample(f"{n}" * 64)
        station.services.samples.holdings.hold(replace(one, key=f"samples/{n}.wav"), "1")
    station.look()
    assert station.services.ledger.runs() == []
