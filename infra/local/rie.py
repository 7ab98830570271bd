"""The functions in Lambda's own runtime: its interface emulator (RIE) with awslambdaric.

From what ``make build`` made, in Python 3.12, with Lambda's folders on a read-only file system
(sandbox.sh) and no more memory than the template gives the function. The emulator's binary comes
with the SAM CLI; AWS_LAMBDA_RIE names another one. Linux only, as root or where user namespaces
are allowed.
"""

from __future__ import annotations

import http.client
import json
import os
import platform
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from infra.local import artefacts, endpoint
from infra.local.template import OPT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from infra.local.artefacts import Artefact
    from infra.local.stack import Function

INVOCATIONS = "/2015-03-31/functions/function/invocations"
# What Lambda takes, and what it answers, at most; the emulator would cut it without a word.
MOST_BYTES = 6 * 1024 * 1024
# What each execution environment is told of its file system; /var/task comes before PYTHONPATH.
LAYOUT = {
    "AWS_EXECUTION_ENV": f"AWS_Lambda_{artefacts.PYTHON}",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LANG": "en_US.UTF-8",
    "LD_LIBRARY_PATH": "/var/lang/lib",
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
    "PYTHONPATH": "/opt/python:/var/runtime",
    "TZ": ":UTC",
}
# Nobody, as in Lambda.
NOBODY = "65534:65534"


class Unavailable(RuntimeError):
    """Lambda's runtime cannot be emulated here; the message says why."""


class InvocationFailed(RuntimeError):
    """The handler raised, crashed, or was out of time."""


class TooLong(ValueError):
    """An event is longer than Lambda takes."""


@cache
def binary() -> Path:
    """The emulator's binary. Raises Unavailable."""
    if sys.platform != "linux":
        raise Unavailable("Lambda's runtime interface emulator is a Linux program")
    processor = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    given = os.environ.get("AWS_LAMBDA_RIE")
    carried = f"lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{processor}"
    found = [Path(given)] if given else list((endpoint.REPOSITORY / ".venv-sam").glob(carried))
    if not found or not found[0].is_file():
        raise Unavailable(
            "Lambda's runtime interface emulator is not here: `make .venv-sam/installed` brings "
            "it with the SAM CLI, or AWS_LAMBDA_RIE names its binary"
        )
    return found[0]


@cache
def namespace() -> tuple[str, ...]:
    """The command that gives another one mounts of its own. Raises Unavailable."""
    is_root = os.geteuid() == 0
    command = ("unshare", "--mount", *(() if is_root else ("--map-root-user",)))
    tried = subprocess.run(
        [*command, "mount", "-t", "tmpfs", "none", "/mnt"],
        check=False,
        capture_output=True,
        text=True,
    )
    if tried.returncode:
        raise Unavailable(f"a read-only file system takes mount namespaces: {tried.stderr.strip()}")
    return command


def sandboxed(artefact: Artefact, command: Sequence[str]) -> list[str]:
    """A command that sees a function's file system. Raises Unavailable."""
    user = NOBODY if os.geteuid() == 0 else "-"
    folders = (artefacts.LANG, artefacts.RUNTIME, artefact.opt, artefact.task, binary())
    script = endpoint.REPOSITORY / "infra" / "local" / "sandbox.sh"
    return [*namespace(), "sh", str(script), *map(str, folders), user, *command]


class Runtime:
    """One execution environment: it takes one invocation after the other."""

    def __init__(self, port: int, timeout_s: float) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s + 5)

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """The handler's answer. Raises InvocationFailed or TooLong."""
        payload = json.dumps(event).encode()
        if len(payload) > MOST_BYTES:
            raise TooLong(f"{len(payload)} bytes are more than Lambda takes: {MOST_BYTES}")
        self._connection.request("POST", INVOCATIONS, payload)
        answer = self._connection.getresponse()
        text = answer.read()
        try:
            told = json.loads(text)
        except ValueError:
            # A crash, and the end of the time allowed, are told in words.
            raise InvocationFailed(text.decode(errors="replace")) from None
        # A handler's exception comes back as 200, too.
        if answer.status != HTTPStatus.OK or (isinstance(told, dict) and "errorMessage" in told):
            raise InvocationFailed(text.decode(errors="replace"))
        return told

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()


@contextmanager
def runtime(
    function: Function,
    surroundings: Mapping[str, str],
    log: BinaryIO,
    artefact: Artefact | None = None,
) -> Iterator[Runtime]:
    """A cold execution environment of a function, for as long as the context lasts.

    ``surroundings`` is what the function is told besides: where AWS is, and who asks. Its memory
    is bounded as address space, which is never less than what Lambda counts. ``artefact`` is
    another one than what was built of this working tree.

    Raises Unavailable, or NotBuilt when there are no artefacts of this working tree.
    """
    if artefact is None:
        artefact = artefacts.INGEST if function.handler else artefacts.PREDICT
        artefacts.check(artefact)
    handler = function.handler or artefacts.predict_handler()
    variables = environment(function, surroundings)
    process, port = launch(artefact, handler, function.memory_mb, variables, log)
    there = Runtime(port, function.timeout_s)
    try:
        yield there
    finally:
        there.close()
        end(process)


def launch(
    artefact: Artefact, handler: str, memory_mb: int, variables: Mapping[str, str], log: BinaryIO
) -> tuple[subprocess.Popen[bytes], int]:
    """Start the emulator with a handler behind it; gives the port that it listens on."""
    port = endpoint.free_port()
    bounded = f'ulimit -v {memory_mb * 1024}; exec "$@"'
    command = [
        *("/var/rie", "--log-level", "warn"),
        *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
        *("--runtime-api-address", f"127.0.0.1:{endpoint.free_port()}"),
        *("/bin/sh", "-c", bounded, "sh"),
        *(f"/var/lang/bin/{artefacts.PYTHON}", "-m", "awslambdaric", handler),
    ]
    process = subprocess.Popen(
        sandboxed(artefact, command),
        env={**variables, **LAYOUT},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    try:
        endpoint.wait(port, process)
    except (RuntimeError, TimeoutError):
        end(process)
        raise
    return process, port


def end(process: subprocess.Popen[bytes]) -> None:
    """End what ``launch`` has started."""
    process.terminate()
    process.wait(30)


def environment(function: Function, surroundings: Mapping[str, str]) -> dict[str, str]:
    """The variables of a function besides those of its LAYOUT."""
    here = f"{endpoint.REPOSITORY / 'infra'}/"
    aws = {name: value for name, value in surroundings.items() if name.startswith("AWS_")}
    return {
        **aws,
        "AWS_REGION": surroundings["AWS_DEFAULT_REGION"],
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout_s),
        **{
            name: value.replace(here, OPT, 1) if value.startswith(here) else value
            for name, value in function.environment.items()
        },
    }
