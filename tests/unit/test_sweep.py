"""Each thing that a crash or a lost event leaves behind is found by a sweep, once."""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Aws, clip, encode, sound, with_threshold
from earshot.errors import NoModel, RetrainInProgress
from earshot.ledger import SILENCE_S, Ledger
from earshot.recording import Import, Sample, moment
from earshot.runs import PROMOTED
from earshot.services.sweep import (
    ATTEMPTS,
    LEFTOVER_S,
    PATIENCE_S,
    PUBLICATIONS,
    RECOUNT_S,
    STUCK_S,
    UNPUBLISHED_S,
)
from earshot.sweeps import SweepReport
from test_catalog import sample

if TYPE_CHECKING:
    from earshot.services import Services

DAY_S = 86_400


class Crash(BaseException):
    """The process ends here: nothing catches it."""


class World:
    """A deployment whose clock is moved by hand."""

    def __init__(self, services: Services, aws: Aws) -> None:
        self.ahead_s = 0.0
        ledger = Ledger(aws.dynamodb, "earshot", clock=self.clock)
        training = replace(services.training, ledger=ledger, threshold=3)
        samples = replace(services.samples, training=training)
        self.services = replace(services, ledger=ledger, training=training, samples=samples)
        self.aws = aws

    def clock(self) -> float:
        return time.time() + self.ahead_s

    def later(self, seconds: float) -> None:
        self.ahead_s += seconds

    def sweep(self) -> SweepReport:
        return replace(self.services.sweep, clock=self.clock).run()

    def hold(self, one: Sample) -> None:
        """Catalogue a sample, as an object of its own brings it."""
        key = f"samples/{one.label}/{one.sha256}.wav"
        self.services.samples.holdings.hold(replace(one, key=key), "1")

    def told(self) -> list[str]:
        """The runs that workers were told of since the last look."""
        return [event["detail"]["run"] for event in self.aws.published()]

    def item(self, pk: str, sk: str, change: str, **values: Any) -> None:
        """Change an item of the table by hand."""
        self.aws.dynamodb.update_item(
            TableName="earshot",
            Key={"pk": {"S": pk}, "sk": {"S": sk}},
            UpdateExpression=change,
            **({"ExpressionAttributeValues": values} if values else {}),
        )


@pytest.fixture
def world(services: Services, aws: Aws) -> World:
    return World(services, aws)


def changes_nothing_more(world: World) -> None:
    """A second sweep, at the same time, finds nothing to do."""
    report = world.sweep()
    assert (report.done, report.failed, world.told()) == ((), (), [])


@contextmanager
def crash_in(
    monkeypatch: pytest.MonkeyPatch, holder: Any, method: str, *, after: bool = False
) -> Iterator[None]:
    """Let the process die in a method, before or after it did its work."""
    does = getattr(holder, method)

    def dies(*args: Any, **kwargs: Any) -> None:
        if after:
            does(*args, **kwargs)
        raise Crash

    with monkeypatch.context() as patched, suppress(Crash):
        # The values are frozen; a test may all the same.
        patched.setitem(holder.__dict__, method, dies)
        yield
        pytest.fail("nothing came to the place where it was to die")


# --- runs ----------------------------------------------------------------------------------


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


# --- Batch's word --------------------------------------------------------------------------


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


# --- counts --------------------------------------------------------------------------------


def test_counts_that_drifted_are_put_right(world: World) -> None:
    catalog = world.services.catalog
    for identity in ("a1", "a2", "b1"):
        world.hold(sample(identity.ljust(64, "0")))
    for label in ("siren", "owl"):
        world.aws.dynamodb.update_item(
            TableName="earshot",
            Key={"pk": {"S": "COUNTS#a"}, "sk": {"S": "COUNTS"}},
            UpdateExpression="ADD #label :n",
            ExpressionAttributeNames={"#label": f"n#{label}"},
            ExpressionAttributeValues={":n": {"N": "5"}},
        )
    world.aws.dynamodb.delete_item(
        TableName="earshot", Key={"pk": {"S": "COUNTS#b"}, "sk": {"S": "COUNTS"}}
    )
    world.services = with_threshold(world.services, 1000)
    report = world.sweep()
    assert report.repairs == {"count_corrected": 3}
    assert {label: n for label, n in catalog.standing().labels.items() if n} == {"siren": 3}
    changes_nothing_more(world)


def test_each_shard_is_counted_anew_once_a_day(world: World) -> None:
    catalog = world.services.catalog
    world.sweep()
    world.hold(sample())
    world.aws.dynamodb.delete_item(
        TableName="earshot", Key={"pk": {"S": "SAMPLES#a"}, "sk": {"S": "a" * 64}}
    )
    changes_nothing_more(world)
    world.later(RECOUNT_S + 1)
    assert world.sweep().repairs == {"count_corrected": 1}
    assert catalog.standing().total == 0


