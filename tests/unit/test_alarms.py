"""What somebody is told of, by the templates' alarms."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import DEFAULT_BUNDLE
from earshot.errors import BadDataset
from samtranslator.yaml_helper import yaml_parse

import ingest.telemetry
import predict.telemetry
from ingest.sweeper import COUNTED
from retrain import job

if TYPE_CHECKING:
    from earshot.services import Services

REPOSITORY = Path(__file__).parents[2]
TEMPLATE = yaml_parse((REPOSITORY / "template.yaml").read_text())
BATCH = yaml_parse((REPOSITORY / "infra" / "batch.yaml").read_text())
ALARMS: dict[str, Any] = {
    name: resource
    for name, resource in TEMPLATE["Resources"].items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}
OURS = {"Fn::Sub": "Earshot/${AWS::StackName}"}


def watched(alarm: str) -> list[tuple[Any, str, Any]]:
    """Namespace, metric and dimensions of all that an alarm looks at."""
    properties = ALARMS[alarm]["Properties"]
    single = [properties] if "MetricName" in properties else []
    several = [
        one["MetricStat"]["Metric"] for one in properties.get("Metrics", []) if "MetricStat" in one
    ]
    return [
        (
            one["Namespace"],
            one["MetricName"],
            {each["Name"]: each["Value"] for each in one.get("Dimensions", [])},
        )
        for one in (*single, *several)
    ]  # fmt: skip


def test_whatever_needs_somebody_has_an_alarm() -> None:
    def queue(name: str) -> dict[str, Any]:
        return {"QueueName": {"Fn::GetAtt": [name, "QueueName"]}}

    found = {alarm: watched(alarm) for alarm in ALARMS}
    assert found == {
        "DeadLettersAlarm": [
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue("IngestDeadLetters"))
        ],
        "QueueAgeAlarm": [("AWS/SQS", "ApproximateAgeOfOldestMessage", queue("IngestQueue"))],
        "IngestErrorsAlarm": [
            ("AWS/Lambda", "Errors", {"FunctionName": {"Ref": "IngestFunction"}})
        ],
        "SweepErrorsAlarm": [("AWS/Lambda", "Errors", {"FunctionName": {"Ref": "SweepFunction"}})],
        "ApiErrorsAlarm": [("AWS/ApiGateway", "5xx", {"ApiId": {"Ref": "HttpApi"}})],
        "RefusedBundlesAlarm": [(OURS, "RefusedBundles", {"service": "predict"})],
        "TrainingFailedAlarm": [
            (OURS, "RunsFailed", {}),
            (OURS, "RunsEnded", {"service": "sweep"}),
        ],
    }


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_says_what_to_do_and_is_sent_to_whoever_wants_it(alarm: str) -> None:
    properties = ALARMS[alarm]["Properties"]
    assert len(properties["AlarmDescription"]) > 40
    assert (properties["Threshold"], properties["ComparisonOperator"]) in [
        (0, "GreaterThanThreshold"),
        (3600, "GreaterThanThreshold"),
    ]
    # Quiet is good news, or none; never an alarm.
    assert properties["TreatMissingData"] in ("notBreaching", "ignore")
    assert properties["AlarmActions"] == {
        "Fn::If": ["WithAlarmEmail", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]
    }


def test_nobody_is_told_by_default() -> None:
    parameter = TEMPLATE["Parameters"]["AlarmEmail"]
    assert parameter["Default"] == ""
    assert re.fullmatch(parameter["AllowedPattern"], "")
    assert re.fullmatch(parameter["AllowedPattern"], "mara@example.org")
    assert not re.fullmatch(parameter["AllowedPattern"], "mara at example.org")
    topic = TEMPLATE["Resources"]["AlarmTopic"]
    assert topic["Condition"] == "WithAlarmEmail"
    assert topic["Properties"]["Subscription"] == [
        {"Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}}
    ]


def test_the_functions_tell_what_the_alarms_listen_for() -> None:
    assert "``RefusedBundles``" in (predict.telemetry.__doc__ or "")
    assert "``RunsEnded``" in (ingest.telemetry.__doc__ or "")
    assert "RunsEnded" in COUNTED.values()
    functions = TEMPLATE["Resources"]
    for function, service in (("PredictFunction", "predict"), ("SweepFunction", "sweep")):
        variables = functions[function]["Properties"]["Environment"]["Variables"]
        assert variables["POWERTOOLS_SERVICE_NAME"] == service
    shared = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    assert shared["POWERTOOLS_METRICS_NAMESPACE"] == OURS


def test_a_poisonous_message_alone_is_no_backlog() -> None:
    """SQS leaves what was received three times out of the oldest message's age."""
    wait_s = TEMPLATE["Resources"]["IngestQueue"]["Properties"]["VisibilityTimeout"]
    assert ALARMS["QueueAgeAlarm"]["Properties"]["Threshold"] > 3 * wait_s


@pytest.mark.parametrize("error", [BadDataset("too little"), ZeroDivisionError("unexpected")])
def test_a_run_that_fails_says_so_in_the_line_that_is_counted(
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    """The job's log is all that CloudWatch has of it; a filter counts this line."""
    counted = BATCH["Resources"]["FailedRuns"]["Properties"]
    (metric,) = counted["MetricTransformations"]
    assert (metric["MetricName"], metric["MetricNamespace"]) == (
        "RunsFailed",
        {"Ref": "MetricsNamespace"},
    )
    nested = TEMPLATE["Resources"]["Retrain"]["Properties"]["Parameters"]
    assert nested["MetricsNamespace"] == OURS

    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(job, "_work", fails)
    run = services.training.request("a test")
    caplog.handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    try:
        job.work(services, DEFAULT_BUNDLE, run.run, "worker")
    except ZeroDivisionError:
        assert error.args == ("unexpected",)
    assert services.ledger.run(run.run).state == "failed"
    # Each of a pattern's quoted terms has to be in the line.
    terms = re.findall(r'"([^"]+)"', counted["FilterPattern"])
    assert terms
    lines = [line for line in caplog.text.split("\n") if all(term in line for term in terms)]
    assert len(lines) == 1
    assert str(error) in lines[0]
