"""Samples and their counts, in the DynamoDB table; ``earshot.holdings`` takes them in and out.

========================  ==================  ==================================================
``pk``                    ``sk``              item
========================  ==================  ==================================================
``SAMPLES#<shard>``       SHA-256 of the PCM  a sample with its embedding, once there is a model
``COUNTS#<shard>``        ``COUNTS``          how many of each label the shard has: ``n#<label>``;
                                              ``revision``, one more with each change; when they
                                              were counted last, ``recounted_at``
``TRAINING``              ``TRAINING``        of ``earshot.ledger``
========================  ==================  ==================================================

A sample's shard is the first hex digit of its identity, so a put and its count meet in the same
shard, sixteen of which share the writes of a busy label.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from earshot.recording import Sample
from earshot.runs import Standing
from earshot.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.recording import Samples
    from earshot.table import Item

SHARDS = "0123456789abcdef"


@dataclass(frozen=True)
class Recount:
    """What came of counting a shard anew: how many samples it has, and what was put right.

    ``changes`` has each label whose count was wrong, with what it was and what it is.
    """

    samples: int
    changes: dict[str, tuple[int, int]]


class Catalog:
    """What there is to learn from. All writes are safe to repeat."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    # --- samples ---------------------------------------------------------------------------

    def sample(self, sha256: str) -> Sample | None:
        """One sample by its identity."""
        item = self._table.get(f"SAMPLES#{sha256[0]}", sha256)
        return _sample(item) if item else None

    def many(self, sha256s: Sequence[str]) -> dict[str, Sample]:
        """Those of up to a hundred samples that exist, by their identity, in one round trip."""
        items = self._table.get_many([(f"SAMPLES#{one[0]}", one) for one in sha256s])
        return {sample.sha256: sample for sample in map(_sample, items)}

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

    def standing(self, *, to_request: bool = False) -> Standing:
        """Counts and the state of training, each read consistently, in one round trip.

        In two ``to_request`` a training: its state first, so that the request notices what is
        removed while the counts are read.
        """
        counts = [(f"COUNTS#{shard}", "COUNTS") for shard in SHARDS]
        if to_request:
            items = [self._table.get("TRAINING", "TRAINING"), *self._table.get_many(counts)]
        else:
            items = [*self._table.get_many([("TRAINING", "TRAINING"), *counts])]
        found = {item["pk"]: item for item in items if item}
        training = found.pop("TRAINING", {})
        labels: Counter[str] = Counter()
        for item in found.values():
            labels.update({name[2:]: int(n) for name, n in item.items() if name.startswith("n#")})
        return Standing(
            labels=dict(sorted((+labels).items())),
            total=labels.total(),
            requested_total=int(training.get("requested_total", 0)),
            active_run=training.get("active_run"),
            revisions={pk[-1]: int(item.get("revision", 0)) for pk, item in found.items()},
            marks={shard: int(mark) for shard, mark in training.get("marks", {}).items()},
            removals=int(training.get("removals", 0)),
            requested={label: int(n) for label, n in training.get("requested", {}).items()},
        )

    # --- drift -----------------------------------------------------------------------------

    def recounted(self) -> dict[str, str]:
        """When each shard was counted anew the last time, ISO 8601; empty where it never was."""
        items = self._table.get_many([(f"COUNTS#{shard}", "COUNTS") for shard in SHARDS])
        known = {item["pk"].partition("#")[2]: item.get("recounted_at", "") for item in items}
        return {shard: known.get(shard, "") for shard in SHARDS}

    def recount(self, shard: str, at: str) -> Recount:
        """Count a shard's samples anew and put its counts right, unless they changed meanwhile.

        DynamoDB bills the samples whole, embeddings and all, though labels alone are asked for.
        """
        pk = f"COUNTS#{shard}"
        item = self._table.get(pk, "COUNTS") or {}
        stood = {name[2:]: int(n) for name, n in item.items() if name.startswith("n#")}
        there = Counter(
            str(sample["label"])
            for sample in self._table.query(f"SAMPLES#{shard}", only=("label",))
        )
        wrong = sorted(label for label in stood | there if stood.get(label, 0) != there[label])
        settled = self._table.transact(
            self._table.updating(
                pk,
                "COUNTS",
                ", ".join(
                    ["SET recounted_at = :at", *(f"#n{i} = :n{i}" for i in range(len(wrong)))]
                )
                + " ADD revision :one",
                {"at": at, "one": 1, **({"seen": item["revision"]} if "revision" in item else {})}
                | {f"n{i}": there[label] for i, label in enumerate(wrong)},
                names={f"n{i}": f"n#{label}" for i, label in enumerate(wrong)},
                # What came or went meanwhile was counted, and may have been passed over here.
                when="revision = :seen" if "revision" in item else "attribute_not_exists(revision)",
            )
        )
        changes = {label: (stood.get(label, 0), there[label]) for label in wrong}
        return Recount(there.total(), changes if settled else {})


def sample_item(sample: Sample) -> Item:
    """A sample as it is kept."""
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
