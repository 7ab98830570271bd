"""What the templates promise, told from their text alone."""

from __future__ import annotations

import os
import re
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from earshot.services.sweep import LEFTOVER_S
from samtranslator.yaml_helper import yaml_parse

REPOSITORY = Path(__file__).parents[2]
TEMPLATE = yaml_parse((REPOSITORY / "template.yaml").read_text())
BATCH = yaml_parse((REPOSITORY / "infra" / "batch.yaml").read_text())
RESOURCES: dict[str, Any] = TEMPLATE["Resources"] | BATCH["Resources"]


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
    assert len(functions) == 4
    assert all("Role" in function for function in functions)


def test_all_three_are_told_the_same() -> None:
    shared = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    earshot = {name for name in shared if name.startswith("EARSHOT_")}
    assert earshot == batch_environment().keys()
    own = {
        function: {
            name
            for name in RESOURCES[function]["Properties"]["Environment"]["Variables"]
            if name.startswith("EARSHOT_")
        }
        for function in ("PredictFunction", "IngestFunction", "SweepFunction")
    }
    # Who may call the API is its own affair.
    assert own == {
        "PredictFunction": {"EARSHOT_AUTH", "EARSHOT_CORS_ORIGINS"},
        "IngestFunction": set(),
        "SweepFunction": set(),
    }


def test_the_api_is_never_open_to_everybody() -> None:
    access = TEMPLATE["Parameters"]["ApiAccess"]
    assert (access["Default"], access["AllowedValues"]) == ("token", ["token", "signed"])
    told = RESOURCES["PredictFunction"]["Properties"]["Environment"]["Variables"]["EARSHOT_AUTH"]
    paths = RESOURCES["HttpApi"]["Properties"]["DefinitionBody"]["paths"]
    # One of the two asks: the function for tokens, or the gateway for signatures.
    assert TEMPLATE["Conditions"]["SignedOnly"] == {"Fn::Equals": [{"Ref": "ApiAccess"}, "signed"]}
    assert told == {"Fn::If": ["SignedOnly", "off", "token"]}
    signed = {"Fn::If": ["SignedOnly", [{"sigv4": []}], {"Ref": "AWS::NoValue"}]}
    assert [method["security"] for path in paths.values() for method in path.values()] == [
        signed,
        signed,
    ]


