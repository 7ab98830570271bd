"""``make load``: locustfile.py's traffic against a deployment, or against Lambda's runtime here.

With ``--host`` against that one. Without, once for each number of ``--runtimes``: so many execution
environments of the built predict image behind an HTTP API (``infra.local.runtimes``), on an
emulated AWS on this machine. Locust, the emulator and the functions share its cores, so more of
them help only as long as there are cores for them. CSV and HTML lie below ``--out``; 1 when
anything failed.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local import endpoint

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
COLUMNS = {
    "Request Count": "requests",
    "Failure Count": "failed",
    "Requests/s": "per s",
    "50%": "p50 ms",
    "95%": "p95 ms",
    "99%": "p99 ms",
}
PREDICTIONS, ALL = "/predict", "Aggregated"


def main() -> int:
    """Run it, and print what predictions and all requests took."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.traffic", description=__doc__)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--time", default="1m", help="as Locust reads it: 30s, 5m, 1h")
    parser.add_argument("--runtimes", type=int, nargs="+", default=[1])
    parser.add_argument("--host", help="a deployment; EARSHOT_TOKEN is sent along")
    parser.add_argument("--out", type=Path, default=Path(".data/load"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    failed = 0
    print(f"| | {' | '.join(['requests of', *COLUMNS.values()])} |", flush=True)
    print(f"| --- {'| --- ' * (len(COLUMNS) + 1)}|", flush=True)
    for count in options.runtimes:
        if options.host:
            name, code = "host", _traffic(options.host, options, "host")
        else:
            name = f"{count} runtimes"
            with _runtimes(count, options.out) as host:
                code = _traffic(host, options, f"runtimes{count}")
        failed |= code
        prefix = "host" if options.host else f"runtimes{count}"
        for row in _read(options.out / f"{prefix}_stats.csv"):
            print(f"| {name} | {' | '.join(row)} |", flush=True)
        if options.host:
            break
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(
        f"\n{options.users} users, {options.time}; load average {load} on {os.cpu_count()} cores."
    )
    return failed


def _traffic(host: str, options: argparse.Namespace, name: str) -> int:
    """Locust without its page; what it says goes to a log beside its files."""
    prefix = options.out / name
    with prefix.with_suffix(".log").open("wb") as log:
        return subprocess.run(
            [
                *(sys.executable, "-W", "ignore", "-m", "locust", "-f", str(LOCUSTFILE)),
                *("--headless", "--only-summary", "--host", host),
                *("--users", str(options.users), "--spawn-rate", str(options.users)),
                *("--run-time", options.time, "--stop-timeout", "30"),
                *("--csv", str(prefix), "--html", f"{prefix}.html"),
            ],
            env={**os.environ, "PYTHONPATH": str(endpoint.REPOSITORY)},
            stdout=log,
            stderr=log,
            check=False,
        ).returncode


def _read(path: Path) -> Iterator[list[str]]:
    """Predictions, and all requests, of Locust's table."""
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["Name"] in {PREDICTIONS, ALL}:
                numbers = (float(row[column]) for column in COLUMNS)
                yield [row["Name"], *(f"{number:.4g}" for number in numbers)]


@contextmanager
def _runtimes(count: int, out: Path) -> Iterator[str]:
    port = endpoint.free_port()
    with (out / f"rie{count}.log").open("wb") as log:
        process = endpoint.start(
            "infra.local.runtimes",
            ["--port", str(port), "--count", str(count)],
            endpoint.environment(None),
            log.fileno(),
        )
        try:
            endpoint.wait(port, process, 120)
            yield f"http://127.0.0.1:{port}"
        finally:
            endpoint.end(process)


if __name__ == "__main__":
    sys.exit(main())
