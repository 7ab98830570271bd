"""The function that the clock and Batch call for a sweep."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Aws
from sweeping import World

if TYPE_CHECKING:
    from earshot.services import Services


@pytest.fixture
def world(services: Services, aws: Aws) -> World:
    return World(services, aws)


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
