"""Starting the emulator, and the surroundings of a process that calls it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
LOOK_EVERY_S = 0.02


def environment(endpoint_url: str | None) -> dict[str, str]:
    """What a process needs to find AWS and the repository's packages, and little else.

    For an endpoint nothing that the caller's environment says of AWS is kept: a local stack must
    not reach a real account by a forgotten profile. Without one (None: AWS itself) all of it is.
    """
    path = (REPOSITORY / "functions", REPOSITORY / "layers" / "earshot", REPOSITORY)
    kept = ("HOME", "LANG", "PATH", "TMPDIR", "VIRTUAL_ENV")
    if endpoint_url:
        aws = {
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": endpoint_url,
        }
    else:
        aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        **aws,
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONUNBUFFERED": "1",
    }


def start_emulator(
    port: int, data: Path | None = None, host: str = "127.0.0.1"
) -> subprocess.Popen[bytes]:
    """Start the emulator's process; ``wait`` for it before the first call.

    It does not hear the terminal's Ctrl-C, so that others can finish with it before it is
    terminated, and it ends when the caller does.
    """
    options = ["--host", host, "--port", str(port), "--with-parent"]
    if data:
        options += ["--data", str(data.resolve())]
    return start("infra.local.emulator", options, environment(f"http://{host}:{port}"))


@contextmanager
def emulator(data: Path | None = None, host: str = "127.0.0.1") -> Iterator[str]:
    """An emulator on a free port for as long as the context lasts; gives its URL.

    ``host`` is another address of this machine's, for who is not on it, as containers are not.
    """
    port = free_port()
    process = start_emulator(port, data, host)
    try:
        wait(port, process, host=host)
        yield f"http://{host}:{port}"
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Terminate a process that ``start`` has started, and wait for its end."""
    process.terminate()
    process.wait(30)
    if process.stdin:
        process.stdin.close()


def start(
    module: str, options: Sequence[str], environment: Mapping[str, str], log: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a Python module in a process and a session of its own, holding its standard input."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", module, *options],
        cwd=REPOSITORY,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def tell(process: subprocess.Popen[bytes], values: Mapping[str, str]) -> None:
    """Write one line of JSON to the standard input of a process that ``start`` has started."""
    if process.stdin:
        process.stdin.write(json.dumps(dict(values)).encode() + b"\n")
        process.stdin.flush()


def end_with_parent() -> None:
    """Terminate this process when its standard input ends, as it does when its parent is gone."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def wait(
    port: int, process: subprocess.Popen[bytes], seconds: float = 30, host: str = "127.0.0.1"
) -> None:
    """Return when the port answers; raises RuntimeError when the process ends, or TimeoutError."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"What was to listen on port {port} ended: {process.returncode}.")
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(LOOK_EVERY_S)
        else:
            return
    raise TimeoutError(f"Nothing answers on port {port} after {seconds} s.")


def free_port() -> int:
    """A port that nobody listens on, and that no other process is given for the next minute.

    A connection that has just ended here keeps it for whoever asks for this port by its number.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.listen()
        with socket.create_connection(probe.getsockname()):
            probe.accept()[0].close()
        return int(probe.getsockname()[1])
