"""Embeddings that can be searched: objects in the artifacts bucket, a folder for each kind.

=====================================  =====================================================
``vectors/<space>/fresh/``             what one sample or one recording brought, as embedded
``vectors/<space>/geometry.npz``       how they are compared; fixed when the first are packed
``vectors/<space>/segments/<name>``    many of them packed, ``.npz``, and the graph over a
                                       full one, ``.graph``
=====================================  =====================================================

A space is what one ``embedding_id`` makes: only within it can vectors be compared. Objects never
change, and are named by their content or by where it is from. What lists a folder sees all there
is: what moves is written to its new place before it goes from the old, so that a vector may be
there twice for a while, and is never there not at all.
"""

from __future__ import annotations

import hashlib
import io
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from botocore.exceptions import ClientError

from earshot import objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Self

    from mypy_boto3_s3 import S3Client
    from numpy.typing import NDArray

    from earshot.recording import Sample, Samples

    Rows = NDArray[np.void]

VECTORS = "vectors/"
FRESH = "fresh/"
SEGMENTS = "segments/"
GEOMETRY = "geometry.npz"
MEDIA_TYPE = "application/octet-stream"
# Objects read at once: under the ten connections that boto3 pools.
READERS = 8

# What a vector is of. ``source`` is a sample's SHA-256 or a recording's id, ``mark`` the digest of
# the recording's content and the model that heard it, empty for a sample; ``clip`` and ``review``
# are empty where there is none; ``label`` and ``site`` are numbers of names.
ROW = np.dtype(
    [
        ("source", "S64"),
        ("mark", "S12"),
        ("start_s", "<f8"),
        ("end_s", "<f8"),
        ("confidence", "<f4"),
        ("label", "<u4"),
        ("site", "<u4"),
        ("clip", "S48"),
        ("review", "S16"),
    ]
)
# A label that a sample was told under is a row of its own: which one stands, the table alone knows.
IDENTITY = ["source", "mark", "start_s", "label"]

_SEGMENT = re.compile(r"[0-9a-f]{32}-(\d+)")


