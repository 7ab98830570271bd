"""``python -m examples.season``: play the season, and write its report."""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from examples.season import cloud, report, world
from examples.season.story import Plan, Story

SEED = 2026
# A Monday.
SINCE = datetime(2026, 3, 2, tzinfo=UTC)


def main() -> int:
    """Play, and write ``season.md`` with its pictures."""
    parser = argparse.ArgumentParser(prog="python -m examples.season", description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="a folder with a manifest.csv; else sounds are made up"
    )
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--seed", type=int, default=SEED)
    for name, week in asdict(Plan()).items():
        parser.add_argument(f"--{name}", type=int, default=week, help="a number of weeks")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    random = np.random.default_rng(options.seed)
    heard = world.recorded(options.data, random) if options.data else world.made_up(random)
    plan = Plan(options.weeks, options.breaks, options.spoilt)
    parameters = {
        "RetrainThreshold": str(len(heard.labelled)),
        "ShadowPredictions": "150",
        "ShadowShare": "1",
    }
    with ExitStack() as stack:
        there = cloud.start(stack, parameters, SINCE)
        tell = partial(print, flush=True)
        season = Story(plan, heard, there, random, tell).play()
    report.write(season, options.out)
    print(f"The report is {options.out / 'season.md'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
