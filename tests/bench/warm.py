"""Warm predictions: one process of ours, against others that get the same clips in turns.

- ``uncounted``: ours, but for its write to the table for each prediction;
- ``bare``: decoding and the model in a loop, without HTTP, a log, metrics or a table;
- ``reference``: FastAPI, librosa and Keras (servers/reference.py);
- ``bentoml``: our own ONNX file behind BentoML (servers/bento.py).

Ours is the predict function's ``app`` behind uvicorn: with its log, its metrics and its write to
the table for each prediction, on an emulated AWS on the same machine. One client asks, one
request after the other, over one connection; and, for the throughput, four at once.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from infra.local import endpoint, runtimes
from tests.bench import environments, measure
from tests.bench.clips import clips

SERVERS = Path(__file__).parent / "servers"
MODEL = endpoint.REPOSITORY / "infra" / "bundles" / "surveillance" / "model.onnx"
START_S = 120
AT_ONCE = 4
# Each on one core, as in Lambda with 1,769 MB.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1"
)


def measured(rounds: int, requests: int) -> dict[str, Any]:
    """Requests per second, latencies, processor's time, and ratios of ours to the others'."""
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        servers = {
            "ours": stack.enter_context(_ours("infra.local.api")),
            "uncounted": stack.enter_context(_ours("tests.bench.uncounted")),
        }
        for name, start in (("reference", _reference), ("bentoml", _bentoml)):
            try:
                servers[name] = stack.enter_context(start())
            except environments.NotInstalled as error:
                missing[name] = str(error)
        sides = {name: Client(port, pid) for name, (port, pid) in servers.items()}
        bare = stack.enter_context(_bare())
        took = measure.in_turns(
            {
                **{
                    name: partial(side.one_after_the_other, requests)
                    for name, side in sides.items()
                },
                "bare": partial(bare.run, requests),
            },
            rounds,
        )
        crowded = measure.in_turns(
            {name: partial(side.at_once, requests) for name, side in sides.items()}, rounds
        )
    per_s = {name: [requests / one for one in found] for name, found in took.items()}
    crowd_per_s = {name: [requests / one for one in found] for name, found in crowded.items()}
    return measure.told(
        requests=rounds * requests,
        per_s={name: measure.median(found) for name, found in per_s.items()},
        per_s_of_four_at_once={name: measure.median(found) for name, found in crowd_per_s.items()},
        ms={name: measure.quantiles(side.latencies) for name, side in sides.items()},
        cpu_ms={name: round(side.cpu_ms(), 2) for name, side in {**sides, "bare": bare}.items()},
        ratio=_of(per_s),
        ratio_of_four_at_once=_of(crowd_per_s),
        missing=missing,
    )


def _of(per_s: Mapping[str, list[float]]) -> dict[str, dict[str, dict[str, float]]]:
    """What ours, with the table and without, is of the others."""
    return {
        name: {
            other: measure.ratio(found, theirs)
            for other, theirs in per_s.items()
            if other not in {"ours", "uncounted"}
        }
        for name, found in per_s.items()
        if name in {"ours", "uncounted"}
    }


class Client:
    """Sends clips to a server as a form, and looks at what it answers."""

    def __init__(self, port: int, pid: int) -> None:
        self._port, self._pid = port, pid
        self._cpu_s = 0.0
        self._asked = 0
        self.latencies: list[float] = []
        self._connections = [
            http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(AT_ONCE)
        ]
        self._wake()

    def _wake(self) -> None:
        """Connect anew: who waits for its turn is hung up on."""
        for connection in self._connections:
            connection.close()
            for number in range(2):
                self.ask(number, connection)

    def ask(self, number: int, connection: http.client.HTTPConnection) -> float:
        """One prediction; its milliseconds."""
        body = (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="clip.wav"\r\n'
            b"Content-Type: audio/wav\r\n\r\n" + clips()[number % len(clips())] + b"\r\n--x--\r\n"
        )
        began = time.perf_counter()
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        connection.request("POST", "/predict", body, kind)
        answer = connection.getresponse()
        told = json.loads(answer.read())
        took_ms = (time.perf_counter() - began) * 1000
        assert answer.status == 200, told
        assert abs(sum(told["probabilities"].values()) - 1) < 1e-3, told
        return took_ms

    def one_after_the_other(self, requests: int) -> float:
        """Seconds for so many of them."""
        self._wake()
        began, before = time.perf_counter(), measure.cpu_s(self._pid)
        self.latencies += [self.ask(number, self._connections[0]) for number in range(requests)]
        took = time.perf_counter() - began
        self._cpu_s += measure.cpu_s(self._pid) - before
        self._asked += requests
        return took

    def at_once(self, requests: int) -> float:
        """Seconds for so many of them, AT_ONCE at a time."""
        self._wake()
        began = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            share = [range(place, requests, AT_ONCE) for place in range(AT_ONCE)]
            list(pool.map(self._asks, share, self._connections))
        return time.perf_counter() - began

    def _asks(self, numbers: range, connection: http.client.HTTPConnection) -> None:
        for number in numbers:
            self.ask(number, connection)

    def cpu_ms(self) -> float:
        """The processor's milliseconds for a prediction, of the server alone."""
        return self._cpu_s * 1000 / self._asked


