"""Which vectors are nearest: pure functions, and a graph for more than can be looked through.

Vectors are compared by the cosine of the angle between them, after each of their features was
standardised (log-mel statistics have offsets many times their spread) and they were turned to their
principal axes, of which the first AXES are kept, each divided by the root of its spread. Half of
whitening finds more of the same sound than none of it or all: ``docs/search.md`` has the figures.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

    from earshot.recording import Samples

AXES = 64
FIT_FROM = 256
STANDARD_FROM = 16
# A spread below this is rounding: dividing by it would make it all that counts.
LEAST_SPREAD = 1e-6

# Of Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
# hierarchical navigable small world graphs" (2018): what a vector is linked to, and how many
# candidates are followed while it is put in and while somebody searches.
LINKS = 16
BUILD_EF = 100
QUERY_EF = 100


@dataclass(frozen=True, eq=False)
class Geometry:
    """How vectors are compared: ``mean`` and ``spread`` ``[dim]``, ``axes`` ``[dim, kept]``."""

    mean: Samples
    spread: Samples
    axes: Samples

    @classmethod
    def fit(cls, values: Samples) -> Self:
        """From vectors ``[n, dim]``, at least one: by what so many can tell.

        Fewer than FIT_FROM tell the spread of each feature, and no axes; fewer than STANDARD_FROM
        tell nothing, and are compared as they are.
        """
        values = values.astype(np.float32, copy=False)
        dim = values.shape[1]
        if len(values) < STANDARD_FROM:
            return cls(np.zeros(dim, np.float32), np.ones(dim, np.float32), np.eye(dim, dtype="f4"))
        mean, spread = values.mean(axis=0), values.std(axis=0)
        spread = np.where(spread > LEAST_SPREAD, spread, 1.0).astype(np.float32)
        if len(values) < FIT_FROM:
            return cls(mean, spread, np.eye(dim, dtype=np.float32))
        standard = ((values - mean) / spread).astype(np.float64)
        # Of the covariance: a third of the time that all singular vectors take.
        variances, axes = np.linalg.eigh(standard.T @ standard / len(standard))
        variances, axes = variances[::-1][:AXES], axes[:, ::-1][:, :AXES]
        kept = variances > LEAST_SPREAD * variances[0]
        return cls(mean, spread, (axes[:, kept] / variances[kept] ** 0.25).astype(np.float32))

    def project(self, values: Samples) -> Samples:
        """Vectors ``[n, dim]`` as they are compared: unit vectors ``[n, kept]``."""
        turned = ((values - self.mean) / self.spread) @ self.axes
        lengths = np.linalg.norm(turned, axis=1, keepdims=True)
        projected: Samples = (turned / np.maximum(lengths, LEAST_SPREAD)).astype(np.float32)
        return projected

    def pack(self) -> bytes:
        """As an object's content."""
        file = io.BytesIO()
        np.savez(file, mean=self.mean, spread=self.spread, axes=self.axes)
        return file.getvalue()

    @classmethod
    def unpack(cls, content: bytes) -> Self:
        """Read what ``pack`` made."""
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return cls(stored["mean"], stored["spread"], stored["axes"])


class Graph(Protocol):
    """An index that can be searched, as Voyager's."""

    def query(self, vectors: Any, k: int, num_threads: int, query_ef: int) -> Any:
        """The numbers of about the ``k`` nearest, and their distances."""


def build_graph(values: Samples) -> bytes:
    """An HNSW graph over unit vectors ``[n, kept]``, as an object's content.

    It holds them in eight bits: what it finds is compared again with the vectors themselves.
    """
    from voyager import Index, Space, StorageDataType  # only for many vectors

    index = Index(
        Space.InnerProduct,
        values.shape[1],
        M=LINKS,
        ef_construction=BUILD_EF,
        max_elements=len(values),
        storage_data_type=StorageDataType.Float8,
    )
    index.add_items(values.astype(np.float32), num_threads=1)
    content: bytes = index.as_bytes()
    return content


def load_graph(content: bytes) -> Graph:
    """Read what ``build_graph`` made."""
    from voyager import Index

    graph: Graph = Index.load(io.BytesIO(content))
    return graph


def similarities(values: Samples, queries: Samples) -> Samples:
    """The cosine of each of unit vectors ``[n, kept]`` and the nearest of ``queries``: ``[n]``."""
    best: Samples = (values.astype(np.float32, copy=False) @ queries.T).max(axis=1)
    return best


def candidates(graph: Graph, queries: Samples, most: int, count: int) -> NDArray[np.int64]:
    """The numbers of about ``most`` vectors of a graph of ``count`` that are nearest to any."""
    k = min(most, count)
    found = [
        graph.query(query, k=k, num_threads=1, query_ef=max(QUERY_EF, k))[0] for query in queries
    ]
    return np.unique(np.concatenate(found).astype(np.int64))
