"""Least privilege and the care for what is kept, over every template; each rule can be broken."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

REPOSITORY = Path(__file__).parents[2]
FILES = [REPOSITORY / "template.yaml", *sorted((REPOSITORY / "infra").glob("*.yaml"))]
TEMPLATES: dict[str, dict[str, Any]] = {
    file.name: content
    for file in FILES
    if "Resources" in (content := yaml_parse(file.read_text()) or {})
}

# AWS knows no narrower resource for these.
ONLY_EVERYWHERE = {
    "ecr:GetAuthorizationToken": "logs in to a registry, whichever",
    "xray:PutTraceSegments": "traces have no names before they are there",
    "xray:PutTelemetryRecords": "as the traces",
}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: one.get("Properties", {})
        for name, one in template["Resources"].items()
        if one["Type"] == kind
    }


def documents(node: Any) -> Iterator[list[dict[str, Any]]]:
    """The statements of every policy document below a node, wherever it stands."""
    if isinstance(node, list):
        for value in node:
            yield from documents(value)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name in ("PolicyDocument", "AssumeRolePolicyDocument"):
                yield as_list(value["Statement"])
            else:
                yield from documents(value)


def too_wide(template: dict[str, Any]) -> list[str]:
    """What the policies of a template allow that they should not."""
    found = []
    for name, resource in template["Resources"].items():
        for statements in documents(resource):
            for one in statements:
                if one["Effect"] == "Allow":
                    found += [f"{name}: {why}" for why in _too_wide(one)]
    return found


def _too_wide(statement: dict[str, Any]) -> Iterator[str]:
    if "NotAction" in statement or "NotResource" in statement or "NotPrincipal" in statement:
        yield "allows all but something"
    actions = as_list(statement.get("Action", []))
    for action in actions:
        if "*" in action or "?" in action:
            yield f"allows {action}"
    for resource in as_list(statement.get("Resource", [])):
        if resource == "*":
            if not set(actions) <= ONLY_EVERYWHERE.keys():
                yield f"allows {actions} on everything"
        elif not _is_narrow(resource):
            yield f"allows {actions} on {json.dumps(resource)}"
    yield from _too_many_callers(statement)


def _is_narrow(resource: Any) -> bool:
    """Whether it is one thing, or what lies below a folder of one."""
    if not isinstance(resource, str):
        if "Fn::Sub" in resource:
            text = resource["Fn::Sub"]
            return _is_narrow(text if isinstance(text, str) else text[0])
        return resource.keys() <= {"Ref", "Fn::GetAtt", "Fn::If"}
    before, star, _ = resource.partition("*")
    if not star:
        return True
    # `${Bucket.Arn}/samples/*` is; `${Bucket.Arn}/*` and `arn:…:table/*` are not. What comes after
    # the star makes it narrower still.
    return before.endswith("/") and "/" in before[:-1].rpartition("}")[2]


def _too_many_callers(statement: dict[str, Any]) -> Iterator[str]:
    principal = statement.get("Principal")
    if principal is None:
        return
    if principal == "*" or "AWS" in principal:
        yield f"lets {principal} in"
    # Whoever else has rules, topics or APIs could otherwise make the service do it for them.
    if statement["Action"] != "sts:AssumeRole" and "aws:SourceArn" not in json.dumps(
        statement.get("Condition", {})
    ):
        yield "lets a service in, whoever asks it to"


def neglected(template: dict[str, Any]) -> list[str]:
    """What of the things that keep something is not encrypted, versioned, closed or kept."""
    found = []
    policies = list(of_type(template, "AWS::S3::BucketPolicy").values())
    for name, bucket in of_type(template, "AWS::S3::Bucket").items():
        rules = bucket.get("LifecycleConfiguration", {}).get("Rules", [])
        closed = bucket.get("PublicAccessBlockConfiguration", {})
        checks = {
            "is not encrypted": "BucketEncryption" in bucket,
            "has no versions": bucket.get("VersioningConfiguration") == {"Status": "Enabled"},
            "keeps abandoned uploads": any("AbortIncompleteMultipartUpload" in r for r in rules),
            "has rules that do nothing": all(r["Status"] == "Enabled" for r in rules),
            "can be made public": len(closed) == 4 and all(v is True for v in closed.values()),
            "has lists of who may": bucket.get("OwnershipControls")
            == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "takes what is not encrypted on its way": any(
                _wants_tls(policy, name) for policy in policies
            ),
        }
        found += [f"{name} {what}" for what, is_so in checks.items() if not is_so]
    for name, queue in of_type(template, "AWS::SQS::Queue").items():
        if queue.get("SqsManagedSseEnabled") is not True and "KmsMasterKeyId" not in queue:
            found.append(f"{name} is not encrypted")
        if queue.get("MessageRetentionPeriod") != 14 * 86_400:
            found.append(f"{name} forgets before two weeks are over")
    for name, table in of_type(template, "AWS::DynamoDB::Table").items():
        if table.get("SSESpecification") != {"SSEEnabled": True}:
            found.append(f"{name} is not encrypted")
        if table.get("PointInTimeRecoverySpecification") != {"PointInTimeRecoveryEnabled": True}:
            found.append(f"{name} has no backup")
    for name, logs in of_type(template, "AWS::Logs::LogGroup").items():
        if "RetentionInDays" not in logs:
            found.append(f"{name} is kept for ever")
    for name, resource in template["Resources"].items():
        if resource["Type"] in ("AWS::S3::Bucket", "AWS::DynamoDB::Table") and (
            resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy"),
        ) != ("Retain", "Retain"):  # fmt: skip
            found.append(f"{name} is deleted with the stack")
    return found


def _wants_tls(policy: dict[str, Any], bucket: str) -> bool:
    return policy["Bucket"] == {"Ref": bucket} and any(
        one["Effect"] == "Deny"
        and one["Principal"] == "*"
        and one["Action"] == "s3:*"
        and one["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        and one["Resource"]
        == [{"Fn::GetAtt": [bucket, "Arn"]}, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}]
        for one in policy["PolicyDocument"]["Statement"]
    )


@pytest.mark.parametrize("name", TEMPLATES)
def test_nobody_may_more_than_needed(name: str) -> None:
    assert too_wide(TEMPLATES[name]) == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_is_kept_is_kept_well(name: str) -> None:
    assert neglected(TEMPLATES[name]) == []


def test_all_templates_are_looked_at() -> None:
    assert {"template.yaml", "batch.yaml"} <= TEMPLATES.keys()
    counted = sum(len(statements) for one in TEMPLATES.values() for statements in documents(one))
    assert counted >= 40


def test_functions_take_no_policies_that_the_transform_would_write() -> None:
    for function in of_type(TEMPLATES["template.yaml"], "AWS::Serverless::Function").values():
        assert "Role" in function
        assert "Policies" not in function


@pytest.mark.parametrize(
    "change",
    [
        {"Action": "s3:*"},
        {"Action": ["sqs:ReceiveMessage", "dynamodb:Get*"]},
        {"Resource": "*"},
        {"Resource": ["*"], "Action": ["ecr:GetAuthorizationToken", "s3:GetObject"]},
        {"Resource": {"Fn::Sub": "${ArtifactsBucket.Arn}/*"}},
        {"Resource": {"Fn::Sub": "arn:${AWS::Partition}:s3:::*"}},
        {"Resource": "arn:aws:dynamodb:us-east-1:1:table/*/index"},
        {"Principal": "*"},
        {"Principal": {"AWS": "arn:aws:iam::1:root"}, "Condition": {"a": {"aws:SourceArn": "b"}}},
        {"Principal": {"Service": "events.amazonaws.com"}},
        {"NotAction": "iam:PassRole"},
    ],
)
def test_a_policy_that_is_too_wide_is_found(change: dict[str, Any]) -> None:
    template = copy.deepcopy(TEMPLATES["template.yaml"])
    policy = template["Resources"]["IngestRole"]["Properties"]["Policies"][0]
    policy["PolicyDocument"]["Statement"][0] |= change
    (why,) = {one.partition(":")[0] for one in too_wide(template)}
    assert why == "IngestRole"


@pytest.mark.parametrize(
    ("resource", "without"),
    [
        *(
            ("ArtifactsBucket", name)
            for name in (
                "BucketEncryption", "VersioningConfiguration", "LifecycleConfiguration",
                "PublicAccessBlockConfiguration", "OwnershipControls",
            )
        ),
        ("IngestQueue", "SqsManagedSseEnabled"),
        ("IngestDeadLetters", "MessageRetentionPeriod"),
        ("Table", "SSESpecification"),
        ("Table", "PointInTimeRecoverySpecification"),
        ("PredictLogs", "RetentionInDays"),
    ],
)  # fmt: skip
def test_what_is_neglected_is_found(resource: str, without: str) -> None:
    template = copy.deepcopy(TEMPLATES["template.yaml"])
    del template["Resources"][resource]["Properties"][without]
    assert neglected(template)
    assert all(one.startswith(resource) for one in neglected(template))


@pytest.mark.parametrize("bucket", ["RecordingsBucket", "ArtifactsBucket"])
def test_a_bucket_without_its_policy_is_found(bucket: str) -> None:
    template = copy.deepcopy(TEMPLATES["template.yaml"])
    del template["Resources"][f"{bucket}Policy"]
    assert neglected(template) == [f"{bucket} takes what is not encrypted on its way"]