def test_a_sweep_reads_a_bounded_number_of_samples_and_the_next_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earshot.services.sweep.SAMPLES_AT_ONCE", 2)
    world.services = with_threshold(world.services, 1000)
    catalog = world.services.catalog
    for shard in "0123456789abcdef":
        world.hold(sample(shard * 64))
        world.aws.dynamodb.delete_item(
            TableName="earshot", Key={"pk": {"S": f"COUNTS#{shard}"}, "sk": {"S": "COUNTS"}}
        )
    for swept in range(1, 9):
        assert world.sweep().repairs == {"count_corrected": 2}
        assert catalog.standing().total == 2 * swept
    changes_nothing_more(world)


def test_a_sample_that_comes_while_its_shard_is_counted_is_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = world.services.catalog
    world.hold(sample("a" + "9" * 63))
    query = catalog._table.query

    def read_while_one_comes(*args: Any, **kwargs: Any) -> Iterator[dict[str, Any]]:
        yield from query(*args, **kwargs)
        # Sorted before what was read, so that the reader misses it.
        world.hold(sample("a" + "0" * 63))

    with monkeypatch.context() as patched:
        patched.setattr(catalog._table, "query", read_while_one_comes)
        found = catalog.recount("a", "2026-11-21T10:00:00.000Z")
    assert found.changes == {}
    assert catalog.standing().labels == {"siren": 2}
    # And it is counted another time.
    assert catalog.recounted()["a"] == ""


# --- objects -------------------------------------------------------------------------------


def test_uploads_that_were_begun_and_left_are_aborted(world: World) -> None:
    s3 = world.aws.s3
    begun = {
        (bucket, key): s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        for bucket, key in (
            ("recordings", "samples/siren/a.wav"),
            ("recordings", "recordings/north/b.wav"),
            ("recordings", "imports/c.zip"),
            ("recordings", "elsewhere/d.wav"),
            ("artifacts", "models/v1/model.onnx"),
        )
    }
    # The emulator says of every upload that it was begun then.
    began = datetime(2010, 11, 10, 20, 48, 33, tzinfo=UTC).timestamp()
    world.later(began + LEFTOVER_S - 10 - world.clock())
    changes_nothing_more(world)
    world.later(DAY_S)
    report = world.sweep()
    assert report.repairs == {"upload_aborted": 4}
    left = [
        (bucket, upload["UploadId"])
        for bucket in ("recordings", "artifacts")
        for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    ]
    # What is not ours is not touched.
    assert left == [("recordings", begun["recordings", "elsewhere/d.wav"])]
    world.later(DAY_S)
    changes_nothing_more(world)


class Deaf:
    """A deployment without a model."""

    def detector(self) -> Any:
        raise NoModel("There is no model yet.")


def test_recordings_that_waited_for_a_model_are_analysed_once_there_is_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, n = world.services, 25
    tone = encode(sound("siren")[:8000])
    hears = services.serving.detector
    deaf = monkeypatch.context()
    with deaf as patched:
        patched.setattr(services.serving, "detector", Deaf().detector)
        for number in range(n):
            key = world.aws.drop(f"recordings/north/{number}.wav", tone)
            assert services.receive(key).state == "recorded"
        changes_nothing_more(world)
    assert services.serving.detector() is hears()
    found = []
    while report := world.sweep():
        if not report.repaired:
            break
        found.append(report.repairs["object_received"])
    # A bounded number each time, and all of them in the end.
    assert sum(found) == n
    assert max(found) <= 20
    records, _ = services.analysis.recordings(None, 100)
    assert {record.state for record in records} == {"analysed"}
    changes_nothing_more(world)


def test_a_recording_whose_analysis_died_for_good_is_analysed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = world.services
    key = world.aws.drop("recordings/north/a.wav", clip("siren"))
    with crash_in(monkeypatch, services.analysis, "_analyse"):
        services.receive(key)
    # The queue goes on by itself for some time.
    changes_nothing_more(world)
    world.later(STUCK_S + 1)
    assert world.sweep().repairs == {"object_received": 1}
    assert services.analysis.recordings(None, 1)[0][0].state == "analysed"
    changes_nothing_more(world)


def test_one_that_cannot_be_taken_in_holds_up_no_other_and_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = world.services
    keys = [world.aws.drop(f"recordings/north/{n}.wav", clip("siren", n)) for n in range(3)]
    with monkeypatch.context() as patched:
        patched.setattr(services.serving, "detector", Deaf().detector)
        for key in keys:
            services.receive(key)
    receive = services.receive

    def poisoned(key: str) -> Any:
        if key == keys[1]:
            raise MemoryError("too much")
        return receive(key)

    report = replace(services.sweep, receive=poisoned).run()
    assert report.repairs == {"object_received": 2}
    assert len(report.failed) == 1
    assert keys[1] in report.failed[0]


