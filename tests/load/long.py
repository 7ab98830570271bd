"""Nights in one file: how fast they are heard, and in how much memory. ``make long``

Each file is heard by a process of its own, on one core, and the answer is a line of JSON:
``times_real_time`` by the clock, ``times_real_time_cpu`` by the processor's time, which counts on
a machine that does other things as well, and ``peak_rss_mb``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from earshot.audio.streams import opened
from earshot.bundle import Bundle
from earshot.detector import Detector
from earshot.field.listening import listen

from tests import sparse

BUNDLE = Path("infra/bundles/surveillance")
HOUR_S = 3600


class Parts(dict[int, bytes]):
    """Checkpoints in memory."""

    def load(self, part: int) -> bytes | None:
        return self.get(part)

    def save(self, part: int, content: bytes) -> None:
        self[part] = content


def noise(path: Path, hours: int, rate: int) -> None:
    """Noise that no codec makes small, in the format that the name's suffix says."""
    random = np.random.default_rng(6)
    with soundfile.SoundFile(path, "w", rate, 1) as file:
        for _ in range(hours * 60):
            file.write((0.05 * random.standard_normal(60 * rate)).astype(np.float32))


def make(folder: Path, hours: int) -> list[Path]:
    """The files that are heard."""
    files = [folder / name for name in ("night.wav", "night.rf64", "night48.w64")]
    sparse.write(files[0], "RIFF", 16_000, hours * HOUR_S * 16_000)
    sparse.write(files[1], "RF64", 16_000, 2 * hours * HOUR_S * 16_000)
    sparse.write(files[2], "W64", 48_000, hours * HOUR_S * 48_000)
    for suffix, rate in ((".wav", 16_000), (".flac", 48_000), (".ogg", 16_000), (".mp3", 16_000)):
        files.append(folder / f"noise{rate // 1000}{suffix}")
        noise(files[-1], 1, rate)
    return files


def hear(path: Path) -> dict[str, object]:
    """Hear one file, in this process."""
    detector = Detector(Bundle.load(BUNDLE))
    detector.warm()
    began, began_cpu = time.perf_counter(), time.process_time()
    with path.open("rb") as file, opened(file) as stream:
        hearing = listen(stream, detector, Parts())
        duration_s = stream.duration_s
    assert hearing is not None
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "hours": round(duration_s / HOUR_S, 3),
        "windows": len(hearing.starts),
        "seconds": round(took_s, 2),
        "times_real_time": round(duration_s / took_s),
        "times_real_time_cpu": round(duration_s / cpu_s),
        "peak_rss_mb": peak_kb() // 1024,
    }


def peak_kb() -> int:
    """The most memory this process had; getrusage would tell its parent's if that had more."""
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=24, help="length of the sparse files")
    parser.add_argument("--hear", type=Path, help="hear this file, and no others")
    options = parser.parse_args()
    if options.hear:
        print(json.dumps(hear(options.hear)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for file in make(Path(folder), options.hours):
            subprocess.run(
                [sys.executable, "-m", "tests.load.long", "--hear", str(file)],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                check=True,
            )


if __name__ == "__main__":
    main()
