"""The whole system on this machine, in processes of its own, and what a user does with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY, emulated

from infra.local import endpoint

THRESHOLD = 20
PATIENCE_S = 120


def until(look: Callable[[], Any], what: str) -> Any:
    """Look again and again, and answer what is found in the end."""
    last = time.monotonic() + PATIENCE_S
    while time.monotonic() < last:
        if found := look():
            return found
        time.sleep(0.1)
    pytest.fail(f"{what} did not happen within {PATIENCE_S} s")


class Local:
    """A running local stack, and what a user does with it."""

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, aws_port: int, log: Path
    ) -> None:
        self.process = process
        self.log = log
        self.api = f"http://127.0.0.1:{port}"
        self.aws = f"http://127.0.0.1:{aws_port}"
        self.s3 = emulated(self.aws, "s3")

    def get(self, path: str, body: bytes | None = None) -> Any:
        headers = {"Content-Type": "audio/wav"} if body else {}
        request = urllib.request.Request(self.api + path, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def drop(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket="earshot-recordings", Key=key, Body=body)

    def until(self, look: Callable[[], Any], what: str) -> Any:
        def alive() -> Any:
            assert self.process.poll() is None, "the local stack ended"
            return look()

        return until(alive, what)

    def total(self, wanted: int) -> None:
        self.until(lambda: self.get("/samples")["total"] >= wanted, f"a total of {wanted}")

    def finished(self, number: int) -> dict[str, Any]:
        """The newest of ``number`` runs, when it is over."""

        def look() -> Any:
            runs = self.get("/retrain")["runs"]
            return runs[0] if len(runs) == number and runs[0]["finished_at"] else None

        run = self.until(look, f"the end of run {number}")
        found: dict[str, Any] = self.get(f"/retrain/{run['run']}")
        return found


@contextmanager
def local_stack(data: Path, *options: str) -> Iterator[Local]:
    """A local stack on free ports, for as long as the context lasts."""
    port, aws_port = endpoint.free_port(), endpoint.free_port()
    command = [
        *(sys.executable, "-m", "infra.local"),
        *("--port", str(port), "--aws-port", str(aws_port), "--data", str(data)),
        *("--threshold", str(THRESHOLD), *options),
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    log = data.parent / f"{data.name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=output, stderr=output, env=environment
        )
    try:
        endpoint.wait(port, process)
        local = Local(process, port, aws_port, log)
        yield local
        local.s3.close()
    finally:
        process.send_signal(signal.SIGINT)
        status = process.wait(60)
    assert status == 0, log.read_text()
