"""``python -m examples.season``: play the season, and write its report."""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from earshot.settings import Settings

from examples.season import cloud, report, world
from examples.season.story import Story

FOLDER = Path(__file__).parent
REPOSITORY = FOLDER.parents[1]
SEED = 2026
# A Monday.
SINCE = datetime(2026, 3, 2, tzinfo=UTC)
SET = "sesa"


def main() -> int:
    """Play, and write ``season.md`` with its pictures."""
    parser = argparse.ArgumentParser(prog="python -m examples.season", description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="a folder with a manifest.csv; else sounds are made up"
    )
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    random = np.random.default_rng(options.seed)
    heard = world.recorded(options.data, random) if options.data else world.made_up(random)
    settings = Settings(
        recordings_bucket="recordings",
        artifacts_bucket="artifacts",
        table="earshot",
        event_bus="earshot",
        application=FOLDER / "season.toml",
        default_bundle=FOLDER / "no-bundle",
        retrain_threshold=len(heard.labelled),
        reload_s=1,
        auth="off",
        shadow_predictions=150,
        shadow_share=1.0,
    )
    with ExitStack() as stack:
        there = cloud.start(stack, settings, SINCE)
        season = Story(heard, there, random, lambda line: print(line, flush=True)).play()
    report.write(season, options.out)
    print(f"The report is {options.out / 'season.md'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
