"""The runbook: a row for every alarm and every error, and no command that does not exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
import typer.main
import yaml
from earshot.cli import app
from earshot.errors import EarshotError
from samtranslator.yaml_helper import yaml_parse

from predict.problems import HttpError

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]
RUNBOOK = (REPOSITORY / "docs" / "runbook.md").read_text()
ROWS = [line.split("|")[1:-1] for line in RUNBOOK.splitlines() if line.startswith("| `")]
TEMPLATES = [
    yaml_parse(file.read_text())
    for file in (REPOSITORY / "template.yaml", *sorted((REPOSITORY / "infra").glob("*.yaml")))
]
RESOURCES = {
    name: resource for one in TEMPLATES for name, resource in one.get("Resources", {}).items()
}


def codes(error: type[Any]) -> Iterator[str]:
    for below in error.__subclasses__():
        # Tests make some of their own.
        if below.__module__.startswith(("earshot.", "predict.")):
            yield below.code
            yield from codes(below)


def commands(name: str) -> list[list[str]]:
    """What the runbook says to type of one program, as words."""
    blocks = re.findall(r"```sh\n(.*?)```", RUNBOOK, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    # A stretch of prose may break its line.
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", RUNBOOK)]
    found = []
    for text in [*lines, *spans]:
        for inner in re.findall(rf"(?:^|\$\(|; |\{{ ){name} (.*)", text):
            words = shlex.split(inner.replace("$(", "(").replace('"$', '"'), posix=False)
            found.append(words)
    return found


def test_every_alarm_has_its_row() -> None:
    alarms = {n for n, one in RESOURCES.items() if one["Type"] == "AWS::CloudWatch::Alarm"}
    rows = {row[0].strip().strip("`") for row in ROWS}
    assert len(alarms) >= 13
    assert alarms == {row for row in rows if row.endswith("Alarm")}


def test_every_row_says_what_to_do() -> None:
    assert all(len(row) == 4 and all(cell.strip() for cell in row) for row in ROWS)


def test_every_error_has_its_row() -> None:
    told = {
        code for row in ROWS if not row[0].strip(" `").endswith("Alarm")
        for code in re.findall(r"`(\w+)`", row[1])
    }  # fmt: skip
    there = {*codes(EarshotError), *codes(HttpError)} - {"error"}
    assert there - told == set()
    assert told - there == set()


@pytest.mark.parametrize("words", commands("earshot"), ids=" ".join)
def test_every_command_of_ours_is_there(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    context = typer.Context(command)
    rest = [word for word in words if not re.fullmatch(r"[)&;.]+", word)]
    while rest and hasattr(command, "get_command"):
        name = re.sub(r"[^a-z-]", "", rest.pop(0))
        command = command.get_command(context, name)
        assert command is not None, f"there is no {name}"
    options = {option for one in command.params for option in getattr(one, "opts", ())}
    for word in rest:
        if word.startswith("--"):
            assert word.rstrip(")") in options


def test_commands_of_ours_are_found() -> None:
    assert len(commands("earshot")) >= 25
    assert ["models", "rollback"] in commands("earshot")


@pytest.mark.parametrize("words", commands("aws"), ids=" ".join)
def test_every_command_of_aws_is_in_its_own_description(words: list[str]) -> None:
    service, operation = words[0], words[1].rstrip(")")
    if service == "s3":
        assert operation in ("ls", "cp", "mv", "rm", "sync")
        return
    if (service, operation) == ("logs", "tail"):
        known = {"since", "format", "filter-pattern", "follow"}
    else:
        session = botocore.session.get_session()
        model = session.get_service_model({"s3api": "s3"}.get(service, service))
        by_words = {dashed(name): name for name in model.operation_names}
        assert operation in by_words
        shape = model.operation_model(by_words[operation]).input_shape
        assert shape is not None
        known = {dashed(name) for name in shape.members} | {"output", "query", "no-enabled"}
    given = [word.removeprefix("--") for word in words[2:] if word.startswith("--")]
    assert set(given) <= known


def dashed(name: str) -> str:
    """An operation or a parameter as the AWS CLI spells it."""
    from botocore import xform_name

    spelt: str = xform_name(name, "-")
    return spelt.lower()


def test_commands_of_aws_are_found() -> None:
    assert len(commands("aws")) >= 20


def test_names_in_commands_are_of_the_templates() -> None:
    named = set(re.findall(r"\$\(of (\w+)", RUNBOOK))
    assert named >= {"PredictLogs", "SweepFunction"}
    assert named <= RESOURCES.keys()
    outputs = {name for one in TEMPLATES for name in one.get("Outputs", {})}
    assert set(re.findall(r"\$\(output (\w+)", RUNBOOK)) <= outputs


# --- the workflows ------------------------------------------------------------------------------

WORKFLOWS = {
    file.name: yaml.safe_load(file.read_text())
    for file in (REPOSITORY / ".github" / "workflows").glob("*.yml")
}


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_take_no_action_that_can_change(name: str) -> None:
    taken = [step["uses"] for step in steps(WORKFLOWS[name]) if "uses" in step]
    assert taken
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", one) for one in taken)
    assert WORKFLOWS[name]["permissions"].get("contents") == "read"


def test_continuous_integration_runs_what_everybody_can() -> None:
    (job,) = WORKFLOWS["ci.yml"]["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert "bash .ci/run" in [step.get("run") for step in job["steps"]]
    assert "id-token" not in WORKFLOWS["ci.yml"]["permissions"]


def test_a_deployment_is_asked_for_and_keeps_no_keys() -> None:
    workflow = WORKFLOWS["deploy.yml"]
    # YAML reads the key `on` as true.
    assert workflow[True].keys() == {"workflow_dispatch"}
    assert workflow["permissions"]["id-token"] == "write"
    text = (REPOSITORY / ".github" / "workflows" / "deploy.yml").read_text()
    assert "secrets." not in text
    scripts = "\n".join(step.get("run", "") for step in steps(workflow))
    # What somebody typed comes by the environment, never into a script's text.
    assert "${{" not in scripts
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([\w.-]+(?:/[\w.-]+)?):", makefile, re.MULTILINE))
    asked = re.findall(r"make (?:-s )?([\w./ -]+)", scripts)
    assert len(asked) == 2
    assert {word for line in asked for word in line.split()} <= targets
