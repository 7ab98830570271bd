"""What the templates promise, told from their text alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

REPOSITORY = Path(__file__).parents[2]
TEMPLATE = yaml_parse((REPOSITORY / "template.yaml").read_text())
BATCH = yaml_parse((REPOSITORY / "infra" / "batch.yaml").read_text())
RESOURCES: dict[str, Any] = TEMPLATE["Resources"] | BATCH["Resources"]

# AWS knows no narrower resource for these.
ONLY_EVERYWHERE = {"ecr:GetAuthorizationToken"}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements() -> list[tuple[str, dict[str, Any]]]:
    """Every statement that allows something, with the name of its resource."""
    documents = []
    for name, resource in RESOURCES.items():
        properties = resource.get("Properties", {})
        if "PolicyDocument" in properties:
            documents.append((name, properties["PolicyDocument"]))
        documents += [(name, one["PolicyDocument"]) for one in properties.get("Policies", [])]
    return [
        (name, statement)
        for name, document in documents
        for statement in document["Statement"]
        if statement["Effect"] == "Allow"
    ]


def batch_environment() -> dict[str, Any]:
    container = RESOURCES["RetrainJob"]["Properties"]["ContainerProperties"]
    return {entry["Name"]: entry["Value"] for entry in container["Environment"]}


@pytest.mark.parametrize(("name", "statement"), statements())
def test_policies_name_single_actions_and_resources(name: str, statement: dict[str, Any]) -> None:
    actions = set(as_list(statement["Action"]))
    assert not [action for action in actions if "*" in action]
    if "*" in as_list(statement["Resource"]):
        assert actions <= ONLY_EVERYWHERE


def test_there_are_policies_to_look_at() -> None:
    assert len(statements()) >= 15


def test_no_role_takes_a_policy_of_somebody_else() -> None:
    roles = [one["Properties"] for one in RESOURCES.values() if one["Type"] == "AWS::IAM::Role"]
    taken = [policy for role in roles for policy in role.get("ManagedPolicyArns", [])]
    assert taken == [{"Ref": "LoopPolicy"}] * len(taken)


def test_functions_bring_their_own_roles() -> None:
    functions = [
        one["Properties"]
        for one in RESOURCES.values()
        if one["Type"] == "AWS::Serverless::Function"
    ]
    assert len(functions) == 2
    assert all("Role" in function for function in functions)


def test_all_three_are_told_the_same() -> None:
    shared = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    earshot = {name for name in shared if name.startswith("EARSHOT_")}
    assert earshot == batch_environment().keys()
    for function in ("PredictFunction", "IngestFunction"):
        own = RESOURCES[function]["Properties"]["Environment"]["Variables"]
        assert not [name for name in own if name.startswith("EARSHOT_")]


def test_who_answers_the_api_may_move_the_champion_and_write_no_other_artifact() -> None:
    own = [one for name, one in statements() if name in ("PredictRole", "LoopPolicy")]
    writes = [
        resource
        for one in own
        if "s3:PutObject" in as_list(one["Action"])
        for resource in as_list(one["Resource"])
        if "ArtifactsBucket" in str(resource)
    ]
    assert writes == [{"Fn::Sub": "${ArtifactsBucket.Arn}/champion.json"}]
    reads = [one["Resource"] for one in own if as_list(one["Action"]) == ["s3:GetObject"]]
    assert [writes[0] in one for one in reads] == [True]
    assert [one["Resource"] for one in own if one["Action"] == "events:PutEvents"] == [
        {"Fn::GetAtt": ["EventBus", "Arn"]}
    ]


def test_the_queue_waits_six_times_as_long_as_the_function() -> None:
    queue = RESOURCES["IngestQueue"]["Properties"]
    assert queue["VisibilityTimeout"] >= 6 * RESOURCES["IngestFunction"]["Properties"]["Timeout"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5


@pytest.mark.parametrize("bucket", ["RecordingsBucket", "ArtifactsBucket"])
def test_buckets_are_closed_and_encrypted(bucket: str) -> None:
    properties = RESOURCES[bucket]["Properties"]
    assert all(properties["PublicAccessBlockConfiguration"].values())
    assert properties["BucketEncryption"]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    (deny,) = RESOURCES[f"{bucket}Policy"]["Properties"]["PolicyDocument"]["Statement"]
    assert deny["Effect"] == "Deny"
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_results_never_land_where_arrivals_are_looked_for() -> None:
    """A function that writes where its own events come from would call itself for ever."""
    (pattern,) = [
        one["Properties"]["EventPattern"]
        for one in RESOURCES.values()
        if one["Type"] == "AWS::Events::Rule"
        and one["Properties"]["EventPattern"]["source"] == ["aws.s3"]
    ]
    assert pattern["detail"]["bucket"]["name"] == [{"Ref": "RecordingsBucket"}]
    writers = [name for name, one in statements() if "s3:PutObject" in as_list(one["Action"])]
    assert sorted(writers) == ["IngestRole", "IngestRole", "JobRole", "PredictRole", "PredictRole"]
    ingest = [
        one["Resource"]
        for name, one in statements()
        if name == "IngestRole" and "s3:PutObject" in as_list(one["Action"])
    ]
    # Archives become samples, and samples become nothing that is written: it ends there.
    assert ingest == [
        {"Fn::Sub": "${ArtifactsBucket.Arn}/results/*"},
        {"Fn::Sub": "${RecordingsBucket.Arn}/samples/*"},
    ]


@pytest.mark.parametrize(
    ("backbone", "fits"),
    [
        ("", True),
        ("cnn", True),
        ("mn04+cnn", True),
        ("+cnn", False),
        ("Mn04", False),
        ("a b", False),
    ],
)
def test_a_backbone_is_a_name_or_several(backbone: str, fits: bool) -> None:
    pattern = TEMPLATE["Parameters"]["Backbone"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, backbone)) == fits
