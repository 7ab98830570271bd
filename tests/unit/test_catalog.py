from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from earshot.arrivals import Arrivals
from earshot.catalog import Catalog
from earshot.errors import LabelConflict
from earshot.recording import Refusal, Sample

if TYPE_CHECKING:
    from conftest import Aws


@pytest.fixture
def catalog(aws: Aws) -> Catalog:
    return Catalog(aws.dynamodb, "earshot")


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


def test_a_sample_comes_back_as_it_was(catalog: Catalog) -> None:
    assert catalog.add_sample(sample())
    (found,) = catalog.samples()
    assert vars(found) | {"embedding": 0} == vars(sample()) | {"embedding": 0}
    np.testing.assert_array_equal(found.embedding, sample().embedding)


def test_a_sample_may_wait_for_its_embedding(catalog: Catalog) -> None:
    assert catalog.add_sample(sample(embedded_by="", embedding=None))
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


def test_the_same_sample_is_counted_once(catalog: Catalog) -> None:
    assert catalog.add_sample(sample())
    assert not catalog.add_sample(sample())
    assert not catalog.add_sample(sample(key="samples/siren/other-name.flac"))
    assert catalog.standing().labels == {"siren": 1}
    assert len(list(catalog.samples())) == 1


def test_counts_are_per_label_over_all_shards(catalog: Catalog) -> None:
    for n in range(40):
        catalog.add_sample(sample(f"{n % 16:x}{n:063x}", "siren" if n % 4 else "casual"))
    standing = catalog.standing()
    assert standing.labels == {"casual": 10, "siren": 30}
    assert standing.total == standing.new == 40


def test_the_same_sound_under_another_label_is_a_conflict(catalog: Catalog) -> None:
    catalog.add_sample(sample())
    with pytest.raises(LabelConflict, match="'siren'"):
        catalog.add_sample(sample(label="casual"))
    assert catalog.standing().labels == {"siren": 1}


def test_a_refused_object_that_was_mended_is_refused_no_more(aws: Aws, catalog: Catalog) -> None:
    arrivals = Arrivals(aws.dynamodb, "earshot")
    arrivals.refuse(Refusal(sample().key, "empty_recording", "0 bytes", "2026-11-21T09:00:00Z"))
    arrivals.refuse(Refusal("samples/x", "bad_key", "no", "2026-11-21T09:00:01Z"))
    assert [refusal.key for refusal in arrivals.refusals()] == ["samples/x", sample().key]
    catalog.add_sample(sample())
    assert [refusal.key for refusal in arrivals.refusals()] == ["samples/x"]
