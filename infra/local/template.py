"""A SAM template, read: the part that an emulator can hold, and what the rest wants to know of it.

Translated offline into plain CloudFormation. Buckets, tables, queues, buses and rules stay as they
are described; a rule that starts a Batch job puts its events on a queue instead. Functions, jobs,
and the rules that call functions or topics, are only described, topics not even that: each
intrinsic function in a description becomes an output of the stack, so that CloudFormation resolves
it and nothing here interprets the language.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HELD = (
    "AWS::S3::Bucket",
    "AWS::DynamoDB::Table",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
    "AWS::Events::EventBus",
    "AWS::Events::Rule",
)
# What a rule may call that is not held.
CALLED = ("AWS::Lambda::Function", "AWS::SNS::Topic")
# What a value becomes that names something which is not held: a role, a policy, the API.
NOT_EMULATED = "not-emulated"
# Where the layer and the images put what lies in infra/ here.
OPT = "/opt/earshot/"

_SUBSTITUTED = re.compile(r"\$\{([^!.}]+)")


@dataclass(frozen=True)
class Template:
    """What to create of a template, and what to read back from it, in ``_Output`` places."""

    body: dict[str, Any]
    description: dict[str, Any]
    opt: Path
    nested: dict[str, Template] = field(default_factory=dict)

    def told(self, outputs: Mapping[str, str]) -> dict[str, Any]:
        """The description with the created stack's outputs in place."""
        lowered: dict[str, Any] = _lower(self.description, outputs, self.opt)
        return lowered


def read(template: Path, parameters: Mapping[str, str], region: str) -> Template:
    """Translate a SAM template and those nested in it; needs no endpoint, and takes half a second.

    Values under /opt/earshot/ become paths under infra/ beside the template.
    """
    import boto3
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.yaml_helper import yaml_parse

    folder = template.resolve().parent
    content = yaml_parse(template.read_text())
    for resource in content["Resources"].values():
        _pretend_packaged(resource)
    session = boto3.Session(region_name=region)
    translated = Translator({}, Parser(), boto_session=session).translate(content, dict(parameters))
    nested = {
        name: _divide(
            yaml_parse((folder / resource["Properties"]["TemplateURL"]).read_text()),
            folder / "infra",
        )
        for name, resource in _of_type(translated, "AWS::CloudFormation::Stack").items()
    }
    # What only looks at the others, as alarms do, has nothing to be held.
    held = {name: one for name, one in nested.items() if one.body["Resources"]}
    return _divide(translated, folder / "infra", held)


def _pretend_packaged(resource: dict[str, Any]) -> None:
    """SAM only translates code that ``sam package`` has put into a bucket or a registry."""
    properties = resource.get("Properties", {})
    if properties.get("PackageType") == "Image":
        properties["ImageUri"] = NOT_EMULATED
    for name in ("CodeUri", "ContentUri"):
        if name in properties:
            properties[name] = f"s3://{NOT_EMULATED}/{name}"


def _divide(
    template: dict[str, Any],
    opt: Path,
    nested: dict[str, Template] | None = None,
) -> Template:
    """What to create of a plain CloudFormation template, and what to read back."""
    held = {
        name: resource
        for name, resource in template["Resources"].items()
        if resource["Type"] in HELD and not _targets(resource, template, CALLED)
    }
    jobs = _take_jobs(template, held)
    outputs: dict[str, Any] = {}
    known = {name: resource.get("Condition") for name, resource in held.items()}
    known |= dict.fromkeys(template.get("Parameters", {}))
    description = {
        "functions": _functions(template, outputs),
        "jobs": jobs,
        "outputs": {
            name: output["Value"]
            for name, output in template.get("Outputs", {}).items()
            if _references(output["Value"]) <= known.keys()
        },
        "eventful_buckets": [
            {"Ref": name}
            for name, bucket in _of_type(template, "AWS::S3::Bucket").items()
            if "EventBridgeConfiguration"
            in bucket["Properties"].get("NotificationConfiguration", {})
        ],
        "nested": {
            name: {
                "parameters": resource["Properties"].get("Parameters", {}),
                "wanted": _wanted(resource, outputs),
            }
            for name, resource in _of_type(template, "AWS::CloudFormation::Stack").items()
            if name in (nested or {})
        },
    }
    lifted = _lift(description, known, outputs)
    body: dict[str, Any] = {
        name: template[name]
        for name in ("Parameters", "Conditions", "Mappings")
        if name in template
    }
    body |= {"Resources": held, "Outputs": outputs}
    return Template(body, lifted, opt, nested or {})


def _wanted(resource: dict[str, Any], outputs: dict[str, Any]) -> object:
    """Something that comes to nothing when the resource's condition does not hold."""
    condition = resource.get("Condition")
    if condition is None:
        return True
    outputs[f"If{condition}"] = {"Condition": condition, "Value": "true"}
    return _Output(f"If{condition}")


