"""The ``earshot`` command as a shell runs it, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import httpx2
import pytest
from earshot import cli
from earshot.cli import client, training
from fastapi.testclient import TestClient

Handler = Callable[[httpx2.Request], httpx2.Response]
Plain = httpx2.Client


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be nothing but JSON."""
        return json.loads(self.out)


class Shell:
    """Runs ``earshot`` as a shell does; what it asks goes to ``api``."""

    def __init__(self, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capsys = patch, capsys
        self.asked: list[httpx2.Request] = []

    def answers(self, api: Handler) -> None:
        lock = Lock()

        def handle(request: httpx2.Request) -> httpx2.Response:
            with lock:
                self.asked.append(request)
            return api(request)

        transport = httpx2.MockTransport(handle)
        self._patch.setattr(client.httpx2, "Client", partial(Plain, transport=transport))

    def __call__(self, *arguments: object, **environment: str) -> Done:
        with self._patch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr("sys.argv", ["earshot", *map(str, arguments)])
            self._capsys.readouterr()
            try:
                cli.main()
                code = 0
            except SystemExit as ended:
                code = int(ended.code or 0)
        return Done(code, *self._capsys.readouterr())


def problem(status: int, code: str, detail: str = "It is so. Do that.") -> httpx2.Response:
    content = {"status": status, "code": code, "detail": detail}
    return httpx2.Response(
        status, json=content, headers={"content-type": "application/problem+json"}
    )


def shell(patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], config: Path) -> Shell:
    """A shell whose user has nothing set but a folder for what is configured."""
    for name in ("ENDPOINT", "TOKEN", "PROFILE"):
        patch.delenv(f"EARSHOT_{name}", raising=False)
    patch.setenv("XDG_CONFIG_HOME", str(config))
    # One line stays one line.
    patch.setenv("COLUMNS", "300")
    patch.setattr(client, "PAUSE_S", 0.0)
    patch.setattr(training, "POLL_S", 0.0)
    return Shell(patch, capsys)


def answers_of(server: TestClient) -> Handler:
    """What a server in this process answers."""

    def ask(request: httpx2.Request) -> httpx2.Response:
        answer = server.request(
            request.method,
            request.url.raw_path.decode(),
            content=request.content,
            headers=dict(request.headers),
        )
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)

    return ask
