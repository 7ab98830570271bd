"""Hostile audio files: each is decoded or refused, in bounded memory, and nothing else happens.

EARSHOT_FUZZ says how many are tried; the same number tries the same ones. They are decoded in a
process of its own, so that a codec that crashes or hangs does not take the tests with it, but is
named with the file that made it: ``python tests/fuzz/decoding.py N N+1`` tries number N again.
"""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from conftest import REPOSITORY
from decoding import outcome
from fastapi.testclient import TestClient
from mutations import mutant, originals
from ogg import checksum

from predict.app import create_app

if TYPE_CHECKING:
    from earshot.services import Services

FILES = int(os.environ.get("EARSHOT_FUZZ", "500"))
# Of every so many files one is sent to the API as well, where it is decoded and listened to.
SENT = 20
# The longest that is taken, ten minutes at 96 kHz, is 240 MB; the rest is a decoder's own.
MEMORY_MB = 400
# Not how long a file may take, but how long nothing may be heard of the process.
SILENCE_S = 120
COMPLAINT = re.compile(r"\[src/libmpg123/|(Warning|Note): |$")


@dataclass
class Run:
    """What came of files by their numbers, and what should not have come."""

    outcomes: dict[int, str] = field(default_factory=dict)
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    stderr: str = ""
    first_mb: int = 0
    peak_mb: int = 0
    hungriest: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        counts = Counter(self.outcomes.values())
        refused = "  ".join(f"{code} {n}" for code, n in counts.most_common() if code != "decoded")
        return (
            f"audio: {len(self.outcomes)} files  decoded {counts['decoded']}  {refused}  "
            f"crashes {len(self.crashes)}  hangs {len(self.hangs)}  "
            f"peak RSS {self.peak_mb} MB (from {self.first_mb} MB)  {self.seconds:.0f} s"
        )


def decode_all(count: int) -> Run:
    """Decode files 0 to ``count``; after a crash or a hang a new process goes on with the next."""
    run, started, first = Run(), time.monotonic(), 0
    while first < count:
        first = _decode_from(run, first, count)
    run.seconds = time.monotonic() - started
    return run


def _decode_from(run: Run, first: int, stop: int) -> int:
    """Until the end, or the file that ended it; returns the next one to try."""
    at, name, hangs = first, "before the first file", False
    lines: queue.Queue[list[str]] = queue.Queue()
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            [sys.executable, "-W", "error", "tests/fuzz/decoding.py", str(first), str(stop)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests'}"},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdout
        reader = threading.Thread(target=_follow, args=(process.stdout, lines))
        reader.start()
        try:
            while line := lines.get(timeout=SILENCE_S):
                match line:
                    case ["ready", mb]:
                        run.first_mb = run.first_mb or int(mb)
                    case [seed, "is", what]:
                        at, name = int(seed), what
                    case [seed, code, mb]:
                        run.outcomes[int(seed)] = code
                        if int(mb) > run.peak_mb:
                            run.peak_mb, run.hungriest = int(mb), f"{seed} ({name})"
        except queue.Empty:
            hangs = True
            process.kill()
        status = process.wait()
        reader.join()
        errors.seek(0)
        said = errors.read()
    if hangs:
        run.hangs.append(f"{at} ({name})")
    elif status:
        run.crashes.append(f"{at} ({name}): exit {status}: {said[-1000:]}")
    else:
        run.stderr += said
        return stop
    return at + 1


def _follow(stream: Iterable[str], lines: queue.Queue[list[str]]) -> None:
    """Pass the lines on as lists of words, an empty one at the end."""
    for line in stream:
        lines.put(line.rstrip("\n").split("\t"))
    lines.put([])


@pytest.fixture(scope="module")
def run() -> Run:
    return decode_all(FILES)


def test_a_file_is_decoded_or_refused_in_bounded_memory(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n{run}")
    assert run.crashes == []
    assert run.hangs == []
    # libmpg123, inside libsndfile, complains there of what it mends; nothing else may.
    assert [line for line in run.stderr.splitlines() if not COMPLAINT.match(line)] == []
    assert sorted(run.outcomes) == list(range(FILES))
    assert run.peak_mb - run.first_mb < MEMORY_MB, run.hungriest
    # Were all of them refused for one reason, they would try nothing.
    counts = Counter(run.outcomes.values())
    assert len(counts) > 5
    assert max(counts.values()) < 0.7 * FILES


def test_the_api_answers_each_as_it_should(run: Run, services: Services) -> None:
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        for seed in range(0, FILES, SENT):
            name, data = mutant(seed)
            answer = client.post("/predict", files={"file": ("recording", data)})
            code = "decoded" if answer.status_code == 200 else answer.json()["code"]
            status = {"decoded": 200, "unsupported_format": 415}.get(code, 422)
            assert (answer.status_code, code) == (status, run.outcomes[seed]), f"{seed} ({name})"


def test_a_number_names_a_file() -> None:
    made = [mutant(seed) for seed in range(40)]
    originals.cache_clear()
    assert [mutant(seed) for seed in range(40)] == made


def test_the_files_before_they_are_changed_are_good() -> None:
    for name, data in originals().items():
        assert outcome(data) == "decoded", name
        if name.startswith("ogg"):
            again = bytearray(data)
            checksum(again)
            assert again == data, "our checksums are those of the library"


@pytest.mark.parametrize(
    ("program", "crashes", "hangs"),
    [("import os; os.abort()", 2, 0), ("import time; time.sleep(600)", 0, 2)],
)
def test_a_crash_and_a_hang_are_noticed(
    program: str, crashes: int, hangs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = subprocess.Popen
    monkeypatch.setattr(f"{__name__}.SILENCE_S", 1)
    monkeypatch.setattr(
        subprocess, "Popen", lambda _, **kw: started([sys.executable, "-c", program], **kw)
    )
    run = decode_all(2)
    assert (len(run.crashes), len(run.hangs)) == (crashes, hangs)
