from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from earshot.catalog import Catalog
from earshot.errors import RetrainInProgress, RunNotFound
from earshot.holdings import Holdings
from earshot.ledger import SILENCE_S, Ledger
from earshot.runs import PROMOTED, Run, Standing
from test_catalog import sample

if TYPE_CHECKING:
    from conftest import Aws


def run(name: str = "20261121-100000-abcdef", samples: int = 0) -> Run:
    return Run(name, "requested", "because", "2026-11-21T10:00:00.000Z", samples)


def test_one_crossing_makes_one_run(catalog: Catalog, holdings: Holdings, ledger: Ledger) -> None:
    holdings.hold(sample(), "1")
    seen = catalog.standing()
    assert ledger.request(run("first"), seen)
    assert not ledger.request(run("second"), seen)
    assert not ledger.request(run("second"), catalog.standing())
    assert [found.run for found in ledger.runs()] == ["first"]
    standing = catalog.standing()
    assert (standing.new, standing.active_run) == (0, "first")


def test_a_run_is_claimed_by_one_worker_who_may_come_back(catalog: Catalog, ledger: Ledger) -> None:
    ledger.request(run(), Standing({}, 0, 0, None))
    assert ledger.claim(run().run, "one").state == "running"
    with pytest.raises(RetrainInProgress):
        ledger.claim(run().run, "two")
    assert ledger.claim(run().run, "one").state == "running"
    ledger.finish(run().run, "one", PROMOTED)
    with pytest.raises(RetrainInProgress):
        ledger.claim(run().run, "one")
    with pytest.raises(RunNotFound):
        ledger.claim("nobody's", "one")


def test_a_silent_worker_loses_its_run_but_the_run_keeps_its_seat(
    catalog: Catalog, aws: Aws
) -> None:
    time = 1_000_000.0
    ledger = Ledger(aws.dynamodb, "earshot", clock=lambda: time)
    ledger.request(run(), Standing({}, 0, 0, None))
    ledger.claim(run().run, "one")
    time += SILENCE_S - 1
    ledger.keep(run().run, "one")
    time += SILENCE_S - 1
    with pytest.raises(RetrainInProgress):
        ledger.claim(run().run, "two")
    time += 3
    assert not ledger.request(run("second"), catalog.standing())
    again = ledger.claim(run().run, "two")
    assert (again.state, again.worker, again.attempts) == ("running", "two", 2)
    assert ledger.seat() == run().run
    # Whoever comes back finds that it is no longer his.
    with pytest.raises(RetrainInProgress):
        ledger.finish(run().run, "one", PROMOTED)
    with pytest.raises(RetrainInProgress):
        ledger.keep(run().run, "one")
    assert ledger.run(run().run).state == "running"


def test_a_finished_run_frees_the_seat_and_keeps_its_story(
    catalog: Catalog, ledger: Ledger
) -> None:
    ledger.request(run(), Standing({}, 0, 0, None))
    ledger.claim(run().run, "one")
    ledger.report(run().run, "one", stage="fitting", progress=0.25, curve=[{"fold": 1}])
    assert ledger.run(run().run).progress == 0.25
    ledger.finish(run().run, "one", PROMOTED, version="v2", gates=[{"gate": "g", "passed": True}])
    found = ledger.run(run().run)
    assert (found.state, found.version, found.curve) == ("promoted", "v2", [{"fold": 1}])
    assert found.gates == [{"gate": "g", "passed": True}]
    assert found.finished_at
    assert catalog.standing().active_run is None


def test_runs_come_newest_first(catalog: Catalog, ledger: Ledger) -> None:
    for name in ("20261121-1", "20261123-1", "20261122-1"):
        ledger.request(run(name), catalog.standing())
        ledger.claim(name, "one")
        ledger.finish(name, "one", PROMOTED)
    assert [found.run for found in ledger.runs()] == ["20261123-1", "20261122-1", "20261121-1"]
    assert len(ledger.runs(limit=2)) == 2


def test_a_run_remembers_how_often_workers_were_told_of_it(ledger: Ledger) -> None:
    ledger.request(run(), Standing({}, 0, 0, None))
    seen = ledger.run(run().run)
    assert (seen.publications, seen.published_at) == (0, None)
    assert ledger.published(seen)
    # Somebody else who read it before says it again.
    assert not ledger.published(seen)
    told = ledger.run(run().run)
    assert told.publications == 1
    assert told.published_at
    assert ledger.published(told)
    assert ledger.run(run().run).publications == 2
    assert not ledger.published(run("nobody's"))
    assert len(ledger.runs()) == 1


@pytest.mark.parametrize(("renewed", "new"), [(False, 1), (True, 3)])
def test_a_failed_run_frees_its_seat_and_may_give_its_samples_back(
    catalog: Catalog, holdings: Holdings, ledger: Ledger, renewed: bool, new: int
) -> None:
    holdings.hold(sample("a" * 64), "1")
    holdings.hold(sample("b" * 64), "1")
    wish = run(samples=2)
    ledger.request(wish, catalog.standing())
    holdings.hold(sample("c" * 64), "1")
    assert ledger.fail(ledger.run(wish.run), "No machine.", renewed=renewed)
    ended = ledger.run(wish.run)
    assert (ended.state, ended.error, ended.is_over) == ("failed", "No machine.", True)
    assert ended.finished_at
    assert (catalog.standing().active_run, catalog.standing().new) == (None, new)
    # Once is enough, also for those who have not seen it.
    assert not ledger.fail(wish, "Again.", renewed=renewed)
    assert catalog.standing().new == new
    # All samples are of one label here.
    assert [*catalog.standing().growth.values()] == [new]


def test_a_run_that_went_on_is_not_ended_by_who_saw_it_before(ledger: Ledger) -> None:
    ledger.request(run(), Standing({}, 0, 0, None))
    waiting = ledger.run(run().run)
    ledger.claim(run().run, "one")
    assert not ledger.fail(waiting, "Nobody began it.")
    assert not ledger.abandon(waiting, "Nobody began it.")
    silent = replace(ledger.run(run().run), lease_until=1)
    assert not ledger.fail(silent, "Its worker fell silent.")
    assert ledger.run(run().run).state == "running"
    assert ledger.seat() == run().run


def test_a_seat_is_taken_only_from_the_run_that_has_it(ledger: Ledger) -> None:
    assert ledger.seat() is None
    assert not ledger.vacate(run().run)
    ledger.request(run(), Standing({}, 0, 0, None))
    assert not ledger.vacate("another")
    assert ledger.seat() == run().run
    assert ledger.vacate(run().run)
    assert ledger.seat() is None


def test_a_run_without_its_seat_can_be_ended_and_not_finished(ledger: Ledger) -> None:
    ledger.request(run(), Standing({}, 0, 0, None))
    ledger.claim(run().run, "one")
    ledger.vacate(run().run)
    with pytest.raises(RetrainInProgress):
        ledger.finish(run().run, "one", PROMOTED)
    assert ledger.run(run().run).state == "running"
    assert ledger.abandon(ledger.run(run().run), "It has no seat.")
    assert ledger.run(run().run).error == "It has no seat."
