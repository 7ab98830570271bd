"""Lambda's functions in its interface emulator on this machine, where LocalStack wants Docker.

Each with Lambda's file system and its memory, as ``infra.local.rie`` gives them. A zip function
comes from what was deployed, but for the layer, which LocalStack's free edition leaves out; an
image function is what ``make build`` made of its Dockerfile.
"""

from __future__ import annotations

import json
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from localstack import config
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from infra.local import artefacts, rie
from infra.local.artefacts import Artefact

# The longest that a function of Lambda's may take, and a little more.
TIMEOUT_S = 905


class HostExecutor(RuntimeExecutor):
    """One execution environment."""

    def __init__(self, id: str, function_version: Any) -> None:  # noqa: A002 - LocalStack's name
        super().__init__(id, function_version)
        self._log = tempfile.NamedTemporaryFile(suffix=".log")  # noqa: SIM115 - until stop()
        self._process: Any = None
        self._port = 0

    def start(self, env_vars: dict[str, Any]) -> None:
        """Start the emulator."""
        about = self.function_version.config
        if about.code is None:
            artefact, handler = artefacts.PREDICT, artefacts.predict_handler()
        else:
            task = Path(about.code.get_unzipped_code_location())
            artefact, handler = Artefact(artefacts.INGEST.opt, task), about.handler
        variables = {name: str(value) for name, value in env_vars.items()}
        with Path(self._log.name).open("ab") as log:
            self._process, self._port = rie.launch(
                artefact, handler, about.memory_size, variables, log
            )

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            rie.end(self._process)
            self._process = None
        self._log.close()

    def get_address(self) -> str:
        """Where the environment is."""
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        """Where LocalStack is for the environment."""
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        """Where LocalStack would be called back."""
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Bring an event, and what comes of it back."""
        seen = Path(self._log.name).stat().st_size
        url = f"http://127.0.0.1:{self._port}{rie.INVOCATIONS}"
        request = urllib.request.Request(url, data=payload["payload"].encode())
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                body = answer.read()
            told = json.loads(body)
            failed = isinstance(told, dict) and {"errorMessage", "errorType"} <= told.keys()
        except (OSError, ValueError) as error:
            # A crash, or the time is out: told in words, not in JSON.
            body = json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)})
            body, failed = body.encode(), True
        logs = Path(self._log.name).read_bytes()[seen:].decode(errors="replace")
        return InvocationResult(payload["invoke-id"], body, is_error=failed, logs=logs)

    def get_logs(self) -> str:
        """All that the environment has written."""
        return Path(self._log.name).read_text(errors="replace")

    @classmethod
    def prepare_version(cls, function_version: Any) -> None:
        """Unpack what was deployed."""
        if function_version.config.code:
            function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: Any) -> None:
        """Nothing to do: LocalStack removes what it has unpacked."""


class Plugin(RuntimeExecutorPlugin):
    """Found by LAMBDA_RUNTIME_EXECUTOR=host."""

    name = "host"

    def load(self, *_: Any, **__: Any) -> type[HostExecutor]:
        """The executor."""
        return HostExecutor
