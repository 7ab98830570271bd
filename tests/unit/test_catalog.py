from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from earshot.catalog import Catalog
from earshot.holdings import Holdings
from earshot.recording import Sample

if TYPE_CHECKING:
    pass


def sample(identity: str = "a" * 64, label: str = "siren", **changes: Any) -> Sample:
    made = Sample(
        sha256=identity,
        label=label,
        group=identity,
        key=f"samples/{label}/{identity[:4]}.wav",
        duration_s=4.5,
        embedded_by="b",
        embedding=np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
        added_at="2026-11-21T10:00:00.000Z",
    )
    return replace(made, **changes)


def test_a_sample_comes_back_as_it_was(catalog: Catalog, holdings: Holdings) -> None:
    assert holdings.hold(sample(), "1") == "added"
    (found,) = catalog.samples()
    assert vars(found) | {"embedding": 0} == vars(sample()) | {"embedding": 0}
    np.testing.assert_array_equal(found.embedding, sample().embedding)


def test_a_sample_may_wait_for_its_embedding(catalog: Catalog, holdings: Holdings) -> None:
    assert holdings.hold(sample(embedded_by="", embedding=None), "1") == "added"
    (waiting,) = catalog.samples()
    assert (waiting.embedded_by, waiting.embedding) == ("", None)
    embedding = np.ones((3, 2), dtype=np.float32)
    catalog.keep_embedding(waiting, "b", embedding)
    # Whoever comes later with what he read before changes nothing.
    catalog.keep_embedding(waiting, "a", 2 * embedding)
    catalog.keep_embedding(sample("f" * 64), "b", embedding)
    (found,) = catalog.samples()
    assert vars(found) | {"embedding": 0} == vars(sample()) | {"embedding": 0}
    np.testing.assert_array_equal(found.embedding, embedding)
    assert catalog.standing().total == 1


def test_counts_are_per_label_over_all_shards(catalog: Catalog, holdings: Holdings) -> None:
    for n in range(40):
        label = "siren" if n % 4 else "casual"
        holdings.hold(sample(f"{n % 16:x}{n:063x}", label, key=f"samples/{label}/{n}.wav"), "1")
    standing = catalog.standing()
    assert standing.labels == {"casual": 10, "siren": 30}
    assert standing.total == standing.new == 40
