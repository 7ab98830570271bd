"""What can be searched of a space, in memory: loaded object by object, ranked by similarity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np

from earshot.bundle import EMBEDDINGS_FILE
from earshot.search.nearest import FIT_FROM, Geometry, candidates, load_graph, similarities
from earshot.search.vectors import Listing, graph_of, joined, size_of, space_of

if TYPE_CHECKING:
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
# The nearest that are looked at, for some may be of what is gone.
HITS = 200


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

    def nearest(self, queries: Samples, wish: Wanted) -> list[Hit]:
        """Up to HITS that are wanted, the nearest to any of ``queries`` (as compared) first.

        All are compared while EXACT or fewer are wanted.
        """
        wanted = [part.wanted(wish) for part in self.parts]
        is_exact = sum(int(mask.sum()) for mask in wanted) <= EXACT
        found: list[tuple[float, int, int]] = []
        for number, (part, mask) in enumerate(zip(self.parts, wanted, strict=True)):
            values = part.vectors.values
            if is_exact or part.graph is None:
                at = np.flatnonzero(mask)
                # Without a copy where all are wanted.
                scores = similarities(values if len(at) == len(values) else values[at], queries)
            else:
                at = candidates(part.graph, queries, HITS, len(values))
                at = at[mask[at]]
                scores = similarities(values[at], queries)
            best = np.argpartition(-scores, HITS)[:HITS] if len(at) > HITS else range(len(at))
            found += [(float(scores[one]), number, int(at[one])) for one in best]
        found.sort(key=lambda one: (-one[0], one[1:]))
        return self._each_once(found)

    def at(self, recording: str, mark: str, start_s: float) -> tuple[Samples, Hit] | None:
        """The vector ``[1, kept]`` of the stretch of a recording that is nearest to a time.

        None when the time lies in none.
        """
        best = None
        for part in self.parts:
            rows = part.vectors.rows
            of_it = np.flatnonzero(
                (rows["source"] == recording.encode()) & (rows["mark"] == mark.encode())
            )
            for row in of_it.tolist():
                away = abs(float(rows[row]["start_s"]) - start_s)
                length = float(rows[row]["end_s"] - rows[row]["start_s"])
                if away <= length and (best is None or away < best[0]):
                    best = away, part, row
        if best is None:
            return None
        _, part, row = best
        return part.vectors.values[row : row + 1], _hit(part.vectors, row, 1.0)

    def _each_once(self, found: list[tuple[float, int, int]]) -> list[Hit]:
        """The first HITS; what is there twice, because a sweep is at work, is named once."""
        seen: set[Identity] = set()
        hits = []
        for similarity, number, row in found:
            hit = _hit(self.parts[number].vectors, row, similarity)
            if hit.identity not in seen:
                seen.add(hit.identity)
                hits.append(hit)
            if len(hits) == HITS:
                break
        return hits


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
        segments = _as_fit(listing.segments, MOST)
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


def _as_fit(segments: tuple[str, ...], most: int) -> list[str]:
    """As many of the segments as have ``most`` vectors together."""
    kept, held = [], 0
    for key in segments:
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
