"""How well and how fast a search by example finds: ``make search`` writes docs/search.md.

Precision on real recordings, FOLDER's sets esc10, esc50_by, sesa and us8k_eco, by several ways to
compare; time, memory and recall on made vectors, each number of them in a process of its own, out
of a folder in the place of S3: what the network adds is not in it, what is read is told.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from earshot.audio import decode
from earshot.bundle import EMBEDDINGS_FILE, Bundle
from earshot.detector import Detector
from earshot.search import index
from earshot.search.index import Indexes, Wanted
from earshot.search.nearest import Geometry, build_graph
from earshot.search.vectors import GEOMETRY, ROW, VECTORS, Vectors, VectorStore
from earshot.services.packing import FULL
from earshot.services.search import LOOKED_UP

REPOSITORY = Path(__file__).parents[2]
BUNDLE = REPOSITORY / "infra" / "bundles" / "surveillance"
SETS = {
    "SESA, 4 labels": ("sesa",),
    "ESC-50, 20 classes": ("esc10", "esc50_by"),
    "UrbanSound8K, 3 classes": ("us8k_eco",),
}
SIZES = (1_000, 10_000, 100_000, 500_000)
SPACE = "0" * 32
QUERIES = 100
CENTRES = 2_000


class Folder:
    """As much of S3's client as a store of vectors asks, in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.read = 0

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803
        path = self.root / Key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Body)

    def get_object(self, *, Key: str, **_: Any) -> Any:  # noqa: N803
        path = self.root / Key
        self.read += path.stat().st_size
        return {"Body": path.open("rb")}

    def get_paginator(self, _: str) -> Folder:
        return self

    def paginate(self, **_: Any) -> list[Any]:
        found = sorted(path for path in self.root.rglob("*") if path.is_file())
        return [{"Contents": [self._told(path) for path in found]}]

    def _told(self, path: Path) -> dict[str, Any]:
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return {"Key": str(path.relative_to(self.root)), "LastModified": written}


# --- precision ----------------------------------------------------------------------------------


