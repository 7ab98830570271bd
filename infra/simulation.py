"""Small simulations of what many at once do to the counters and to the queue.

Seeded, and pure: the same arguments give the same answer. What AWS's services take is as their
documentation has it; times are arguments.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np
from earshot.statistics import SHARDS, SHARDS_OF_A_WRITER
from earshot.table import CONFLICT_TRIES

# DynamoDB: what one key takes in a second, and how many seconds of it may be saved up.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
KEY_WRITES_PER_S = 1000
SAVED_S = 300
# An item may not be larger.
ITEM_BYTES = 400 * 1024
# A shard's tally with its eight slots and the day's hours full, and what each writer leaves in it.
TALLY_BYTES = 1700
WRITER_BYTES = 16
# Lambda: batches of a queue at once at first, and so many more a minute.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
FIRST_BATCHES = 5
MORE_BATCHES_PER_MINUTE = 300
# As earshot.table waits before it tries a transaction again.
BACKOFF_S = 0.01


@dataclass(frozen=True)
class Counted:
    """What became of predictions' tallies: shares of all; ``units`` is what a write takes."""

    counted: float
    refused: float
    units: int


def count(
    per_second: float,
    writers: int,
    seconds: int = 1800,
    shards: int = len(SHARDS),
    seed: int = 0,
) -> Counted:
    """Count so many predictions a second, by so many writers in a day.

    The day's writers have all left their mark by now, so items are as large as they get, and what
    is saved up is there in the beginning. Boto's own repetitions are not simulated: they do no
    good while a key is hot.
    """
    random = np.random.default_rng(seed)
    spread = min(SHARDS_OF_A_WRITER, shards)
    size = TALLY_BYTES + WRITER_BYTES * writers * spread / shards
    if size > ITEM_BYTES:
        # DynamoDB takes no write at all that leaves an item larger.
        return Counted(0.0, 1.0, math.ceil(ITEM_BYTES / 1024))
    units = math.ceil(size / 1024)
    # A writer's shards are neighbours, and where they begin is chance for each process.
    first = random.integers(0, shards, size=max(writers, 1))
    load = np.bincount(
        (first[:, None] + np.arange(spread)).ravel() % shards, minlength=shards
    ).astype(float)
    load /= load.sum()
    saved = np.full(shards, float(KEY_WRITES_PER_S * SAVED_S))
    asked = taken = 0
    for _ in range(seconds):
        wanted = random.multinomial(random.poisson(per_second), load)
        there = saved + KEY_WRITES_PER_S
        done = np.minimum(wanted, there // units)
        saved = np.minimum(there - done * units, KEY_WRITES_PER_S * SAVED_S)
        asked += int(wanted.sum())
        taken += int(done.sum())
    share = taken / asked if asked else 1.0
    return Counted(share, 1 - share, units)


@dataclass(frozen=True)
class Drained:
    """How a queue ran empty: seconds, clips a second, and clips that gave up for a conflict."""

    seconds: float
    clips_per_s: float
    gave_up: int


def drain(
    clips: int,
    concurrency: int,
    clip_ms: float,
    transaction_ms: float = 10.0,
    shards: int = len(SHARDS),
    seed: int = 0,
) -> Drained:
    """Take in so many clips that wait, by up to so many workers, each one clip at a time.

    Each clip takes ``clip_ms`` and then a transaction on its shard's count. Two on one item at
    once are a conflict: one of them waits and tries again, up to CONFLICT_TRIES times; then its
    message comes back much later, which is not simulated but counted.
    """
    random = np.random.default_rng(seed)
    # What workers do next: moment, a number to break ties, the clip's shard, tries; 0 is to start.
    steps: list[tuple[float, int, int, int]] = []
    left, number, gave_up, end = clips, 0, 0, 0.0
    busy = [0.0] * shards

    def begin(at: float) -> None:
        nonlocal left, number
        if left:
            left -= 1
            number += 1
            # Workers that begin together do not stay together.
            ready = at + clip_ms / 1000 * random.uniform(0.5, 1.5)
            heapq.heappush(steps, (ready, number, int(random.integers(shards)), 1))

    for worker in range(min(concurrency, clips)):
        starts = max(worker - FIRST_BATCHES, 0) / MORE_BATCHES_PER_MINUTE * 60
        heapq.heappush(steps, (starts, -worker, 0, 0))
    while steps:
        at, which, shard, tries = heapq.heappop(steps)
        if tries == 0:
            begin(at)
            continue
        end = max(end, at)
        if busy[shard] <= at:
            busy[shard] = end = at + transaction_ms / 1000
            begin(busy[shard])
        elif tries < CONFLICT_TRIES:
            again = at + transaction_ms / 1000 + random.uniform(0, BACKOFF_S * 2**tries)
            heapq.heappush(steps, (again, which, shard, tries + 1))
        else:
            gave_up += 1
            begin(at)
    return Drained(end, (clips - gave_up) / end if end else math.inf, gave_up)
