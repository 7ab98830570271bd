"""All functions in containers, by the SAM CLI's `local invoke` and `local start-api`.

`make sam-local` builds them and says by EARSHOT_SAM_LOCAL where its template is. AWS is emulated.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import REPOSITORY, clip, emulated

from infra.local import endpoint, rie, stack

BUILT = os.environ.get("EARSHOT_SAM_LOCAL", "")
# Beside it, for the folders that both name.
RUN = Path(BUILT).parent / "emulated.yaml"
EVENTS = REPOSITORY / "tests" / "events"
PARAMETERS = {"NamePrefix": "earshot", "ApiAccess": "signed"}
PATIENCE_S = 300

if not BUILT:
    pytest.skip("`make sam-local` runs these, in containers", allow_module_level=True)
pytestmark = pytest.mark.timeout(PATIENCE_S * 2)


@dataclass(frozen=True)
class Local:
    """The SAM CLI, with the stack's resources on an emulated AWS."""

    url: str
    variables: Path

    def command(self, verb: str, *arguments: str) -> list[str]:
        return [
            *(str(REPOSITORY / ".venv-sam" / "bin" / "sam"), "local", verb, *arguments),
            *("--template-file", str(RUN), "--env-vars", str(self.variables)),
            "--skip-pull-image",
            *("--parameter-overrides", *(f"{name}={value}" for name, value in PARAMETERS.items())),
        ]

    @property
    def environment(self) -> dict[str, str]:
        # Without an STS to ask, each start would wait for credentials.
        return {**os.environ, **endpoint.environment(self.url), "SAM_CLI_TELEMETRY": "0"}

    def invoke(self, function: str, event: str) -> Any:
        """What a function answers to one of tests/events."""
        done = subprocess.run(
            self.command("invoke", function, "--event", str(EVENTS / f"{event}.json")),
            check=False,
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "null")
        assert not (isinstance(told, dict) and "errorMessage" in told), done.stderr
        return told


def runnable(template: dict[str, Any]) -> dict[str, Any]:
    """What the SAM CLI can run of a built template.

    A function is passed only variables that the template names. `start-api` stumbles over the
    condition on which requests have to be signed, and wants to be told what is no text.
    """
    template["Globals"]["Function"]["Environment"]["Variables"]["AWS_ENDPOINT_URL"] = "here"
    api = template["Resources"]["HttpApi"]["Properties"]["DefinitionBody"]
    for path in api["paths"].values():
        path["x-amazon-apigateway-any-method"].pop("security", None)
    del api["components"]
    api["x-amazon-apigateway-binary-media-types"] = ["*/*"]
    return template


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    built = yaml.safe_load((REPOSITORY / BUILT).read_text())
    (REPOSITORY / RUN).write_text(yaml.safe_dump(runnable(built)))
    # Loopback is each container's own.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; says by which address it would
        host = probe.getsockname()[0]
    with endpoint.emulator(host=host) as url:
        created = stack.deploy(
            REPOSITORY / "template.yaml",
            PARAMETERS,
            emulated(url, "cloudformation"),
            emulated(url, "s3"),
        )
        variables = tmp_path_factory.mktemp("sam") / "variables.json"
        surroundings = endpoint.environment(url)
        told = {
            name: rie.environment(function, surroundings)
            for name, function in created.functions.items()
        }
        variables.write_text(json.dumps(told))
        yield Local(url, variables)


def test_ingest_takes_a_batch_and_gives_back_the_poison(local: Local) -> None:
    s3 = emulated(local.url, "s3")
    s3.put_object(Bucket="earshot-recordings", Key="samples/siren/one.wav", Body=clip("siren"))
    told = local.invoke("IngestFunction", "ingest")
    (poison,) = [
        record["messageId"]
        for record in json.loads((EVENTS / "ingest.json").read_text())["Records"]
        if record["body"] == "not json"
    ]
    assert told == {"batchItemFailures": [{"itemIdentifier": poison}]}
    items = emulated(local.url, "dynamodb").scan(TableName="earshot")["Items"]
    assert any("samples/siren/one.wav" in json.dumps(item) for item in items)


def test_the_sweep_answers_the_clock(local: Local) -> None:
    assert local.invoke("SweepFunction", "sweep") is None


@pytest.mark.parametrize("event", ["predict", "predict_form"])
def test_predict_hears_a_recording(local: Local, event: str) -> None:
    told = local.invoke("PredictFunction", event)
    body = base64.b64decode(told["body"]) if told["isBase64Encoded"] else told["body"]
    assert told["statusCode"] == 200, body
    assert json.loads(body)["label"] == "siren"


def test_the_api_answers_over_http(local: Local, tmp_path: Path) -> None:
    port = endpoint.free_port()
    command = local.command("start-api", "--port", str(port), "--warm-containers", "LAZY")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=local.environment, stdout=log, stderr=log
        )
    try:
        endpoint.wait(port, process, PATIENCE_S)
        for path, body in (("/status", None), ("/predict", clip("siren"))):
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}{path}", data=body, headers={"Content-Type": "audio/wav"}
            )
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                assert "siren" in answer.read().decode()
    finally:
        process.terminate()
        process.wait(60)
