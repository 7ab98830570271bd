"""What somebody is told of, by the templates' alarms."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import DEFAULT_BUNDLE
from earshot.cli.bills import ALARMED_METRICS
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
MONITORING = yaml_parse((REPOSITORY / "infra" / "monitoring.yaml").read_text())
ALARMS: dict[str, Any] = {
    name: resource
    for name, resource in MONITORING["Resources"].items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}
# What its parameters are told by the stack that it is nested in.
GIVEN: dict[str, Any] = TEMPLATE["Resources"]["Monitoring"]["Properties"]["Parameters"]
OURS = {"Fn::Sub": "Earshot/${AWS::StackName}"}


def given(value: Any) -> Any:
    """What a value of the nested template is in the end."""
    return GIVEN[value["Ref"]] if isinstance(value, dict) and "Ref" in value else value


def watched(alarm: str) -> list[tuple[Any, str, Any]]:
    """Namespace, metric and dimensions of all that an alarm looks at."""
    properties = ALARMS[alarm]["Properties"]
    single = [properties] if "MetricName" in properties else []
    several = [
        one["MetricStat"]["Metric"] for one in properties.get("Metrics", []) if "MetricStat" in one
    ]
    return [
        (
            given(one["Namespace"]),
            one["MetricName"],
            {each["Name"]: given(each["Value"]) for each in one.get("Dimensions", [])},
        )
        for one in (*single, *several)
    ]  # fmt: skip


def test_whatever_needs_somebody_has_an_alarm() -> None:
    def queue(name: str) -> dict[str, Any]:
        return {"QueueName": {"Fn::GetAtt": [name, "QueueName"]}}

    def if_there(condition: str, name: str | list[str]) -> dict[str, Any]:
        there = {"Ref": name} if isinstance(name, str) else {"Fn::GetAtt": name}
        return {"Fn::If": [condition, there, "none"]}

    found = {alarm: watched(alarm) for alarm in ALARMS}
    assert found == {
        "DeadLettersAlarm": [
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue("IngestDeadLetters"))
        ],
        "AlertDeadLettersAlarm": [
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue("AlertDeadLetters"))
        ],
        "RetrainDeadLettersAlarm": [
            (
                "AWS/SQS",
                "ApproximateNumberOfMessagesVisible",
                {"QueueName": if_there("WithTraining", ["Retrain", "Outputs.DeadLettersName"])},
            )
        ],
        "QueueAgeAlarm": [("AWS/SQS", "ApproximateAgeOfOldestMessage", queue("IngestQueue"))],
        "IngestErrorsAlarm": [
            ("AWS/Lambda", "Errors", {"FunctionName": {"Ref": "IngestFunction"}})
        ],
        "WebhookErrorsAlarm": [
            ("AWS/Lambda", "Errors", {"FunctionName": if_there("WithWebhook", "WebhookFunction")})
        ],
        "SweepErrorsAlarm": [("AWS/Lambda", "Errors", {"FunctionName": {"Ref": "SweepFunction"}})],
        "ApiErrorsAlarm": [("AWS/ApiGateway", "5xx", {"ApiId": if_there("WithApi", "HttpApi")})],
        "SlowPredictionsAlarm": [(OURS, "Latency", {"service": "predict"})],
        "ThrottlesAlarm": [
            ("AWS/Lambda", "Throttles", {"FunctionName": {"Ref": f"{name}Function"}})
            for name in ("Predict", "Ingest", "Sweep")
        ],
        "TableThrottlesAlarm": [
            ("AWS/DynamoDB", "WriteThrottleEvents", {"TableName": {"Ref": "Table"}})
        ],
        "DriftAlarm": [(OURS, "DriftTold", {"service": "sweep"})],
        "RolledBackAlarm": [(OURS, "ModelsRolledBack", {"service": "sweep"})],
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
    assert properties["ComparisonOperator"] == "GreaterThanThreshold"
    assert properties["Threshold"] in (0, 100, 3600, {"Ref": "SlowMs"})
    # Quiet is good news, or none; never an alarm.
    assert properties["TreatMissingData"] in ("notBreaching", "ignore")
    assert properties["AlarmActions"] == {
        "Fn::If": ["WithAlarmEmail", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]
    }


@pytest.mark.parametrize("alarm", ["ThrottlesAlarm", "TrainingFailedAlarm"])
def test_an_alarm_of_several_metrics_does_not_wait_for_those_that_are_quiet(alarm: str) -> None:
    """CloudWatch adds up only what every metric has a value of."""
    total, *parts = ALARMS[alarm]["Properties"]["Metrics"]
    assert total["Expression"].split(" + ") == [f"FILL({part['Id']}, 0)" for part in parts]


def test_every_queue_of_dead_letters_is_watched() -> None:
    """A nested stack's is, by the name that it puts out."""
    assert BATCH["Outputs"]["DeadLettersName"]["Value"] == {
        "Fn::GetAtt": ["DeadLetters", "QueueName"]
    }
    ours = [
        name
        for name, resource in TEMPLATE["Resources"].items()
        if resource["Type"] == "AWS::SQS::Queue" and "DeadLetters" in name
    ]
    looked_at = str([watched(alarm) for alarm in ALARMS])
    assert len(ours) == 2
    assert all(name in looked_at for name in ours)