def _functions(template: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
    functions: dict[str, Any] = {}
    for name, resource in _of_type(template, "AWS::Lambda::Function").items():
        properties = resource["Properties"]
        functions[name] = {
            "environment": properties.get("Environment", {}).get("Variables", {}),
            "memory_mb": properties["MemorySize"],
            "timeout_s": properties["Timeout"],
            "wanted": _wanted(resource, outputs),
        }
        if "Handler" in properties:
            functions[name]["handler"] = properties["Handler"]
    for resource in _of_type(template, "AWS::Lambda::EventSourceMapping").values():
        properties = resource["Properties"]
        functions[properties["FunctionName"]["Ref"]]["source"] = {
            "queue_url": {"Ref": properties["EventSourceArn"]["Fn::GetAtt"][0]},
            "batch_size": properties["BatchSize"],
        }
    for rule in _of_type(template, "AWS::Events::Rule").values():
        for name in _targets(rule, template, ("AWS::Lambda::Function",)):
            if "ScheduleExpression" in rule["Properties"]:
                functions[name]["schedule"] = rule["Properties"]["ScheduleExpression"]
    return functions


def _targets(
    resource: dict[str, Any], template: dict[str, Any], kinds: tuple[str, ...]
) -> set[str]:
    """The resources of some kinds that a rule calls."""
    if resource["Type"] != "AWS::Events::Rule":
        return set()
    targets = {
        name for one in resource["Properties"]["Targets"] for name in _references(one["Arn"])
    }
    return {name for name in targets if template["Resources"].get(name, {}).get("Type") in kinds}


def _take_jobs(template: dict[str, Any], held: dict[str, Any]) -> dict[str, Any]:
    """Turn rules that start Batch jobs to queues of their own; returns the jobs."""
    jobs = {}
    for rule_name, rule in _of_type(template, "AWS::Events::Rule").items():
        targets = rule["Properties"]["Targets"]
        for position, target in enumerate(targets):
            if "BatchParameters" not in target:
                continue
            name = target["BatchParameters"]["JobDefinition"]["Ref"]
            definition = template["Resources"][name]["Properties"]
            container = definition["ContainerProperties"]
            queue = f"{name}Events"
            timeout_s = definition["Timeout"]["AttemptDurationSeconds"]
            held[queue] = {
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    "QueueName": {"Fn::Sub": f"${{AWS::StackName}}-{queue}"},
                    "VisibilityTimeout": timeout_s,
                },
            }
            held[f"{queue}Policy"] = _sendable(queue, rule_name)
            targets[position] = {"Id": target["Id"], "Arn": {"Fn::GetAtt": [queue, "Arn"]}}
            jobs[name] = {
                "queue_url": {"Ref": queue},
                "command": container["Command"],
                "environment": {
                    entry["Name"]: entry["Value"] for entry in container["Environment"]
                },
                "attempts": definition["RetryStrategy"]["Attempts"],
                "timeout_s": timeout_s,
                "defaults": definition.get("Parameters", {}),
                "input_paths": target["InputTransformer"]["InputPathsMap"],
                "input_template": target["InputTransformer"]["InputTemplate"],
            }
    return jobs


def _sendable(queue: str, rule: str) -> dict[str, Any]:
    """A policy that lets a rule send to a queue; AWS asks for it, moto does not."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": [queue, "Arn"]},
        "Condition": {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": [rule, "Arn"]}}},
    }
    document = {"Version": "2012-10-17", "Statement": [statement]}
    properties = {"Queues": [{"Ref": queue}], "PolicyDocument": document}
    return {"Type": "AWS::SQS::QueuePolicy", "Properties": properties}


def _of_type(template: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        name: resource
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def _is_intrinsic(node: object) -> bool:
    return (
        isinstance(node, dict) and len(node) == 1 and next(iter(node)).startswith(("Fn::", "Ref"))
    )


def _references(node: Any) -> set[str]:
    """The parameters and resources that a value names."""
    if isinstance(node, list):
        return {name for value in node for name in _references(value)}
    if not isinstance(node, dict):
        return set()
    if "Ref" in node:
        return set() if node["Ref"].startswith("AWS::") else {node["Ref"]}
    if "Fn::GetAtt" in node:
        return {node["Fn::GetAtt"][0]}
    if "Fn::Sub" in node:
        text, given = node["Fn::Sub"], {}
        if isinstance(text, list):
            text, given = text
        named = set(_SUBSTITUTED.findall(text)) - given.keys()
        return {name for name in named if not name.startswith("AWS::")} | _references(given)
    return _references(list(node.values()))


def _lift(node: Any, known: Mapping[str, str | None], outputs: dict[str, Any]) -> Any:
    """Move each intrinsic function to an output of the stack, leaving the output's name.

    ``known`` is what it may name, each with the condition that it is there on.
    """
    if _is_intrinsic(node):
        if "Fn::If" in node:
            condition, *choices = node["Fn::If"]
            held = (one if _references(one) <= known.keys() else NOT_EMULATED for one in choices)
            node = {"Fn::If": [condition, *held]}
        named = _references(node)
        if not named <= known.keys():
            return NOT_EMULATED
        name = f"V{hashlib.sha256(json.dumps(node, sort_keys=True).encode()).hexdigest()[:16]}"
        outputs[name] = {"Value": node}
        if conditions := {known[one] for one in named} - {None}:
            (outputs[name]["Condition"],) = conditions
        return _Output(name)
    if isinstance(node, dict):
        return {name: _lift(value, known, outputs) for name, value in node.items()}
    if isinstance(node, list):
        return [_lift(value, known, outputs) for value in node]
    return node


@dataclass(frozen=True)
class _Output:
    """A value that an output of the stack will tell."""

    name: str


def _lower(node: Any, found: Mapping[str, str], opt: Path) -> Any:
    """Put the outputs' values back; what came to no value is left out."""
    if isinstance(node, _Output):
        node = found.get(node.name)
    if isinstance(node, str) and node.startswith(OPT):
        return str(opt / node.removeprefix(OPT))
    if isinstance(node, dict):
        lowered = {name: _lower(value, found, opt) for name, value in node.items()}
        return {name: value for name, value in lowered.items() if value is not None}
    if isinstance(node, list):
        return [_lower(value, found, opt) for value in node]
    return node