def space_of(embedding_id: str) -> str:
    """The folder of what one kind of embedding makes: 32 hex digits."""
    return hashlib.sha256(embedding_id.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Stretch:
    """A stretch of a recording that can be found, and what is heard in it."""

    start_s: float
    end_s: float
    label: str
    confidence: float
    clip: str = ""
    review: str = ""


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors ``values`` ``[n, dim]``, what each is of, and the ``names`` of labels and sites."""

    rows: Rows
    names: tuple[str, ...]
    values: Samples

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of_sample(cls, sample: Sample) -> Vectors:
        """A sample, as the mean of its windows; it has to have an embedding."""
        assert sample.embedding is not None
        rows = np.zeros(1, ROW)
        rows["source"], rows["end_s"] = sample.sha256, sample.duration_s
        mean = sample.embedding.mean(axis=0, keepdims=True, dtype=np.float32)
        return cls(rows, (sample.label,), mean)

    @classmethod
    def of_recording(
        cls, recording: str, site: str, mark: str, stretches: Sequence[Stretch], values: Samples
    ) -> Vectors:
        """Stretches of a recording."""
        labels = sorted({one.label for one in stretches})
        rows = np.array(
            [
                (
                    recording.encode(),
                    mark.encode(),
                    one.start_s,
                    one.end_s,
                    one.confidence,
                    labels.index(one.label),
                    len(labels),
                    one.clip.encode(),
                    one.review.encode(),
                )
                for one in stretches
            ],
            ROW,
        )
        return cls(rows, (*labels, site), values)

    def take(self, chosen: NDArray[Any]) -> Vectors:
        """Some of them, by numbers or by a mask."""
        return replace(self, rows=self.rows[chosen], values=self.values[chosen])

    @property
    def digest(self) -> str:
        """Names the content: 32 hex digits."""
        whole = hashlib.sha256(self.rows.tobytes())
        whole.update("\n".join(self.names).encode())
        whole.update(self.values.tobytes())
        return whole.hexdigest()[:32]

    def pack(self) -> bytes:
        """As an object's content."""
        file = io.BytesIO()
        np.savez(file, rows=self.rows, names=np.array(self.names), values=self.values)
        return file.getvalue()

    @classmethod
    def unpack(cls, content: bytes) -> Self:
        """Read what ``pack`` made."""
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            names = tuple(str(name) for name in stored["names"])
            return cls(stored["rows"], names, stored["values"])


def joined(parts: Sequence[Vectors]) -> Vectors:
    """Several as one, in their order; at least one."""
    names: dict[str, int] = {}
    rows = []
    for part in parts:
        numbers = np.array([names.setdefault(name, len(names)) for name in part.names], "<u4")
        mine = part.rows.copy()
        if len(numbers):
            # A sample has no site, and its zero means nothing.
            for name in ("label", "site"):
                mine[name] = numbers[part.rows[name]]
        rows.append(mine)
    values = np.concatenate([part.values for part in parts])
    return Vectors(np.concatenate(rows), tuple(names), values)


def _identities(vectors: Vectors) -> NDArray[Any]:
    """What tells each from the others among them, ``[n]``."""
    # A copy without the other fields, so that one comparison of bytes tells.
    kept = np.empty(len(vectors), [(name, ROW[name]) for name in IDENTITY])
    for name in IDENTITY:
        kept[name] = vectors.rows[name]
    return kept.view(f"V{kept.dtype.itemsize}")


def without_repeats(vectors: Vectors) -> Vectors:
    """Each once, as it was told of last, in an order that its content alone decides."""
    backwards = _identities(vectors)[::-1]
    _, first = np.unique(backwards, return_index=True)
    return vectors.take(len(vectors) - 1 - first)


def not_among(vectors: Vectors, others: Vectors) -> Vectors:
    """Those that are not among others."""
    both = _identities(joined([others, vectors]))
    return vectors.take(~np.isin(both[len(others) :], both[: len(others)]))


@dataclass(frozen=True)
class Listing:
    """What a space has: keys of ``fresh`` objects and of ``segments``, and which have a graph.

    ``written`` is when each of its objects was.
    """

    fresh: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    written: Mapping[str, datetime] = field(default_factory=dict)
    graphs: frozenset[str] = frozenset()
    has_geometry: bool = False


def _listing(folder: str, written: dict[str, datetime]) -> Listing:
    packed = [key for key in written if key.startswith(f"{folder}{SEGMENTS}")]
    return Listing(
        fresh=tuple(key for key in written if key.startswith(f"{folder}{FRESH}")),
        segments=tuple(key for key in packed if key.endswith(".npz")),
        written=written,
        graphs=frozenset(key for key in packed if key.endswith(".graph")),
        has_geometry=f"{folder}{GEOMETRY}" in written,
    )


def size_of(segment: str) -> int:
    """How many vectors a segment has, by its key."""
    found = _SEGMENT.search(segment)
    return int(found[1]) if found else 0


def graph_of(segment: str) -> str:
    """The key of a segment's graph."""
    return segment.removesuffix(".npz") + ".graph"


class VectorStore:
    """The artifacts bucket's folder of vectors. All writes are safe to repeat."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def keep_sample(self, sample: Sample) -> None:
        """Make a sample known to be searched for, once it has an embedding."""
        if sample.embedding is not None:
            source = f"sample-{sample.sha256}-{sample.label}"
            self.keep(sample.embedded_by, source, Vectors.of_sample(sample))

    def keep(self, embedding_id: str, source: str, vectors: Vectors) -> None:
        """Make vectors, as they were embedded, known under the name of their source."""
        key = f"{VECTORS}{space_of(embedding_id)}/{FRESH}{source}.npz"
        if len(vectors):
            self.write(key, vectors.pack())

    def add_segment(self, space: str, vectors: Vectors, graph: bytes | None) -> str:
        """Write a segment, after its graph if it has one; answers its key."""
        key = f"{VECTORS}{space}/{SEGMENTS}{vectors.digest}-{len(vectors)}.npz"
        if graph is not None:
            self.write(graph_of(key), graph)
        self.write(key, vectors.pack())
        return key

    def fix_geometry(self, space: str, content: bytes) -> bytes:
        """Fix how a space's vectors are compared; answers what is: somebody may have been first."""
        key = f"{VECTORS}{space}/{GEOMETRY}"
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content, IfNoneMatch="*")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (409, 412):
                raise
        return self.find(key) or content

    def geometry(self, space: str) -> bytes | None:
        """How a space's vectors are compared, if that is fixed."""
        return self.find(f"{VECTORS}{space}/{GEOMETRY}")

    def listings(self) -> dict[str, Listing]:
        """What there is in each space that has anything."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=VECTORS
        )
        found: dict[str, dict[str, datetime]] = {}
        for page in pages:
            for one in page.get("Contents", ()):
                space = one["Key"].split("/")[1]
                found.setdefault(space, {})[one["Key"]] = one["LastModified"]
        return {space: _listing(f"{VECTORS}{space}/", written) for space, written in found.items()}

    def listing(self, space: str) -> Listing:
        """What there is in one space."""
        return self.listings().get(space) or Listing()

    def read(self, keys: Sequence[str]) -> Iterator[tuple[str, Vectors | None]]:
        """Objects in the order of their keys; None for one that is gone."""
        with ThreadPoolExecutor(READERS) as pool:
            # A few at a time, so that what is read does not wait in memory.
            for at in range(0, len(keys), READERS):
                some = keys[at : at + READERS]
                for key, content in zip(some, pool.map(self.find, some), strict=True):
                    yield key, Vectors.unpack(content) if content is not None else None

    def find(self, key: str) -> bytes | None:
        """An object's content, or None."""
        return objects.find(self._client, self._bucket, key)

    def write(self, key: str, content: bytes) -> None:
        """Put an object."""
        self._client.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=MEDIA_TYPE)

    def remove(self, keys: Sequence[str]) -> None:
        """Delete objects, those that are there."""
        for at in range(0, len(keys), 1000):
            some: Any = [{"Key": key} for key in keys[at : at + 1000]]
            self._client.delete_objects(
                Bucket=self._bucket, Delete={"Objects": some, "Quiet": True}
            )
