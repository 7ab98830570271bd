"""How fast it is, against what: ``make bench``, or ``python -m tests.bench cold warm``.

Each section is measured by itself and kept below .data/bench, so that one can be measured again
when the machine is quieter. From all of them docs/bench.md and docs/bench.json are written.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from infra.local import artefacts, endpoint, rie
from tests.bench import cold, jobs, page, sizes, warm

KEPT = endpoint.REPOSITORY / ".data" / "bench"


def main() -> int:
    """Measure what is asked for, and write what is known; 1 when something could not be."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("sections", nargs="*", help="of cold warm ingest refit long sizes; or all")
    parser.add_argument("--rounds", type=int, default=15, help="of each pair")
    parser.add_argument("--requests", type=int, default=60, help="in each round of warm")
    parser.add_argument("--clips", type=int, default=60, help="that are taken in")
    parser.add_argument(
        "--hours", type=int, default=2, help="of the sparse file; make long hears a day"
    )
    parser.add_argument("--most", type=int, default=100_000, help="embeddings to fit")
    parser.add_argument("--out", type=Path, default=endpoint.REPOSITORY / "docs")
    options = parser.parse_args()
    every: dict[str, Callable[[], dict[str, Any]]] = {
        "sizes": sizes.measured,
        "cold": partial(cold.measured, options.rounds),
        "warm": partial(warm.measured, options.rounds, options.requests),
        "ingest": partial(jobs.ingested, options.clips),
        "refit": partial(
            jobs.refitted, [size for size in (1_000, 10_000, 100_000) if size <= options.most]
        ),
        "long": partial(jobs.heard, options.hours),
    }
    if unknown := set(options.sections) - every.keys():
        parser.error(f"there are no sections {', '.join(sorted(unknown))}")
    KEPT.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in options.sections or every:
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            found = every[name]()
        except (rie.Unavailable, artefacts.NotBuilt) as error:
            print(f"{name} could not be measured: {error}", file=sys.stderr)
            failed = 1
            continue
        found["at"] = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime())
        found["machine"] = machine()
        (KEPT / f"{name}.json").write_text(json.dumps(found, indent=2))
        print(json.dumps(found, indent=2))
    known = {one.stem: json.loads(one.read_text()) for one in KEPT.glob("*.json")}
    if missing := every.keys() - known.keys():
        print(f"Nothing is written yet: {', '.join(sorted(missing))} are missing.", file=sys.stderr)
        return 1
    (options.out / "bench.json").write_text(json.dumps(page.figures(known), indent=2) + "\n")
    (options.out / "bench.md").write_text(page.written(known))
    return failed


def machine() -> str:
    """The processor and Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.processor()
    return f"{len(models) or '?'} x {name}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
