"""A process that does use cases in children of its own, which may die: ``mortal.py PLACE``.

It has everything imported and every network loaded, and is forked for each: a child starts as a
new Lambda would, within milliseconds. A line of its input is a use case and a fault, pickled; its
answer is the child's exit status.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial

from conftest import REPOSITORY, emulated
from injector import Fault, Injector
from standins import networks_loaded_once
from usecase import UseCase
from world import Place, use_cases

from infra.local import endpoint


class Mortal:
    """Has use cases done elsewhere."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def act(self, case: UseCase, at: int, fault: Fault) -> int:
        """Do a use case under a fault; returns how the process ended."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.write(base64.b64encode(pickle.dumps((case, at, fault))) + b"\n")
        stdin.flush()
        return int(stdout.readline())


@contextmanager
def mortal(place: Place) -> Iterator[Mortal]:
    """The process, for as long as the context lasts."""
    environment = endpoint.environment(place.url)
    environment["PYTHONPATH"] += f"{os.pathsep}{REPOSITORY / 'tests'}"
    command = [sys.executable, "-W", "ignore", __file__, json.dumps(asdict(place))]
    with subprocess.Popen(
        command,
        env=environment | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        yield Mortal(process)


def end_in_child(place: Place, line: bytes) -> None:
    """Do one use case, and end this process whatever comes of it."""
    try:
        case, at, fault = pickle.loads(base64.b64decode(line))
        client = Injector(at, fault).watching(partial(emulated, place.url))
        case.act(use_cases(place, client, case.threshold))
    finally:
        os._exit(0)


def main() -> None:
    """Do what is asked until the input ends."""
    place = Place(**json.loads(sys.argv[1]))
    with networks_loaded_once():
        for line in sys.stdin.buffer:
            child = os.fork()
            if child == 0:
                end_in_child(place, line)
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
