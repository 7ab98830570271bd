"""template.yaml's stack on any AWS endpoint, and what functions and jobs are told by it."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import TYPE_CHECKING, Any

from infra.local import template as templates

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client

    from infra.local.template import Template


@dataclass(frozen=True)
class QueueSource:
    """The queue that feeds a function."""

    queue_url: str
    batch_size: int


@dataclass(frozen=True)
class Function:
    """A Lambda function; an image says nothing of its ``handler``.

    ``schedule`` is the expression by which the clock calls it, as ``rate(5 minutes)``.
    """

    handler: str | None
    environment: dict[str, str]
    source: QueueSource | None
    memory_mb: int
    timeout_s: int
    schedule: str | None = None


@dataclass(frozen=True)
class Job:
    """A Batch job definition, and the queue of the events that start it."""

    queue_url: str
    command: list[str]
    environment: dict[str, str]
    attempts: int
    timeout_s: int
    defaults: dict[str, str]
    input_paths: dict[str, str]
    input_template: str

    def parameters(self, event: Mapping[str, Any]) -> dict[str, str]:
        """The job's parameters, as the rule's InputTransformer makes them from an event."""
        text = self.input_template
        for name, path in self.input_paths.items():
            value: object = reduce(getitem, path.removeprefix("$.").split("."), event)
            text = text.replace(f"<{name}>", json.dumps(value))
        given: dict[str, str] = json.loads(text).get("Parameters", {})
        return {**self.defaults, **given}

    def command_for(self, event: Mapping[str, Any]) -> list[str]:
        """The command with each ``Ref::name`` replaced by that parameter."""
        parameters = self.parameters(event)
        return [
            parameters[word.removeprefix("Ref::")] if word.startswith("Ref::") else word
            for word in self.command
        ]


@dataclass(frozen=True)
class Stack:
    """A created stack with its nested ones: functions and jobs by their logical names."""

    functions: dict[str, Function]
    jobs: dict[str, Job]
    outputs: dict[str, str]


@dataclass(frozen=True)
class Plan:
    """A template that was read, and the parameters to create its stack with."""

    template: Template
    parameters: Mapping[str, str]

    def create(self, cloudformation: CloudFormationClient, s3: S3Client, name: str) -> Stack:
        """Create the stack and those nested in it, or take the ones of that name."""
        outputs = _create(cloudformation, name, self.template.body, self.parameters)
        told = self.template.told(outputs)
        for bucket in told["eventful_buckets"]:
            # moto's CloudFormation drops it; what was kept on disk has come back silently before.
            s3.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
            )
        stack = Stack(
            {
                function: _function(content)
                for function, content in told["functions"].items()
                if "wanted" in content
            },
            {job: Job(**content) for job, content in told["jobs"].items()},
            told["outputs"],
        )
        for nested, content in told["nested"].items():
            if "wanted" not in content:
                continue
            plan = Plan(self.template.nested[nested], content["parameters"])
            inner = plan.create(cloudformation, s3, f"{name}-{nested}")
            stack.functions.update(inner.functions)
            stack.jobs.update(inner.jobs)
        return stack


def read(path: Path, parameters: Mapping[str, str], region: str) -> Plan:
    """Read a SAM template; needs no endpoint, and takes half a second.

    Jobs run in this Python, so their image counts as given.
    """
    given = {"RetrainImageUri": templates.NOT_EMULATED, **parameters}
    return Plan(templates.read(path, given, region), given)


def deploy(
    path: Path,
    parameters: Mapping[str, str],
    cloudformation: CloudFormationClient,
    s3: S3Client,
    name: str = "earshot",
) -> Stack:
    """Read a template and create its stack."""
    return read(path, parameters, s3.meta.region_name).create(cloudformation, s3, name)


def _function(content: dict[str, Any]) -> Function:
    source = content.get("source")
    return Function(
        content.get("handler"),
        content["environment"],
        QueueSource(source["queue_url"], int(source["batch_size"])) if source else None,
        int(content["memory_mb"]),
        int(content["timeout_s"]),
        content.get("schedule"),
    )


def _create(
    cloudformation: CloudFormationClient,
    name: str,
    body: dict[str, Any],
    parameters: Mapping[str, str],
) -> dict[str, str]:
    """Create a stack, or take the one that is there; returns its outputs."""
    with contextlib.suppress(cloudformation.exceptions.AlreadyExistsException):
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(body),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
        )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 300}
    )
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