def test_no_function_can_make_a_token() -> None:
    (deny,) = [
        statement
        for statement in RESOURCES["LoopPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
    ]
    assert deny["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}
    assert deny["Condition"] == {"ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": ["TOKENS"]}}
    writing = {
        action
        for _, statement in statements()
        for action in as_list(statement["Action"])
        if re.match("dynamodb:.*(Put|Update|Delete)", action)
    }
    assert "dynamodb:PutItem" in writing
    assert writing <= set(deny["Action"])


def test_the_gateway_limits_the_rate() -> None:
    assert RESOURCES["HttpApi"]["Properties"]["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": {"Ref": "RateLimit"},
        "ThrottlingBurstLimit": {"Ref": "BurstLimit"},
    }
    for name in ("RateLimit", "BurstLimit"):
        parameter = TEMPLATE["Parameters"][name]
        assert parameter["Type"] == "Number"
        assert parameter["Default"] >= parameter["MinValue"] >= 1


def test_pages_of_other_origins_may_nothing_by_default() -> None:
    assert TEMPLATE["Parameters"]["CorsOrigins"]["Default"] == ""
    cors = RESOURCES["RecordingsBucket"]["Properties"]["CorsConfiguration"]["CorsRules"]
    own, *others = cors
    api = TEMPLATE["Outputs"]["ApiUrl"]["Value"]["Fn::Sub"]
    assert own["AllowedOrigins"] == [{"Fn::Sub": api.replace("${HttpApi}", "*")}]
    assert TEMPLATE["Parameters"]["WithPage"]["Default"] == "false"
    assert {
        name: rule["AllowedOrigins"] for name, rule, _ in (one["Fn::If"] for one in others)
    } == {
        "WithPage": [{"Fn::GetAtt": ["Page", "Outputs.Url"]}],
        "WithCors": {"Ref": "CorsOrigins"},
    }
    # Uploads; what is in the bucket cannot be read by a page.
    for rule in (own, *(one["Fn::If"][1] for one in others)):
        assert rule["AllowedMethods"] == ["POST", "PUT"]


def test_the_page_s_bucket_is_read_by_its_distribution_only() -> None:
    page = yaml_parse((REPOSITORY / "infra" / "page.yaml").read_text())["Resources"]
    allowed = [
        one
        for one in page["PageBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if one["Effect"] == "Allow"
    ]
    (reading,) = allowed
    assert reading["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert "${Distribution}" in reading["Condition"]["StringEquals"]["aws:SourceArn"]["Fn::Sub"]
    # What `python -m infra.page` writes.
    assert [one["Fn::Sub"].partition("/")[2] for one in reading["Resource"]] == [
        "index.html", "web/*",
    ]  # fmt: skip
    behaviour = page["Distribution"]["Properties"]["DistributionConfig"]["DefaultCacheBehavior"]
    assert behaviour["ViewerProtocolPolicy"] == "redirect-to-https"
    headers = page["Headers"]["Properties"]["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    assert headers["ContentSecurityPolicy"]["ContentSecurityPolicy"] == "frame-ancestors 'none'"


@pytest.mark.parametrize(
    ("given", "option", "is_there"),
    [
        ("AUTH=1", "--auth", True),
        ("AUTH=0", "--auth", False),
        ("DEMO=0", "--auth", False),
        ("WEBHOOK=http://127.0.0.1:9999/hook", '--webhook "http://127.0.0.1:9999/hook"', True),
        ("DEMO=0", "--webhook", False),
        ("CORS=http://localhost:5173", '--cors "http://localhost:5173"', True),
        ("DEMO=0", "--cors", False),
        ("SHADOW=20", "--shadow 20", True),
        ("DEMO=0", "--shadow 0", True),
    ],
)
def test_what_make_run_asks_of_the_local_stack(given: str, option: str, is_there: bool) -> None:
    # Without what a `make test` around it tells its children.
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        ["make", "--dry-run", "run", given],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.replace("\\\n", " ").splitlines()
    (command,) = [line for line in lines if "-m infra.local" in line]
    assert (option in command) == is_there


def test_who_answers_the_api_may_move_the_champion_keep_clips_and_write_no_other_artifact() -> None:
    own = [one for name, one in statements() if name in ("PredictRole", "LoopPolicy")]
    writes = [
        resource
        for one in own
        if "s3:PutObject" in as_list(one["Action"])
        for resource in as_list(one["Resource"])
        if "ArtifactsBucket" in str(resource)
    ]
    assert writes == [
        {"Fn::Sub": "${ArtifactsBucket.Arn}/champion.json"},
        {"Fn::Sub": "${ArtifactsBucket.Arn}/clips/*"},
    ]
    reads = [
        resource
        for one in own
        if as_list(one["Action"]) == ["s3:GetObject"]
        for resource in as_list(one["Resource"])
    ]
    assert writes[0] in reads
    assert [one["Resource"] for one in own if one["Action"] == "events:PutEvents"] == [
        {"Fn::GetAtt": ["EventBus", "Arn"]}
    ]


def test_who_answers_the_api_deletes_nothing_but_for_reviews() -> None:
    deletes = [
        one
        for name, one in statements()
        if name in ("PredictRole", "LoopPolicy")
        and any("Delete" in action for action in as_list(one["Action"]))
    ]
    assert [one["Action"] for one in deletes] == ["dynamodb:DeleteItem", "s3:DeleteObject"]
    assert deletes[0]["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["REVIEWS", "REVIEWS#SITES"]}
    }
    allowed = deletes[1]["Resource"]["Fn::Sub"].removeprefix("${RecordingsBucket.Arn}/")
    made = "samples/gun shot/9b1f6d0c2e7a4853/00048.000-00052.000-51c0a7e2f39d8b64"
    for key, is_allowed in {
        f"{made}.wav": True,
        f"{made}-2.wav": True,
        "samples/siren/9f86d081884c-siren.wav": False,
        "samples/siren/rooftop/1.wav": False,
        "recordings/ridge/9b1f6d0c2e7a4853.wav": False,
    }.items():
        assert fnmatchcase(key, allowed) == is_allowed


def test_what_is_signed_for_others_is_allowed_where_uploads_go_and_nowhere_else() -> None:
    own = [one for name, one in statements() if name == "PredictRole"]
    for action in ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"):
        places = {
            resource["Fn::Sub"].removeprefix("${RecordingsBucket.Arn}/")
            for one in own
            if action in as_list(one["Action"])
            for resource in as_list(one["Resource"])
            if "RecordingsBucket" in str(resource)
        }
        assert places == {"samples/*", "recordings/*", "imports/*"}
    resume = [
        one["Resource"] for one in own if "s3:ListBucketMultipartUploads" in as_list(one["Action"])
    ]
    assert resume == [{"Fn::GetAtt": ["RecordingsBucket", "Arn"]}]


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
    assert sorted(writers) == [
        *("IngestRole", "IngestRole"),
        "JobRole",
        *("PredictRole",) * 3,
        *("SweepRole",) * 4,
    ]
    for role in ("IngestRole", "SweepRole"):
        places = [
            place
            for name, one in statements()
            if name == role and "s3:PutObject" in as_list(one["Action"])
            for place in as_list(one["Resource"])
            if "ArtifactsBucket" not in place["Fn::Sub"]
        ]
        # Archives become samples, and samples nothing that is written there: it ends so.
        assert places == [{"Fn::Sub": "${RecordingsBucket.Arn}/samples/*"}]


def test_a_sweep_is_done_before_the_next_begins_and_hears_of_our_failed_jobs_only() -> None:
    sweep = RESOURCES["SweepFunction"]["Properties"]
    clock, failed = sweep["Events"]["Clock"], sweep["Events"]["JobFailed"]
    assert clock == {"Type": "Schedule", "Properties": {"Schedule": "rate(5 minutes)"}}
    assert sweep["Timeout"] < 300
    assert failed["Properties"]["Pattern"] == {
        "source": ["aws.batch"],
        "detail-type": ["Batch Job State Change"],
        "detail": {
            "status": ["FAILED"],
            "jobQueue": [
                {
                    "Fn::If": [
                        "WithTraining",
                        {"Fn::GetAtt": ["Retrain", "Outputs.JobQueueArn"]},
                        "none",
                    ]
                }
            ],
        },
    }
    assert "JobQueueArn" in BATCH["Outputs"]


def test_uploads_are_left_alone_by_the_sweep_for_as_long_as_by_the_buckets() -> None:
    for bucket in ("RecordingsBucket", "ArtifactsBucket"):
        rules = RESOURCES[bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
        days = [
            rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
            for rule in rules
            if "AbortIncompleteMultipartUpload" in rule
        ]
        assert [one * 86_400 for one in days] == [LEFTOVER_S]


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


def test_a_recording_that_is_left_comes_back_to_ingest() -> None:
    rule = RESOURCES["ContinuationRule"]["Properties"]
    assert rule["EventPattern"] == {
        "source": ["earshot"],
        "detail-type": ["AnalysisContinues"],
    }
    assert "EventBus" in str(rule["EventBusName"])
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["IngestQueue", "Arn"]}
    assert target["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": ["IngestDeadLetters", "Arn"]}
    (statement,) = RESOURCES["IngestQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert {"Fn::GetAtt": ["ContinuationRule", "Arn"]} in statement["Condition"]["ArnEquals"][
        "aws:SourceArn"
    ]


def test_clips_and_parts_expire_and_results_do_not() -> None:
    rules = RESOURCES["ArtifactsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    expire = {one["Prefix"]: one["ExpirationInDays"] for one in rules if "ExpirationInDays" in one}
    assert expire == {"clips/": {"Ref": "ClipDays"}, "parts/": 7}
    assert all("NoncurrentVersionExpiration" in one for one in rules if "Prefix" in one)


def test_rules_ask_by_what_cloudformation_has_for_rules() -> None:
    """Others, such as Fn::Join, pass the linter and fail the deployment."""
    for_rules = {"Ref", "Fn::Equals", "Fn::Not", "Fn::And", "Fn::Or", "Fn::Contains"}

    def functions(value: Any) -> set[str]:
        match value:
            case dict():
                return set(value).union(*map(functions, value.values()))
            case list():
                return set().union(*map(functions, value))
            case _:
                return set()

    for rule in TEMPLATE["Rules"].values():
        asked = [rule["RuleCondition"], *(one["Assert"] for one in rule["Assertions"])]
        assert functions(asked) <= for_rules
