"""What happens in the background: a labelled clip taken in, a classifier fitted, a night heard."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3
import numpy as np

from infra.local import endpoint, runtimes
from tests import sparse
from tests.bench import measure
from tests.bench.clips import wav
from tests.load import long

RATE = 16_000
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def ingested(clips: int) -> dict[str, Any]:
    """Clips received, counted and embedded, one after the other, on an emulated AWS."""
    from earshot.settings import Settings
    from earshot.wiring import wire

    random = np.random.default_rng(1)
    with endpoint.emulator() as url:
        function = runtimes.deploy(url).functions["IngestFunction"]
        session = boto3.Session("local", "local", region_name=endpoint.REGION)

        def client(service: str, **options: Any) -> Any:
            return session.client(service, endpoint_url=url, **options)

        services = wire(Settings.from_environment(function.environment), client)
        keys = [f"samples/siren/{number}.wav" for number in range(clips)]
        for key in keys:
            noise = 0.1 * random.standard_normal(4 * RATE)
            services.store._client.put_object(
                Bucket=services.store.bucket, Key=key, Body=wav(noise)
            )
        services.serving.detector()
        wall, cpu = [], []
        for key in keys:
            began, used = time.perf_counter(), time.process_time()
            outcome = services.receive(key)
            wall.append((time.perf_counter() - began) * 1000)
            cpu.append((time.process_time() - used) * 1000)
            assert outcome.state == "added", outcome
    return measure.told(
        clips=clips,
        wall_ms=measure.median(wall),
        cpu_ms=measure.median(cpu),
        per_s=measure.median([1000 / one for one in wall]),
    )


def refitted(sizes: list[int]) -> dict[str, Any]:
    """Fits of so many embeddings, each in a process of its own."""
    found = {
        str(size): json.loads(
            subprocess.check_output(
                [sys.executable, "-m", "tests.bench.refit", str(size)], cwd=endpoint.REPOSITORY
            )
        )
        for size in sizes
    }
    return measure.told(embeddings=found)


def heard(hours: int) -> dict[str, Any]:
    """An hour of noise, and so many hours of a sparse file, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "noise.wav", Path(folder) / "night.wav"]
        long.noise(files[0], 1, RATE)
        sparse.write(files[1], "RIFF", RATE, hours * long.HOUR_S * RATE)
        found = [
            json.loads(
                subprocess.check_output(
                    [sys.executable, "-m", "tests.load.long", "--hear", str(file)],
                    cwd=endpoint.REPOSITORY,
                    env={**os.environ, **ONE_THREAD},
                )
            )
            for file in files
        ]
    return measure.told(files=found)
