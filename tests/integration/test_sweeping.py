"""Sweeps at once, and beside those whose work they look after, against the emulator."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from conftest import with_threshold
from deployed import Deployed
from earshot.errors import RetrainInProgress
from earshot.moments import now
from earshot.recording import Sample
from earshot.runs import PROMOTED
from earshot.services.supervision import PATIENCE_S
from earshot.services.sweep import LEFTOVER_S, RECOUNT_S
from earshot.sweeps import SweepReport

from infra.local import endpoint

THREADS = 6


class Swept(Deployed):
    """The stack, and what is swept there."""

    def sweep(self, later_s: float = 0) -> SweepReport:
        return replace(self.services.sweep, clock=lambda: time.time() + later_s).run()

    def hold(self, number: int) -> str | None:
        """Catalogue one of many samples."""
        one = Sample(_identity(number), "siren", "tape", _key(number), 4.0, "", None, now())
        return self.services.samples.holdings.hold(one, "1")


def _identity(number: int) -> str:
    """Like those of sounds: spread over the shards."""
    return f"{number:x}".rjust(3, "0")[::-1].ljust(64, "0")


def _key(number: int) -> str:
    return f"samples/siren/{_identity(number)}.wav"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with endpoint.emulator() as running:
        yield running


@pytest.fixture
def deployed(url: str) -> Swept:
    found = Swept(url, "SweepFunction", threshold=1000, connections=2 * THREADS)
    found.clear()
    return found


def at_once(*calls: Any) -> list[Any]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def test_sweeps_at_once_repair_each_thing_once(deployed: Swept) -> None:
    services = deployed.services
    stray = services.training.request("stray").run
    services.ledger.vacate(stray)
    lost = services.training.request("lost").run
    for number in range(8):
        deployed.hold(number)
    deployed.dynamodb.update_item(
        TableName="earshot",
        Key={"pk": {"S": "COUNTS#3"}, "sk": {"S": "COUNTS"}},
        UpdateExpression="ADD #label :five",
        ExpressionAttributeNames={"#label": "n#siren"},
        ExpressionAttributeValues={":five": {"N": "5"}},
    )
    deployed.requested()
    reports = at_once(*[partial(deployed.sweep, PATIENCE_S + 1)] * THREADS)
    assert [report.failed for report in reports] == [()] * THREADS
    repairs = sum((Counter(report.repairs) for report in reports), Counter())
    assert (repairs["run_ended"], repairs["count_corrected"]) == (1, 1)
    # Several may tell workers of it; that is counted once, and one worker gets it.
    assert repairs["run_published"] >= 1
    assert set(deployed.requested()) == {lost}
    assert services.ledger.run(lost).publications == 2
    assert services.catalog.standing().labels == {"siren": 8}
    assert deployed.sweep(PATIENCE_S + 1).done == ()


def test_counts_are_right_whoever_counts_while_samples_come_and_go(deployed: Swept) -> None:
    holdings = deployed.services.samples.holdings

    def come_and_go(first: int) -> None:
        for number in range(first, first + 20):
            deployed.hold(number)
            if number % 2 and (holder := holdings.of(_key(number))):
                holdings.release(holder)

    def count(later_s: int) -> SweepReport:
        return deployed.sweep(later_s)

    reports = at_once(
        *(partial(come_and_go, 20 * n) for n in range(3)),
        *(partial(count, n * (RECOUNT_S + 60)) for n in range(6)),
    )[3:]
    assert [report.failed for report in reports] == [()] * 6
    # There was no drift, and whoever read a shard while it changed has put nothing wrong.
    assert [report.repairs for report in reports] == [{}] * 6
    assert deployed.services.catalog.standing().labels == {"siren": 30}
    assert len(list(deployed.services.catalog.samples())) == 30


def test_a_run_ends_once_whether_its_worker_or_sweeps_end_it(deployed: Swept) -> None:
    services = deployed.services
    for _ in range(5):
        run = services.training.request("race").run
        services.ledger.claim(run, "job-1")

        def finish(run: str = run) -> bool:
            try:
                services.ledger.finish(run, "job-1", PROMOTED)
            except RetrainInProgress:
                return False
            return True

        finished, failed, *reports = at_once(
            finish,
            partial(services.training.job_failed, run, "job-1", "killed"),
            *[deployed.sweep] * 2,
        )
        assert finished != failed
        assert services.ledger.run(run).state == ("promoted" if finished else "failed")
        assert services.ledger.seat() is None
        assert [report.done for report in reports] == [(), ()]


def test_a_request_beside_sweeps_is_one_run(deployed: Swept) -> None:
    services = with_threshold(deployed.services, 3)
    for number in range(3):
        deployed.hold(number)
    at_once(*[services.sweep.run] * 3, *[services.training.request_if_due] * 3)
    (run,) = services.ledger.runs()
    assert deployed.requested() == [run.run]


def test_an_upload_that_is_under_way_is_left_alone(deployed: Swept) -> None:
    store = deployed.services.store
    first = store.begin("samples/siren/a.wav", "audio/wav")
    assert deployed.sweep(LEFTOVER_S - 60).done == ()
    time.sleep(1.1)
    # Two of one key are told apart by when they began, to the second.
    second = store.begin("samples/siren/a.wav", "audio/wav")
    assert store.unfinished("samples/siren/a.wav") == second != first
    assert deployed.sweep(LEFTOVER_S + 60 + 86_400).repairs == {"upload_aborted": 2}
    assert store.unfinished("samples/siren/a.wav") is None