@contextmanager
def _ours(module: str) -> Iterator[tuple[int, int]]:
    with endpoint.emulator() as url:
        function = runtimes.deploy(url).functions["PredictFunction"]
        port = endpoint.free_port()
        surroundings = {**endpoint.environment(url), **ONE_THREAD}
        process = endpoint.start(module, ["--port", str(port)], surroundings, subprocess.DEVNULL)
        endpoint.tell(process, function.environment)
        try:
            endpoint.wait(port, process, START_S)
            yield port, process.pid
        finally:
            endpoint.end(process)


@contextmanager
def _reference() -> Iterator[tuple[int, int]]:
    python = environments.binaries("reference") / "python"
    with _server([str(python), str(SERVERS / "reference.py"), "{port}"], {}) as found:
        yield found


@contextmanager
def _bentoml() -> Iterator[tuple[int, int]]:
    program = environments.binaries("bentoml") / "bentoml"
    command = [str(program), "serve", "bento:Classifier", "--port", "{port}"]
    told = {"EARSHOT_MODEL": str(MODEL), "BENTOML_DO_NOT_TRACK": "true"}
    with _server(command, told) as found:
        yield found


@contextmanager
def _server(command: list[str], told: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    port = endpoint.free_port()
    process = subprocess.Popen(
        [word.format(port=port) for word in command],
        cwd=SERVERS,
        env={**os.environ, **ONE_THREAD, **told},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        endpoint.wait(port, process, START_S)
        _until_it_answers(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def _until_it_answers(port: int) -> None:
    """BentoML listens before its worker is there."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            Client(port, os.getpid())
        except (AssertionError, OSError, ValueError, KeyError, http.client.HTTPException):
            time.sleep(1)
        else:
            return
    raise TimeoutError(f"Nothing right is answered on port {port} after {START_S} s.")


class Bare:
    """A process that decodes and hears clips when it is told how many."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._cpu_s = 0.0
        self._asked = 0

    def run(self, many: int) -> float:
        """Seconds for so many of them."""
        assert self._process.stdin
        assert self._process.stdout
        print(many, file=self._process.stdin, flush=True)
        took, used = map(float, self._process.stdout.readline().split())
        self._cpu_s += used
        self._asked += many
        return took

    def cpu_ms(self) -> float:
        """The processor's milliseconds for one."""
        return self._cpu_s * 1000 / self._asked


@contextmanager
def _bare() -> Iterator[Bare]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.bare"],
        cwd=endpoint.REPOSITORY,
        env={**os.environ, **ONE_THREAD},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Bare(process)