def precisions(data: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """Of the ten nearest clips of other recordings the share of the same class, by way."""
    detector = Detector(Bundle.load(BUNDLE))
    values, labels, groups = [], [], []
    for name in names:
        with (data / name / "manifest.csv").open(newline="") as lines:
            for row in csv.DictReader(lines):
                waveform = decode((data / name / row["path"]).read_bytes())
                values.append(detector.embed(waveform).mean(axis=0))
                labels.append(row["label"])
                groups.append(row["group"] or row["path"])
    raw, label, group = np.array(values), np.array(labels), np.array(groups)
    with np.load(BUNDLE / EMBEDDINGS_FILE) as learnt:
        geometry = Geometry.fit(learnt["embedding"])
    others = group[:, None] != group[None, :]
    same = label[:, None] == label[None, :]
    standard = (raw - geometry.mean) / geometry.spread

    def at_ten(compared: Any) -> float:
        unit = compared / np.linalg.norm(compared, axis=1, keepdims=True)
        nearest = np.argsort(-np.where(others, unit @ unit.T, -2), axis=1)[:, :10]
        return float(np.take_along_axis(same, nearest, axis=1).mean())

    return {
        "clips": len(raw),
        "random": float((same & others).sum() / others.sum()),
        "raw": at_ten(raw),
        "standard": at_ten(standard),
        "ours": at_ten(geometry.project(raw)),
    }


# --- time, memory, recall -----------------------------------------------------------------------


def made(n: int, random: np.random.Generator) -> Any:
    """Unit vectors about many centres, as sounds of many kinds."""
    centres = np.random.default_rng(7).normal(size=(CENTRES, 64)).astype(np.float32)
    values = centres[random.integers(0, CENTRES, n)]
    values = values + random.normal(size=(n, 64)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def stock(folder: Path, n: int) -> float:
    """Write segments of ``n`` vectors in all; answers the seconds that a graph took to build."""
    client: Any = Folder(folder)
    store = VectorStore(client, "artifacts")
    axes = np.linalg.qr(np.random.default_rng(3).normal(size=(1022, 64)))[0].astype(np.float32)
    geometry = Geometry(np.zeros(1022, np.float32), np.ones(1022, np.float32), axes)
    store.write(f"{VECTORS}{SPACE}/{GEOMETRY}", geometry.pack())
    random = np.random.default_rng(n)
    built = []
    for at in range(0, n, FULL):
        some = min(FULL, n - at)
        rows = np.zeros(some, ROW)
        rows["source"] = np.char.encode(np.arange(at, at + some).astype(str), "ascii")
        rows["mark"], rows["end_s"] = b"mark", 4.0
        vectors = Vectors(rows, ("siren", "ridge"), made(some, random).astype("<f2"))
        graph = None
        if n > index.EXACT:
            begun = time.process_time()
            graph = build_graph(vectors.values)
            built.append(time.process_time() - begun)
        store.add_segment(SPACE, vectors, graph)
    return float(np.median(built)) if built else 0.0


def measure(folder: Path) -> dict[str, float]:
    """Search in what ``stock`` wrote: cold, and warm, and what it takes."""
    client: Any = Folder(folder)
    before = peak_mb()
    indexes = Indexes(VectorStore(client, "artifacts"), BUNDLE)
    queries = made(QUERIES, np.random.default_rng(1))[:, np.newaxis]
    found = [_searched(indexes, query) for query in queries]
    peak = peak_mb()
    # Everything compared, one by one.
    index.EXACT = 1 << 62
    true = [_searched(indexes, query) for query in queries]
    shared = [len(mine & all_) / 10 for (mine, _), (all_, _) in zip(found, true, strict=True)]
    return {
        "cold_ms": found[0][1],
        "warm_ms": float(np.median([ms for _, ms in found[1:]])),
        "exact_ms": float(np.median([ms for _, ms in true])),
        "read_mb": client.read / 1e6,
        "memory_mb": peak - before,
        "recall": float(np.mean(shared)),
    }


def _searched(indexes: Indexes, query: Any) -> tuple[set[str], float]:
    """The ten nearest, and the milliseconds to find as many as a search looks up at once."""
    begun = time.process_time()
    hits = [*islice(indexes.of(SPACE).nearest(query, Wanted()), LOOKED_UP)]
    return {hit.source for hit in hits[:10]}, (time.process_time() - begun) * 1000


def peak_mb() -> float:
    """The most memory that this process has had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024


def measured(n: int) -> dict[str, float]:
    """The same in processes of their own."""
    folder = Path(tempfile.mkdtemp())
    try:
        (built,) = [float(line) for line in _said("--stock", n, folder)]
        (line,) = _said("--measure", n, folder)
        return {"graph_s": built, **json.loads(line)}
    finally:
        shutil.rmtree(folder)


def _said(what: str, n: int, folder: Path) -> list[str]:
    command = [sys.executable, __file__, what, str(folder), "--size", str(n)]
    one_core = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.check_output(command, text=True, env=one_core).splitlines()


# --- the page -----------------------------------------------------------------------------------


ABOUT = """# Search by example

Made by `make search FOLDER=…`: do not edit. `tests/bench/search.py` says how.

## What can be found

Samples, and of each recording the stretches that were detected (the 200 surest) or doubted, as \
soon as they are known, as far as the backbone in service has heard them: a training with another \
one embeds all samples anew. What was removed or replaced is not found. Sweeps take it out of one \
packed object a day, where it is a tenth or more.

What an Earshot without search took in is found once it is put into the bucket again. Samples are \
not counted a second time by that. Recordings are heard anew: what is doubtful in them is asked \
about again, and their alerts are raised again.

    aws s3 cp s3://$BUCKET/samples/ s3://$BUCKET/samples/ --recursive --metadata-directive REPLACE

## What is nearest

Of the ten nearest clips of other recordings, the share of the same class (precision@10). The \
default model's embedding, log-mel statistics beside the shipped network's figures, is compared by \
the cosine: as it is; after each feature was standardised; and as Earshot does it, on the 64 first \
principal axes of what the default bundle learnt from (SESA), each divided by the root of its \
spread. It never learnt the classes of the other two sets; ESC-50's sounds its network has heard.
"""
COMPARED = "| | clips | by chance | as it is | standardised | Earshot's |"
SPEED = """
## How fast, in how much memory

Made vectors about {centres:,} centres, packed in segments of {full:,}. Times are the processor's, \
on one core, whatever else runs. Cold is the first search of a process, with the reading from a \
folder in the place of S3; warm is the median of {warm}, with a look for what has come in. Up to \
{exact:,} all are compared, beyond that those that a graph leads to; recall@10 is the share of the \
ten truly nearest that is found. To hear the sound before takes as long as a prediction.
"""
TIMES = (
    "| vectors | cold, ms | warm, ms | all compared, ms | read, MB | memory, MB | recall@10 | "
    "a segment's graph, s |"
)


def page(data: Path, sizes: tuple[int, ...]) -> str:
    """docs/search.md."""
    lines = [ABOUT, COMPARED, "|---|---|---|---|---|---|"]
    for name, sets in SETS.items():
        found = precisions(data, sets)
        shares = (f"{found[way]:.3f}" for way in ("random", "raw", "standard", "ours"))
        lines.append(f"| {name} | {found['clips']} | {' | '.join(shares)} |")
    lines += [SPEED.format(centres=CENTRES, full=FULL, warm=QUERIES - 1, exact=index.EXACT)]
    lines += [TIMES, "|---|---|---|---|---|---|---|---|"]
    for n in sizes:
        one = measured(n)
        graph = f"{one['graph_s']:.1f}" if one["graph_s"] else "none"
        lines.append(
            f"| {n:,} | {one['cold_ms']:.0f} | {one['warm_ms']:.1f} | {one['exact_ms']:.1f} | "
            f"{one['read_mb']:.1f} | {one['memory_mb']:.0f} | {one['recall']:.3f} | {graph} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure everything and print the page, or do one part of it in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", metavar="FOLDER", type=Path, nargs="?", help="the sets")
    parser.add_argument("--stock", type=Path)
    parser.add_argument("--measure", type=Path)
    parser.add_argument("--size", type=int, action="append")
    given = parser.parse_args()
    if given.stock:
        print(stock(given.stock, given.size[0]))
    elif given.measure:
        print(json.dumps(measure(given.measure)))
    elif given.data:
        print(page(given.data, tuple(given.size or SIZES)), end="")
    else:
        parser.error("FOLDER is wanted: it holds the sets of real recordings")


if __name__ == "__main__":
    main()
