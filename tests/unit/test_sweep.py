"""Each thing that a crash or a lost event leaves behind is found by a sweep, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from conftest import Aws, clip
from earshot.errors import RetrainInProgress
from earshot.ledger import SILENCE_S
from earshot.moments import moment
from earshot.runs import PROMOTED
from earshot.services.supervision import ATTEMPTS, PATIENCE_S, PUBLICATIONS
from earshot.sweeps import UNPUBLISHED_S
from sweeping import DAY_S, World, changes_nothing_more, crash_in
from test_catalog import sample

if TYPE_CHECKING:
    from earshot.services import Services


@pytest.fixture
def world(services: Services, aws: Aws) -> World:
    return World(services, aws)


# --- runs --------------------------------------------------------------------------------


def test_a_quiet_deployment_needs_nothing(world: World) -> None:
    report = world.sweep()
    assert (report.repairs, report.repaired, report.done, report.failed) == ({}, 0, (), ())
    assert world.services.sweeps.last() == report


@pytest.mark.parametrize("after", [False, True])
def test_a_run_whose_request_died_before_it_said_so_is_published_again(
    world: World, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    publisher = world.services.training.publisher
    with crash_in(monkeypatch, publisher, "publish", after=after):
        world.services.training.request("crash")
    world.told()
    # Whoever asks now might be in the middle of it.
    changes_nothing_more(world)
    world.later(UNPUBLISHED_S + 1)
    report = world.sweep()
    (run,) = world.services.ledger.runs()
    assert report.repairs == {"run_published": 1}
    assert world.told() == [run.run]
    assert run.publications == 1
    changes_nothing_more(world)


def test_a_run_that_nobody_begins_is_published_less_and_less_often_and_then_ended(
    world: World,
) -> None:
    for n in range(3):
        world.hold(sample(f"{n}" * 64))
    run = world.services.training.request("lost").run
    assert world.told() == [run]
    for waited in range(1, PUBLICATIONS):
        world.later(PATIENCE_S * 2 ** (waited - 1) - 10)
        changes_nothing_more(world)
        world.later(20)
        assert world.sweep().repairs == {"run_published": 1}
        assert world.told() == [run]
        changes_nothing_more(world)
    # EventBridge tries for a day; a job may still be queued then.
    assert world.ahead_s > DAY_S / 2
    assert world.services.catalog.standing().active_run == run
    world.later(PATIENCE_S * 2 ** (PUBLICATIONS - 1))
    assert world.ahead_s > DAY_S
    report = world.sweep()
    # Its samples are new again, so that another is asked for at once.
    assert report.repairs == {"run_ended": 1, "run_requested": 1}
    ended = world.services.ledger.run(run)
    assert ended.state == "failed"
    assert "none began it" in str(ended.error)
    assert world.told() == [world.services.catalog.standing().active_run] != [run]
    # A job that starts after all has nothing to do.
    with pytest.raises(RetrainInProgress):
        world.services.ledger.claim(run, "late")
    changes_nothing_more(world)


def test_a_run_that_is_worked_on_is_left_alone_however_long_it_takes(world: World) -> None:
    run = world.services.training.request("slow").run
    world.services.ledger.claim(run, "one")
    world.told()
    for _ in range(20):
        world.later(SILENCE_S - 10)
        world.services.ledger.keep(run, "one")
        changes_nothing_more(world)
    world.services.ledger.finish(run, "one", PROMOTED)
    changes_nothing_more(world)


def test_a_run_whose_worker_died_goes_to_another_and_after_some_it_ends(world: World) -> None:
    world.hold(sample())
    run = world.services.training.request("killed").run
    world.told()
    for attempt in range(1, ATTEMPTS):
        world.services.ledger.claim(run, f"worker {attempt}")
        world.later(SILENCE_S - 10)
        changes_nothing_more(world)
        world.later(PATIENCE_S * 2 ** (attempt - 1))
        assert world.sweep().repairs == {"run_published": 1}
        assert world.told() == [run]
        changes_nothing_more(world)
    world.services.ledger.claim(run, "the last")
    world.later(SILENCE_S + 10)
    assert world.sweep().repairs == {"run_ended": 1}
    ended = world.services.ledger.run(run)
    assert ended.state == "failed"
    assert f"begun {ATTEMPTS} times" in str(ended.error)
    # What was tried and failed is not tried again with the same samples.
    assert (
        world.services.catalog.standing().active_run,
        world.services.catalog.standing().new,
    ) == (
        None,
        0,
    )
    changes_nothing_more(world)


def test_a_dead_run_that_nobody_goes_on_with_ends_too(world: World) -> None:
    run = world.services.training.request("killed").run
    world.services.ledger.claim(run, "one")
    for waited in range(PUBLICATIONS):
        world.later(PATIENCE_S * 2**waited + 1)
        report = world.sweep()
    assert report.repairs == {"run_ended": 1}
    assert "none went on" in str(world.services.ledger.run(run).error)


def test_a_worker_that_comes_back_in_time_keeps_its_run(world: World) -> None:
    run = world.services.training.request("slow").run
    world.services.ledger.claim(run, "one")
    world.later(PATIENCE_S + 1)
    world.sweep()
    # It was only slow; the other copy that was called for finds it taken.
    world.services.ledger.keep(run, "one")
    with pytest.raises(RetrainInProgress):
        world.services.ledger.claim(run, "two")
    world.services.ledger.finish(run, "one", PROMOTED)
    assert world.services.ledger.run(run).state == "promoted"


def test_a_seat_of_a_run_that_is_over_is_freed(world: World) -> None:
    run = world.services.training.request("as of old").run
    world.services.ledger.claim(run, "one")
    world.services.ledger.finish(run, "one", PROMOTED)
    world.told()
    # As releases did it that wrote the run first and the seat then, and died in between.
    world.item("TRAINING", "TRAINING", "SET active_run = :run", **{":run": {"S": run}})
    report = world.sweep()
    assert report.repairs == {"seat_freed": 1}
    assert run in report.done[0]
    assert world.services.catalog.standing().active_run is None
    changes_nothing_more(world)


def test_a_seat_of_a_run_that_is_not_there_is_freed(world: World) -> None:
    world.item("TRAINING", "TRAINING", "SET active_run = :run", **{":run": {"S": "nobody's"}})
    assert world.sweep().repairs == {"seat_freed": 1}
    assert world.services.training.request("next").state == "requested"


def test_a_run_without_its_seat_is_ended(world: World) -> None:
    stray = world.services.training.request("stray").run
    world.services.ledger.vacate(stray)
    sits = world.services.training.request("sits").run
    world.services.ledger.claim(sits, "one")
    world.told()
    report = world.sweep()
    assert report.repairs == {"run_ended": 1}
    assert world.services.ledger.run(stray).state == "failed"
    assert world.services.ledger.run(sits).state == "running"
    assert world.services.catalog.standing().active_run == sits
    changes_nothing_more(world)


def test_a_run_that_begins_while_a_sweep_looks_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = world.services.ledger
    begun: list[str] = []

    def then_one_begins(look: Any) -> Any:
        def looks(*args: Any) -> Any:
            seen = look(*args)
            if not begun:
                begun.append(world.services.training.request("meanwhile").run)
            return seen

        return looks

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "seat", then_one_begins(ledger.seat))
        patched.setattr(ledger, "runs", then_one_begins(ledger.runs))
        assert world.sweep().done == ()
    assert ledger.run(begun[0]).state == "requested"


def test_a_crossing_that_died_before_it_asked_is_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(2):
        world.services.receive(world.aws.drop(f"samples/siren/{n}.wav", clip("siren", n)))
    key = world.aws.drop("samples/siren/2.wav", clip("siren", 2))
    catalog, holdings = world.services.catalog, world.services.samples.holdings
    with crash_in(monkeypatch, holdings, "hold", after=True):
        world.services.receive(key)
    assert (catalog.standing().new, world.services.ledger.runs()) == (3, [])
    assert world.sweep().repairs == {"run_requested": 1}
    assert world.told() == [catalog.standing().active_run]
    changes_nothing_more(world)


# --- Batch's word ------------------------------------------------------------------------


def test_a_failed_job_ends_its_run_at_once_and_once(world: World) -> None:
    run = world.services.training.request("doomed").run
    world.services.ledger.claim(run, "job-1")
    assert world.services.training.job_failed(run, "job-1", "OutOfMemoryError")
    ended = world.services.ledger.run(run)
    assert (ended.state, world.services.ledger.seat()) == ("failed", None)
    assert "OutOfMemoryError" in str(ended.error)
    # The same event again, or late, when the next run has the seat.
    following = world.services.training.request("next").run
    assert not world.services.training.job_failed(run, "job-1", "OutOfMemoryError")
    assert world.services.ledger.run(run) == ended
    assert world.services.ledger.seat() == following


def test_a_run_whose_version_serves_was_promoted_whoever_died_before_saying_so(
    world: World,
) -> None:
    training, registry = world.services.training, world.services.registry
    run = training.request("good").run
    world.services.ledger.claim(run, "job-1")
    default = world.services.serving.default
    assert default
    registry.publish(default.card, {"model.onnx": default.model})
    registry.promote(default.card.version, None, f"run {run}", "good")
    assert training.job_failed(run, "job-1", "SpotInterruption")
    ended = world.services.ledger.run(run)
    assert (ended.state, ended.version, ended.error) == ("promoted", default.card.version, None)
    assert world.services.ledger.seat() is None
    assert not training.job_failed(run, "job-1", "SpotInterruption")


def test_a_job_that_never_got_to_claim_its_run_ends_it_too(world: World) -> None:
    run = world.services.training.request("no image").run
    assert world.services.training.job_failed(run, "job-1", "CannotPullContainerError")
    assert "CannotPullContainerError" in str(world.services.ledger.run(run).error)


def test_another_job_s_end_changes_nothing(world: World) -> None:
    run = world.services.training.request("twice").run
    world.later(PATIENCE_S + 1)
    world.sweep()
    # Two jobs have it; the other may still begin.
    assert not world.services.training.job_failed(run, "job-1", "terminated")
    world.services.ledger.claim(run, "job-2")
    assert not world.services.training.job_failed(run, "job-1", "terminated")
    assert not world.services.training.job_failed("nobody's", "job-2", "terminated")
    assert world.services.ledger.run(run).state == "running"
    world.services.ledger.finish(run, "job-2", PROMOTED)
    done = world.services.ledger.run(run)
    assert not world.services.training.job_failed(run, "job-2", "too late")
    assert world.services.ledger.run(run) == done


def test_samples_that_came_meanwhile_are_asked_for_when_a_job_failed(world: World) -> None:
    run = world.services.training.request("doomed").run
    world.services.ledger.claim(run, "job-1")
    for n in range(3):
        world.hold(sample(f"{n}" * 64))
    world.told()
    assert world.services.training.job_failed(run, "job-1", "killed")
    assert world.told() == [world.services.ledger.seat()]


# --- the sweep itself --------------------------------------------------------------------


def test_what_fails_keeps_nothing_else_from_being_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ConnectionError("no way")

    world.services.training.request("lost")
    world.told()
    world.later(PATIENCE_S + 1)
    with monkeypatch.context() as patched:
        patched.setattr(world.services.catalog, "recounted", broken)
        patched.setattr(world.services.ledger, "runs", broken)
        report = world.sweep()
    assert report.repairs == {"run_published": 1}
    assert len(report.failed) == 2
    assert all("no way" in failure for failure in report.failed)
    assert world.services.sweeps.last() == report


def test_past_days_of_statistics_are_added_up_though_nobody_looks(world: World) -> None:
    statistics = world.services.statistics
    statistics._clock = lambda: world.clock() - 3 * DAY_S
    world.services.classify(clip("siren"))
    statistics._clock = world.clock
    world.sweep()
    folded = world.aws.dynamodb.get_item(
        TableName="earshot",
        Key={"pk": {"S": "DAYS"}, "sk": {"S": moment(world.clock() - 3 * DAY_S)[:10]}},
    )
    assert "Item" in folded
