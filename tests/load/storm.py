"""Many clips at once, some of them twice, and workers that are killed: ``make storm``.

Starts an emulator and the stack of template.yaml upon it, drops the clips, lets workers ingest
them, and kills one at random every few seconds. A clip whose workers were killed so often that it
became a dead letter is sent back, as by ``earshot dlq retry``. At the end every sound has to be
counted once.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import boto3
import numpy as np
import soundfile
from earshot.letters import DeadLetters
from earshot.settings import Settings
from earshot.wiring import wire

from infra.local import endpoint, stack

LABELS = ("casual", "explosion", "gunshot", "siren")
RATE = 16_000
# So long is a clip whose worker was killed in hand before it is delivered again; in the template
# it is six times Lambda's time-out, and this would take hours.
RETURNS_AFTER_S = 20
KILL_EVERY_S = 15.0
LOOK_EVERY_S = 1.0
PUTS_AT_ONCE = 8


def clip(number: int) -> bytes:
    """Half a second of noise of its own."""
    noise = 0.1 * np.random.default_rng(number).standard_normal(RATE // 2)
    file = io.BytesIO()
    soundfile.write(file, noise, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def drops(clips: int, repeated: float) -> dict[str, int]:
    """Keys, and the number of the sound in each: a share of them is a sound that came before."""
    chance = random.Random(5)
    found: dict[str, int] = {}
    sounds = 0
    for number in range(clips):
        is_new = not sounds or chance.random() >= repeated
        sound = sounds if is_new else chance.randrange(sounds)
        sounds += is_new
        found[f"samples/{LABELS[sound % len(LABELS)]}/{number}.wav"] = sound
    return found


class Workers:
    """Processes that ingest, one of which is killed now and then and replaced."""

    def __init__(self, queue: str, batch: int, surroundings: dict[str, str], many: int) -> None:
        self.killed = 0
        self._arguments = ["--queue", queue, "--handler", "ingest.handler.handler"]
        self._arguments += ["--batch-size", str(batch), "--with-parent"]
        self._surroundings = surroundings
        self._processes = [self._start() for _ in range(many)]

    def _start(self) -> subprocess.Popen[bytes]:
        return endpoint.start(
            "infra.local.poller", self._arguments, self._surroundings, subprocess.DEVNULL
        )

    def kill_one(self, chance: random.Random) -> None:
        """Kill -9 one of them, whatever it has in hand, and start another."""
        place = chance.randrange(len(self._processes))
        self._processes[place].kill()
        self._processes[place].wait()
        self._processes[place] = self._start()
        self.killed += 1

    def end(self) -> None:
        """Terminate them."""
        for process in self._processes:
            endpoint.end(process)


def main() -> int:
    """Run the storm and print its figures as JSON; 1 when a sound was lost or counted twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--repeated", type=float, default=0.3, help="share that came before")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with endpoint.emulator() as url:
        surroundings = endpoint.environment(url)
        client = partial(
            boto3.client,
            endpoint_url=url,
            region_name=endpoint.REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        deployed = stack.deploy(
            endpoint.REPOSITORY / "template.yaml",
            # Nothing trains: this is about counting.
            {"NamePrefix": "earshot", "RetrainThreshold": str(10 * options.clips)},
            client("cloudformation"),
            client("s3"),
        )
        figures = storm(
            options.clips, options.repeated, options.workers, deployed, surroundings, client
        )
    print(json.dumps(figures, indent=2))
    return 0 if figures["exact"] else 1


def storm(
    clips: int,
    repeated: float,
    many: int,
    deployed: stack.Stack,
    surroundings: dict[str, str],
    client: Any,
) -> dict[str, Any]:
    """Drop, kill, wait until the queue is empty, and compare the counts with what was dropped."""
    function = deployed.functions["IngestFunction"]
    assert function.source
    s3, sqs, queue = client("s3"), client("sqs"), function.source.queue_url
    dead_queue = deployed.outputs["IngestDeadLettersUrl"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": str(RETURNS_AFTER_S)})
    services = wire(Settings.from_environment(function.environment), client)
    bucket = services.store.bucket
    wanted = drops(clips, repeated)
    workers = Workers(
        queue, function.source.batch_size, {**surroundings, **function.environment}, many
    )
    chance, done = random.Random(7), threading.Event()

    def reap() -> None:
        while not done.wait(chance.expovariate(1 / KILL_EVERY_S)):
            workers.kill_one(chance)

    reaper = threading.Thread(target=reap)
    started = time.monotonic()
    reaper.start()
    try:
        with ThreadPoolExecutor(PUTS_AT_ONCE) as pool:
            for put in [
                pool.submit(s3.put_object, Bucket=bucket, Key=key, Body=clip(sound))
                for key, sound in wanted.items()
            ]:
                put.result()
        dropped = time.monotonic() - started
        letters = DeadLetters(sqs, dead_queue, services.failures)
        sent_back = 0
        while not (_is_empty(sqs, queue) and _is_empty(sqs, dead_queue)):
            if not _is_empty(sqs, dead_queue):
                sent_back += len(letters.retry().done)
            time.sleep(LOOK_EVERY_S)
        drained = time.monotonic() - started
    finally:
        done.set()
        reaper.join()
        workers.end()
    expected = Counter(LABELS[sound % len(LABELS)] for sound in set(wanted.values()))
    standing = services.catalog.standing()
    listed = Counter(sample.label for sample in services.catalog.samples())
    return {
        "clips": clips,
        "sounds": len(set(wanted.values())),
        "counted": standing.total,
        "exact": standing.labels == dict(expected) == dict(sorted(listed.items())),
        "workers": many,
        "killed": workers.killed,
        "dead_letters_sent_back": sent_back,
        "seconds_to_drop": round(dropped, 1),
        "seconds_to_drain": round(drained, 1),
        "clips_per_second": round(clips / drained, 1),
        "peak_worker_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
    }


def _is_empty(sqs: Any, queue: str) -> bool:
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    return not any(
        int(attributes[name])
        for name in ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    )


if __name__ == "__main__":
    sys.exit(main())
