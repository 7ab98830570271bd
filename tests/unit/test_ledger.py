from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from earshot.catalog import Catalog
from earshot.errors import RetrainInProgress, RunNotFound
from earshot.ledger import SILENCE_S, Ledger
from earshot.runs import PROMOTED, Run, Standing
from test_catalog import sample

if TYPE_CHECKING:
    from conftest import Aws


@pytest.fixture
def catalog(aws: Aws) -> Catalog:
    return Catalog(aws.dynamodb, "earshot")


@pytest.fixture
def ledger(aws: Aws) -> Ledger:
    return Ledger(aws.dynamodb, "earshot")


def run(name: str = "20261121-100000-abcdef", samples: int = 0) -> Run:
    return Run(name, "requested", "because", "2026-11-21T10:00:00.000Z", samples)


def test_one_crossing_makes_one_run(catalog: Catalog, ledger: Ledger) -> None:
    catalog.add_sample(sample())
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


def test_a_silent_worker_loses_its_run(
    catalog: Catalog, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    ledger.request(run(), Standing({}, 0, 0, None))
    ledger.claim(run().run, "one")
    ledger.keep(run().run, "one")
    later = time.time() + SILENCE_S + 1
    monkeypatch.setattr("earshot.ledger.time.time", lambda: later)
    assert (catalog.standing().active_run, catalog.standing().silent_run) == (None, run().run)
    assert ledger.claim(run().run, "two").state == "running"
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