def test_nobody_is_told_by_default() -> None:
    parameter = TEMPLATE["Parameters"]["AlarmEmail"]
    assert parameter["Default"] == ""
    assert re.fullmatch(parameter["AllowedPattern"], "")
    assert re.fullmatch(parameter["AllowedPattern"], "mara@example.org")
    assert not re.fullmatch(parameter["AllowedPattern"], "mara at example.org")
    assert MONITORING["Conditions"]["WithAlarmEmail"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmEmail"}, ""]}]
    }
    topic = MONITORING["Resources"]["AlarmTopic"]
    assert topic["Condition"] == "WithAlarmEmail"
    assert topic["Properties"]["Subscription"] == [
        {"Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}}
    ]
    assert GIVEN["AlarmEmail"] == {"Ref": "AlarmEmail"}


def test_alarms_of_what_is_not_there_are_not_there() -> None:
    conditions = {name: alarm.get("Condition") for name, alarm in ALARMS.items()}
    there = {name: condition for name, condition in conditions.items() if condition}
    assert there == {
        "RetrainDeadLettersAlarm": "WithTraining",
        "TrainingFailedAlarm": "WithTraining",
        "WebhookErrorsAlarm": "WithWebhook",
        "ApiErrorsAlarm": "WithApi",
    }
    for condition, parameter in (
        ("WithTraining", "RetrainDeadLetters"),
        ("WithWebhook", "WebhookFunction"),
        ("WithApi", "ApiId"),
    ):
        assert MONITORING["Parameters"][parameter]["Default"] == "none"
        assert MONITORING["Conditions"][condition] == {
            "Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, "none"]}]
        }
        assert GIVEN[parameter]["Fn::If"][0] == condition
    assert GIVEN.keys() == MONITORING["Parameters"].keys()


def test_monitoring_can_be_left_out_since_it_is_paid_for() -> None:
    parameter = TEMPLATE["Parameters"]["WithMonitoring"]
    assert parameter["Default"] == "true"
    assert TEMPLATE["Resources"]["Monitoring"]["Condition"] == "WithMonitoring"
    metrics = sum(len(watched(alarm)) for alarm in ALARMS)
    assert metrics == ALARMED_METRICS


# --- the dashboard -------------------------------------------------------------------------------

WIDGETS = json.loads(
    MONITORING["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
)["widgets"]


def test_the_dashboard_shows_only_what_is_told() -> None:
    told = f"{predict.telemetry.__doc__}{ingest.telemetry.__doc__}" + " ".join(
        f"``{one['MetricName']}``"
        for one in BATCH["Resources"]["FailedRuns"]["Properties"]["MetricTransformations"]
    )
    own = [
        metric
        for widget in WIDGETS
        for metric in widget["properties"].get("metrics", [])
        if metric[0] == "${MetricsNamespace}"
    ]
    assert len(own) >= 25
    assert [metric[1] for metric in own if f"``{metric[1]}``" not in told] == []
    services = {metric[3] for metric in own if len(metric) > 3 and metric[2] == "service"}
    assert services <= {
        one["Properties"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        for one in TEMPLATE["Resources"].values()
        if one["Type"] == "AWS::Serverless::Function"
    }


def test_the_dashboard_names_what_it_is_given() -> None:
    text = MONITORING["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    named = set(re.findall(r"\$\{([\w:]+)\}", text))
    assert named - {"AWS::Region"} <= MONITORING["Parameters"].keys()
    # Alarms need the mail and the limit besides; all else is on the dashboard.
    assert MONITORING["Parameters"].keys() - named == {"AlarmEmail", "SlowMs"}


def test_the_dashboards_widgets_lie_side_by_side() -> None:
    taken = [
        (x, y)
        for one in WIDGETS
        for x in range(one["x"], one["x"] + one["width"])
        for y in range(one["y"], one["y"] + one["height"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) == 23
    assert len(taken) == 24 * (max(y for _, y in taken) + 1)


def test_the_functions_tell_what_the_alarms_listen_for() -> None:
    assert "``RefusedBundles``" in (predict.telemetry.__doc__ or "")
    assert "``RunsEnded``" in (ingest.telemetry.__doc__ or "")
    assert "RunsEnded" in COUNTED.values()
    assert "``ModelsRolledBack``" in (ingest.telemetry.__doc__ or "")
    assert COUNTED["rolled_back"] == "ModelsRolledBack"
    assert "``DriftTold``" in (ingest.telemetry.__doc__ or "")
    assert COUNTED["drift_told"] == "DriftTold"
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
