"""Samples, their counts and the training runs, in the DynamoDB table.

========================  ==================  ==================================================
``pk``                    ``sk``              item
========================  ==================  ==================================================
``SAMPLES#<shard>``       SHA-256 of the PCM  a sample with its embedding, once there is a model
``COUNTS#<shard>``        ``COUNTS``          how many of each label the shard has: ``n#<label>``
``TRAINING``              ``TRAINING``        ``requested_total``, the total at the last request;
                                              ``active_run`` and ``active_until``
``RUNS``                  run                 a training run: state, stage, curve, verdicts
========================  ==================  ==================================================

A sample's shard is the first hex digit of its identity, so a put and its count meet in the same
shard, sixteen of which share the writes of a busy label.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from earshot.errors import LabelConflict
from earshot.recording import Sample
from earshot.runs import Standing
from earshot.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.recording import Samples

SHARDS = "0123456789abcdef"


class Catalog:
    """The table's contents. All writes are safe to repeat."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    # --- samples ---------------------------------------------------------------------------

    def add_sample(self, sample: Sample) -> bool:
        """Catalogue a sample and count it, in one transaction; False when it was there already.

        Raises LabelConflict when the same audio stands under another label.
        """
        added = self._table.transact(
            self._table.putting_new(_sample_item(sample)),
            self._table.updating(
                f"COUNTS#{sample.sha256[0]}",
                "COUNTS",
                "ADD #label :one",
                {"one": 1},
                names={"label": f"n#{sample.label}"},
            ),
            self._table.deleting("REFUSED", sample.key),
        )
        if not added:
            self._table.delete("REFUSED", sample.key)
            there = self.sample(sample.sha256)
            if there is not None and there.label != sample.label:
                raise LabelConflict(
                    f"{sample.key} is the same sound as {there.key}, which is catalogued as "
                    f"{there.label!r}. It is learnt as that; this one changes nothing."
                )
        return added

    def sample(self, sha256: str) -> Sample | None:
        """One sample by its identity."""
        item = self._table.get(f"SAMPLES#{sha256[0]}", sha256)
        return _sample(item) if item else None

    def samples(self) -> Iterator[Sample]:
        """Every sample with its embedding, shard by shard in the order of their identities."""
        for shard in SHARDS:
            for item in self._table.query(f"SAMPLES#{shard}"):
                yield _sample(item)

    def keep_embedding(self, sample: Sample, embedded_by: str, embedding: Samples) -> None:
        """Put a new embedding ``[windows, dim]`` in the place of ``sample``'s.

        Nothing happens when somebody else did, or the sample is gone: both are found again.
        """
        self._table.update(
            f"SAMPLES#{sample.sha256[0]}",
            sample.sha256,
            "SET embedded_by = :by, windows = :windows, embedding = :embedding",
            {"by": embedded_by, "before": sample.embedded_by, **_embedding_item(embedding)},
            when="embedded_by = :before",
        )

    def standing(self) -> Standing:
        """Counts and the state of training, read consistently in one round trip."""
        items = self._table.get_many(
            [*((f"COUNTS#{shard}", "COUNTS") for shard in SHARDS), ("TRAINING", "TRAINING")]
        )
        training = next((item for item in items if item["pk"] == "TRAINING"), {})
        labels: dict[str, int] = {}
        for item in items:
            for name, n in item.items():
                if name.startswith("n#"):
                    labels[name[2:]] = labels.get(name[2:], 0) + int(n)
        return Standing(
            labels=dict(sorted(labels.items())),
            total=sum(labels.values()),
            requested_total=int(training.get("requested_total", 0)),
            **_seat(training),
        )


def _sample_item(sample: Sample) -> dict[str, Any]:
    return {
        "pk": f"SAMPLES#{sample.sha256[0]}",
        "sk": sample.sha256,
        "label": sample.label,
        "group": sample.group,
        "key": sample.key,
        "duration_ms": round(sample.duration_s * 1000),
        "embedded_by": sample.embedded_by,
        "added_at": sample.added_at,
        **({} if sample.embedding is None else _embedding_item(sample.embedding)),
    }


def _embedding_item(embedding: Samples) -> dict[str, Any]:
    return {
        "windows": len(embedding),
        "embedding": embedding.astype("<f4", copy=False).tobytes(),
    }


def _sample(item: dict[str, Any]) -> Sample:
    embedding: Samples | None = None
    if "embedding" in item:
        stored = np.frombuffer(bytes(item["embedding"]), dtype="<f4")
        embedding = stored.reshape(int(item["windows"]), -1)
    return Sample(
        sha256=item["sk"],
        label=item["label"],
        group=item["group"],
        key=item["key"],
        duration_s=int(item["duration_ms"]) / 1000,
        embedded_by=item["embedded_by"],
        embedding=embedding,
        added_at=item["added_at"],
    )


def _seat(training: dict[str, Any]) -> dict[str, str | None]:
    """Who has the training seat, and whether its time is up."""
    is_alive = int(training.get("active_until", 0)) >= time.time()
    run: str | None = training.get("active_run")
    return {"active_run": run if is_alive else None, "silent_run": None if is_alive else run}
