"""The API in a process of its own, spoken to byte by byte."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import REPOSITORY, clip, emulated

from infra.local import endpoint, stack

# How long nothing may come before a connection counts as hung.
PATIENCE_S = 30

PROBLEM = "application/problem+json"
# Uvicorn says this of what is not HTTP at all; no application is asked.
NOT_HTTP = b"Invalid HTTP request received."
WAV = clip("siren")


@dataclass(frozen=True)
class Answer:
    """What came back; ``status`` 0 when the connection was closed without an answer."""

    status: int
    content_type: str = ""
    body: bytes = b""

    def check(self) -> None:
        """No server error, and every error a problem."""
        assert self.status < 500, self
        if self.status >= 400 and self.body != NOT_HTTP:
            assert self.content_type == PROBLEM, self
            problem = json.loads(self.body)
            assert problem["status"] == self.status
            assert problem["code"]
            assert problem["request_id"]

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])


@dataclass(frozen=True)
class Server:
    """The API in a process of its own."""

    port: int
    pid: int

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def send(self, request: bytes, patience_s: float = PATIENCE_S) -> Answer:
        """Send bytes as they are, and read one answer."""
        with self.connect() as connection:
            # It may answer, and close, before all of it has come.
            with suppress(OSError):
                connection.sendall(request)
            connection.settimeout(patience_s)
            answer = http.client.HTTPResponse(connection, method=request[:4].decode("latin-1"))
            try:
                answer.begin()
                return Answer(answer.status, answer.getheader("content-type", ""), answer.read())
            except (OSError, http.client.HTTPException):
                return Answer(0)

    def hears(self) -> None:
        """A good recording is heard right, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        for method, path, body in (("GET", "/health", None), ("POST", "/predict", WAV)):
            connection.request(method, path, body, {"content-type": "audio/wav"})
            answer = connection.getresponse()
            told = json.loads(answer.read())
            assert answer.status == 200, told
        assert told["label"] == "siren"
        connection.close()

    def resident_mb(self) -> float:
        """How much memory the process has."""
        status = Path(f"/proc/{self.pid}/status")
        if not status.is_file():
            pytest.skip("the memory of another process is read from Linux's /proc")
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024


@contextmanager
def running(log: Path) -> Iterator[Server]:
    """The API over an emulated AWS; what it logs goes to a file."""
    with endpoint.emulator() as url, log.open("wb") as output:
        created = stack.deploy(
            REPOSITORY / "template.yaml",
            {"NamePrefix": "earshot"},
            emulated(url, "cloudformation"),
            emulated(url, "s3"),
        )
        port = endpoint.free_port()
        process = endpoint.start(
            "infra.local.api", ["--port", str(port)], endpoint.environment(url), output.fileno()
        )
        try:
            told = created.functions["PredictFunction"].environment
            endpoint.tell(process, {**told, "EARSHOT_AUTH": "off"})
            endpoint.wait(port, process)
            server = Server(port, process.pid)
            server.hears()
            yield server
        finally:
            endpoint.end(process)


def request(
    target: str | bytes,
    *headers: str | bytes,
    method: str = "GET",
    body: bytes | None = None,
    version: str = "HTTP/1.1",
) -> bytes:
    """A request, byte by byte; nothing is put right. With a body comes its length."""
    lines: list[str | bytes] = ["Host: 127.0.0.1", "Connection: close", *headers]
    if body is not None and not any(
        _raw(one).lower().startswith(b"content-length") for one in headers
    ):
        lines.append(f"Content-Length: {len(body)}")
    head = b" ".join((method.encode(), _raw(target), version.encode()))
    return b"\r\n".join((head, *map(_raw, lines), b"", body or b""))


def _raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")
