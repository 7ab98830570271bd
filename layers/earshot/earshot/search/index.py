"""What can be searched of a space, in memory: loaded object by object, ranked by similarity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from heapq import merge
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np

from earshot.bundle import EMBEDDINGS_FILE
from earshot.search.nearest import FIT_FROM, Geometry, candidates, load_graph, similarities
from earshot.search.vectors import Listing, graph_of, joined, size_of, space_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from earshot.recording import Samples
    from earshot.search.nearest import Graph
    from earshot.search.vectors import Vectors, VectorStore

# A source, its mark, and where the stretch starts.
Identity = tuple[str, str, float]
Kind = Literal["recordings", "samples", "all"]

# So many are compared one by one, in a hundredth of a second; of more, those that a graph leads to.
EXACT = 100_000
# What is held in memory: 440 MB of vectors, with their graphs and what they are of.
MOST = 500_000
# Objects that are not packed yet, and are read one by one: some seconds of reading.
MOST_FRESH = 500
# Who reads while a sweep packs may find an object gone, and looks again.
LOOKS = 3
# The nearest that are looked at, until enough of them are not of what is gone.
HITS = 2_000
# Of each segment a graph leads to: as many as anybody asks for.
LED_TO = 100


@dataclass(frozen=True)
class Wanted:
    """What may be found: of a kind, at a site, of a label; by None of any."""

    kind: Kind = "all"
    site: str | None = None
    label: str | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """Some vectors, as they are compared, and the graph over them if they have one."""

    vectors: Vectors
    graph: Graph | None = None

    @cached_property
    def is_sample(self) -> NDArray[np.bool_]:
        """Which are samples."""
        return np.asarray(self.vectors.rows["mark"] == b"", dtype=bool)

    def wanted(self, wish: Wanted) -> NDArray[np.bool_]:
        """Which of them may be found."""
        rows, names = self.vectors.rows, self.vectors.names
        chosen = np.ones(len(rows), dtype=bool)
        if wish.kind != "all":
            chosen &= self.is_sample == (wish.kind == "samples")
        if wish.site is not None:
            chosen &= ~self.is_sample & (rows["site"] == _number(names, wish.site))
        if wish.label is not None:
            chosen &= rows["label"] == _number(names, wish.label)
        return chosen

    def led_to(self, queries: Samples) -> NDArray[np.bool_]:
        """Which of them its graph leads to; all without one."""
        if self.graph is None:
            return np.ones(len(self.vectors), dtype=bool)
        found = np.zeros(len(self.vectors), dtype=bool)
        found[candidates(self.graph, queries, LED_TO, len(found))] = True
        return found

    def ranked(self, queries: Samples, chosen: NDArray[np.bool_]) -> Iterator[Hit]:
        """Up to HITS of those that are ``chosen``, the nearest first."""
        at = np.flatnonzero(chosen)
        values = self.vectors.values
        # Without a copy where all are.
        scores = similarities(values if len(at) == len(values) else values[at], queries)
        best = np.argpartition(-scores, HITS)[:HITS] if len(at) > HITS else np.arange(len(at))
        for one in best[np.argsort(-scores[best], kind="stable")]:
            yield _hit(self.vectors, int(at[one]), float(scores[one]))


@dataclass(frozen=True)
class Hit:
    """A vector, by what it is of; ``mark`` is empty for a sample."""

    similarity: float
    source: str
    mark: str
    start_s: float
    end_s: float
    label: str
    confidence: float
    clip: str
    review: str

    @property
    def identity(self) -> Identity:
        """What tells it from all others."""
        return self.source, self.mark, self.start_s


@dataclass(frozen=True, eq=False)
class Index:
    """The vectors of a space at one time.

    ``left_out`` counts objects that are there and were not read: too many came in since the last
    sweep, or there are more than memory holds. ``others`` counts the spaces that cannot be
    compared.
    """

    geometry: Geometry | None = None
    parts: tuple[Part, ...] = ()
    left_out: int = 0
    others: int = 0

    def __len__(self) -> int:
        return sum(len(part.vectors) for part in self.parts)

    def nearest(self, queries: Samples, wish: Wanted) -> Iterator[Hit]:
        """Up to HITS that are wanted, the nearest to any of ``queries`` (as compared) first.

        Of more than EXACT those that graphs lead to come first, and then the nearest of the rest.
        """
        return islice(self._each_once(queries, [part.wanted(wish) for part in self.parts]), HITS)

    def at(self, recording: str, mark: str, start_s: float) -> tuple[Samples, Hit] | None:
        """The vector ``[1, kept]`` of the stretch of a recording in which a time lies.

        Of several the one that starts nearest to it; None when it lies in none.
        """
        best: tuple[float, Vectors, int] | None = None
        for vectors in (part.vectors for part in self.parts):
            rows = vectors.rows
            around = (
                (rows["source"] == recording.encode())
                & (rows["mark"] == mark.encode())
                & (rows["start_s"] <= start_s)
                & (start_s <= rows["end_s"])
            )
            for row in np.flatnonzero(around).tolist():
                away = start_s - float(rows[row]["start_s"])
                if best is None or away < best[0]:
                    best = away, vectors, row
        if best is None:
            return None
        _, vectors, row = best
        return vectors.values[row : row + 1], _hit(vectors, row, 1.0)

    def _each_once(self, queries: Samples, wanted: list[NDArray[np.bool_]]) -> Iterator[Hit]:
        """What is there twice, because a sweep is at work or its label was changed, once."""
        ways = [wanted]
        if sum(int(mask.sum()) for mask in wanted) > EXACT:
            led_to = [
                mask & part.led_to(queries) for part, mask in zip(self.parts, wanted, strict=True)
            ]
            ways = [led_to, wanted]
        seen: set[Identity] = set()
        for masks in ways:
            ranked = (
                part.ranked(queries, mask) for part, mask in zip(self.parts, masks, strict=True)
            )
            for hit in merge(*ranked, key=lambda hit: -hit.similarity):
                if hit.identity not in seen:
                    seen.add(hit.identity)
                    yield hit


class Indexes:
    """Holds the index of one space, and looks what has changed each time it is asked for."""

    def __init__(self, store: VectorStore, default_bundle: Path) -> None:
        self._store = store
        self._default_bundle = default_bundle
        self._lock = Lock()
        self._space = ""
        self._geometry: Geometry | None = None
        self._is_fixed = False
        # Segments as they are compared; fresh ones as well once it is known how.
        self._parts: dict[str, Part] = {}

    def of(self, space: str) -> Index:
        """What a space has now."""
        with self._lock:
            if space != self._space:
                self._space, self._parts = space, {}
                self._geometry, self._is_fixed = learnt_geometry(self._default_bundle, space), False
            for look in range(LOOKS):
                listings = self._store.listings()
                others = len(listings.keys() - {space})
                listing = listings.get(space) or Listing()
                index = self._look(listing, others, is_last=look == LOOKS - 1)
                if index is not None:
                    return index
            raise AssertionError

    def _look(self, listing: Listing, others: int, is_last: bool) -> Index | None:
        """The index of what is listed; None when some of it went meanwhile, unless ``is_last``."""
        if not self._is_fixed and listing.has_geometry:
            content = self._store.geometry(self._space)
            if content is not None:
                # What was read before was compared in another way.
                self._geometry, self._is_fixed, self._parts = Geometry.unpack(content), True, {}
        segments = _as_fit(listing, MOST)
        total = sum(map(size_of, segments))
        fresh = listing.fresh[:MOST_FRESH]
        there = {*segments, *fresh}
        self._parts = {key: part for key, part in self._parts.items() if key in there}
        missing = [key for key in (*segments, *fresh) if key not in self._parts]
        unread = 0
        for number, (key, vectors) in enumerate(self._store.read(missing)):
            if self._geometry is None and self._held >= FIT_FROM:
                # More is not needed to search, and a sweep will pack them in a moment.
                unread = len(missing) - number
                break
            if vectors is None:
                if not is_last:
                    return None
                continue
            self._parts[key] = Part(self._compared(vectors, key in segments))
        self._take_graphs(listing, segments, total)
        left_out = unread + len(listing.fresh) - len(fresh) + len(listing.segments) - len(segments)
        return self._index(left_out, others)

    @property
    def _held(self) -> int:
        return sum(len(part.vectors) for part in self._parts.values())

    def _compared(self, vectors: Vectors, is_segment: bool) -> Vectors:
        """Vectors as they are compared, or as embedded while nobody knows how."""
        if self._geometry is None:
            return vectors
        values = vectors.values.astype(np.float32, copy=False)
        projected = values if is_segment else self._geometry.project(values)
        return _with(vectors, projected)

    def _take_graphs(self, listing: Listing, segments: list[str], total: int) -> None:
        for key in segments if total > EXACT else ():
            part = self._parts.get(key)
            if part and part.graph is None and graph_of(key) in listing.graphs:
                content = self._store.find(graph_of(key))
                if content is not None:
                    self._parts[key] = Part(part.vectors, load_graph(content))

    def _index(self, left_out: int, others: int) -> Index:
        parts = tuple(self._parts.values())
        if self._geometry is not None or not parts:
            return Index(self._geometry, parts, left_out, others)
        together = joined([part.vectors for part in parts])
        geometry = Geometry.fit(together.values)
        compared = _with(together, geometry.project(together.values))
        return Index(geometry, (Part(compared),), left_out, others)


@lru_cache(maxsize=2)
def learnt_geometry(default_bundle: Path, space: str) -> Geometry | None:
    """How vectors are compared by what the default bundle learnt from, if that is of the space."""
    learnt = default_bundle / EMBEDDINGS_FILE
    if not learnt.is_file():
        return None
    with np.load(learnt, allow_pickle=False) as stored:
        if space_of(str(stored["embedded_by"])) != space:
            return None
        return Geometry.fit(stored["embedding"])


def _as_fit(listing: Listing, most: int) -> list[str]:
    """As many of the segments, the latest, as have ``most`` vectors together."""
    kept, held = [], 0
    for key in sorted(listing.segments, key=listing.written.__getitem__, reverse=True):
        if held + size_of(key) <= most:
            kept.append(key)
            held += size_of(key)
    return kept


def _with(vectors: Vectors, values: Samples) -> Vectors:
    return type(vectors)(vectors.rows, vectors.names, values)


def _number(names: tuple[str, ...], name: str) -> int:
    """A name's number, or one that no row has."""
    return names.index(name) if name in names else len(names)


def _hit(vectors: Vectors, row: int, similarity: float) -> Hit:
    found = vectors.rows[row]
    return Hit(
        similarity=similarity,
        source=found["source"].decode(),
        mark=found["mark"].decode(),
        start_s=float(found["start_s"]),
        end_s=float(found["end_s"]),
        label=vectors.names[found["label"]],
        confidence=float(found["confidence"]),
        clip=found["clip"].decode(),
        review=found["review"].decode(),
    )