def test_an_archive_that_was_left_half_unpacked_is_unpacked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import zipfile

    services = world.services
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("siren/a.wav", clip("siren"))
    key = world.aws.drop("imports/a.zip", packed.getvalue())
    with crash_in(monkeypatch, services.store, "write"):
        services.receive(key)
    changes_nothing_more(world)
    world.later(STUCK_S + 1)
    assert world.sweep().repairs == {"object_received": 1}
    assert [record.state for record in services.arrivals.imports()] == ["unpacked"]
    changes_nothing_more(world)


def test_an_archive_that_is_gone_is_given_up_after_a_week(world: World) -> None:
    asked: list[str] = []
    record = Import("imports/a.zip", "1", "unpacking", 1, 1, (), 0, moment(world.clock()))
    world.services.arrivals.note_import(record)
    sweep = replace(world.services.sweep, clock=world.clock, receive=asked.append)  # type: ignore[arg-type]
    world.later(8 * DAY_S)
    assert sweep.run().failed == ()
    assert asked == []


# --- the sweep itself ----------------------------------------------------------------------


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


# --- the function --------------------------------------------------------------------------


@pytest.fixture
def handler(aws: Aws, own_logging: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "sweep")
    for module in [one for one in sys.modules if one.startswith("ingest")]:
        monkeypatch.delitem(sys.modules, module)
    yield importlib.import_module("ingest.sweep").handler
    for module in [one for one in sys.modules if one.startswith("ingest")]:
        del sys.modules[module]


CONTEXT = SimpleNamespace(
    function_name="sweep",
    memory_limit_in_mb=1769,
    invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:sweep",
    aws_request_id="8a1c5c3e-0000-4000-8000-000000000001",
)
TICK = {"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}


def job_failed(run: str, job: str) -> dict[str, Any]:
    """Batch's event, of which what we do not look at is left out."""
    return {
        "version": "0",
        "id": "c8f9c4b5-76e5-d76a-f980-7011e206042b",
        "detail-type": "Batch Job State Change",
        "source": "aws.batch",
        "account": "123456789012",
        "time": "2026-11-21T10:20:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:batch:us-east-1:123456789012:job/{job}"],
        "detail": {
            "jobName": "retrain",
            "jobId": job,
            "jobQueue": "arn:aws:batch:us-east-1:123456789012:job-queue/JobQueue-1",
            "status": "FAILED",
            "attempts": [{}, {}],
            "statusReason": "Essential container in task exited",
            "parameters": {"run": run},
            "container": {
                "exitCode": 137,
                "reason": "OutOfMemoryError: Container killed due to memory usage",
            },
        },
    }


def metrics(captured: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in captured.splitlines()]
    return [line for line in lines if "_aws" in line]


def test_the_clock_calls_for_a_sweep_which_is_counted(
    handler: Any, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.item("TRAINING", "TRAINING", "SET active_run = :run", **{":run": {"S": "nobody's"}})
    handler(TICK, CONTEXT)
    (line,) = metrics(capsys.readouterr().out)
    assert (line["service"], line["SeatsFreed"], line["Repaired"]) == ("sweep", [1.0], [1.0])
    handler(TICK, CONTEXT)
    assert metrics(capsys.readouterr().out) == []
    last = world.services.sweeps.last()
    assert last is not None
    assert last.done == ()


def test_a_sweep_that_could_not_do_all_is_an_error_of_the_function(
    handler: Any, world: World
) -> None:
    world.aws.s3.delete_bucket(Bucket="artifacts")
    with pytest.raises(RuntimeError, match="could not abort uploads"):
        handler(TICK, CONTEXT)


def test_a_failed_job_ends_its_run_with_batch_s_words(
    handler: Any, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    run = world.services.training.request("too large").run
    world.services.ledger.claim(run, "job-1")
    for _ in range(2):
        handler(job_failed(run, "job-1"), CONTEXT)
    ended = world.services.ledger.run(run)
    assert ended.state == "failed"
    assert str(ended.error) == (
        "Its job failed: Essential container in task exited; OutOfMemoryError: Container killed "
        "due to memory usage; exit code 137"
    )
    (line,) = metrics(capsys.readouterr().out)
    assert line["RunsEnded"] == [1.0]


@pytest.mark.parametrize(
    "detail", [None, {}, {"status": "SUCCEEDED"}, {"status": "FAILED", "jobId": "1"}]
)
def test_an_event_that_is_no_failed_job_of_ours_is_an_error(handler: Any, detail: Any) -> None:
    with pytest.raises(ValueError, match="job"):
        handler({"detail-type": "Batch Job State Change", "detail": detail}, CONTEXT)
