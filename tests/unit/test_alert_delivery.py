"""What the template promises of alerts, told from its text alone."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from earshot.events import DetectionAlert, DriftDetected
from test_template import RESOURCES, TEMPLATE, statements

from ingest.delivery import TIMEOUT


def test_alerts_go_to_the_topic_and_with_an_address_to_the_webhook() -> None:
    topic, webhook = (RESOURCES[name] for name in ("AlertTopicRule", "AlertWebhookRule"))
    for rule in (topic, webhook):
        assert rule["Properties"]["EventPattern"] == {
            "source": ["earshot"],
            "detail-type": ["DetectionAlert"],
        }
        (target,) = rule["Properties"]["Targets"]
        assert target["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": ["AlertDeadLetters", "Arn"]}
    (told,) = topic["Properties"]["Targets"]
    used = set(re.findall(r"<(\w+)>", told["InputTransformer"]["InputTemplate"]))
    assert used == set(told["InputTransformer"]["InputPathsMap"])
    named = {field.name for field in fields(DetectionAlert)}
    assert {
        path.removeprefix("$.detail.")
        for path in told["InputTransformer"]["InputPathsMap"].values()
    } <= named
    assert "Condition" not in topic
    assert TEMPLATE["Conditions"]["WithWebhook"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "AlertWebhookUrl"}, ""]}]
    }
    conditional = {name for name, one in RESOURCES.items() if one.get("Condition") == "WithWebhook"}
    assert conditional == {
        "AlertWebhookRule", "AlertQueue", "AlertQueuePolicy", "WebhookFunction", "WebhookLogs",
        "WebhookRole",
    }  # fmt: skip


def test_drift_goes_to_the_topic_in_words() -> None:
    rule = RESOURCES["DriftTopicRule"]["Properties"]
    assert rule["EventPattern"] == {"source": ["earshot"], "detail-type": [DriftDetected.name]}
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Ref": "AlertTopic"}
    assert target["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": ["AlertDeadLetters", "Arn"]}
    paths = target["InputTransformer"]["InputPathsMap"]
    named = {field.name for field in fields(DriftDetected)}
    assert {path.removeprefix("$.detail.") for path in paths.values()} <= named
    assert set(re.findall(r"<(\w+)>", target["InputTransformer"]["InputTemplate"])) == set(paths)
    policy = RESOURCES["AlertTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    allowed = [one["Condition"]["ArnEquals"]["aws:SourceArn"] for one in policy]
    assert {"Fn::GetAtt": ["DriftTopicRule", "Arn"]} in allowed


def test_an_alert_is_tried_for_an_hour_and_then_somebody_is_told() -> None:
    queue, function = (RESOURCES[name]["Properties"] for name in ("AlertQueue", "WebhookFunction"))
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert queue["VisibilityTimeout"] * queue["RedrivePolicy"]["maxReceiveCount"] == 3600
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {
        "Fn::GetAtt": ["AlertDeadLetters", "Arn"]
    }
    source = function["Events"]["Queue"]["Properties"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert TIMEOUT.total < function["Timeout"]


def test_who_delivers_alerts_knows_nothing_else_of_the_books() -> None:
    own = [one for name, one in statements() if name == "WebhookRole"]
    (table,) = [one for one in own if one["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}]
    assert table["Action"] == "dynamodb:PutItem"
    assert table["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["FAILURES"]}
    }
    assert "ManagedPolicyArns" not in RESOURCES["WebhookRole"]["Properties"]


def test_the_secret_is_hidden_and_needed() -> None:
    assert TEMPLATE["Parameters"]["AlertWebhookSecret"]["NoEcho"] is True
    rule = TEMPLATE["Rules"]["WebhooksComeWithSecrets"]
    assert "AlertWebhookUrl" in str(rule["RuleCondition"])
    assert "AlertWebhookSecret" in str(rule["Assertions"])


@pytest.mark.parametrize(
    ("parameter", "value", "fits"),
    [
        ("AlertWebhookUrl", "", True),
        ("AlertWebhookUrl", "https://example.org/hook?x=1", True),
        ("AlertWebhookUrl", "http://127.0.0.1:9999/hook", True),
        ("AlertWebhookUrl", "http://example.org/hook", False),
        ("AlertWebhookUrl", "http://127.0.0.1.example.org/", False),
        ("AlertWebhookUrl", "https:///hook", False),
        ("AlertWebhookSecret", "", True),
        ("AlertWebhookSecret", "whsec_" + "A" * 43 + "=", True),
        ("AlertWebhookSecret", "A" * 44, False),
        ("AlertWebhookSecret", "whsec_short", False),
        ("AlertEmail", "mara@example.org", True),
        ("AlertEmail", "mara", False),
    ],
)
def test_what_alerts_may_be_sent_to(parameter: str, value: str, fits: bool) -> None:
    pattern = TEMPLATE["Parameters"][parameter]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, value)) == fits
