"""What is nearest: by which comparison, on real recordings, and by a graph as one by one."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from conftest import DEFAULT_BUNDLE
from earshot.audio import decode
from earshot.bundle import EMBEDDINGS_FILE, Bundle
from earshot.detector import Detector
from earshot.search.nearest import Geometry, build_graph, candidates, load_graph, similarities
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SETS = ("esc10", "esc50_by")


def precision(
    values: Samples, labels: NDArray[np.str_], groups: NDArray[np.str_], k: int = 10
) -> float:
    """Of the ``k`` nearest of other recordings, the share of the same label."""
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    alike = unit @ unit.T
    alike[groups[:, None] == groups[None, :]] = -2
    nearest = np.argsort(-alike, axis=1)[:, :k]
    return float((labels[nearest] == labels[:, None]).mean())


def test_the_same_kind_of_sound_of_other_recordings_is_nearest(
    data_dir: Path, default_bundle: Bundle
) -> None:
    detector = Detector(default_bundle)
    values, labels, groups = [], [], []
    for name in SETS:
        with (data_dir / name / "manifest.csv").open(newline="") as lines:
            for row in list(csv.DictReader(lines))[::3]:
                waveform = decode((data_dir / name / row["path"]).read_bytes())
                values.append(detector.embed(waveform).mean(axis=0))
                labels.append(row["label"])
                groups.append(row["group"])
    raw, label, group = np.array(values), np.array(labels), np.array(groups)
    with np.load(DEFAULT_BUNDLE / EMBEDDINGS_FILE) as learnt:
        geometry = Geometry.fit(learnt["embedding"])
    compared = precision(geometry.project(raw), label, group)
    chance = np.mean([(label == one).mean() for one in label])
    # Twenty kinds that the default bundle never learnt: figures in docs/search.md.
    assert compared > precision(raw, label, group) + 0.15
    assert compared > 10 * chance


def clustered(n: int, seed: int = 0) -> Samples:
    """Unit vectors about two hundred centres."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(200, 64))
    values = centres[random.integers(0, 200, n)] + 0.8 * random.normal(size=(n, 64))
    unit: Samples = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_a_graph_finds_nearly_all_that_looking_through_everything_does() -> None:
    values, queries = clustered(8_000), clustered(40, seed=1)
    graph = load_graph(build_graph(values))
    shared = []
    for query in queries[:, np.newaxis]:
        exact = np.argsort(-similarities(values, query))[:10]
        some = candidates(graph, query, 200, len(values))
        found = some[np.argsort(-similarities(values[some], query))[:10]]
        shared.append(len(set(exact) & set(found)) / 10)
    assert np.mean(shared) >= 0.95


@pytest.mark.parametrize("n", [1, 2, 5, 300])
def test_few_vectors_and_the_same_again_can_be_compared(n: int) -> None:
    values = np.random.default_rng(n).normal(size=(n, 20)).astype(np.float32)
    geometry = Geometry.fit(np.concatenate([values, values]))
    unit = geometry.project(values)
    assert np.isfinite(unit).all()
    if n > 1:
        assert similarities(unit, unit[:1])[0] == pytest.approx(1, abs=1e-5)
        assert int(similarities(unit, unit[:1]).argmax()) == 0


def test_a_feature_that_never_changes_counts_for_nothing() -> None:
    values = np.random.default_rng(1).normal(size=(50, 6)).astype(np.float32)
    values[:, 3] = 1e4
    geometry = Geometry.unpack(Geometry.fit(values).pack())
    other = values.copy()
    other[:, 3] += 1e-4
    assert geometry.project(other) == pytest.approx(geometry.project(values), abs=1e-3)
