"""What came in to be searched, packed by the sweep into few objects, and a graph over each.

Nothing is lost wherever it ends, for what it packs goes last. What is there twice then, or comes
again, is found once, and is held once when its segment is full. What is of a sample that was
removed, or of a recording that was replaced, is not found, and goes when a tenth of a segment is.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from earshot.field.listening import always
from earshot.search.index import learnt_geometry
from earshot.search.nearest import FIT_FROM, Geometry, build_graph
from earshot.search.vectors import graph_of, joined, not_among, size_of, without_repeats
from earshot.services.search import mark_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from earshot.catalog import Catalog
    from earshot.field.logbook import Logbook
    from earshot.recording import Samples
    from earshot.search.vectors import Listing, Vectors, VectorStore

logger = logging.getLogger(__name__)

# Vectors of a segment that is full, and is not packed again: 14 MB, and 7 s for its graph.
FULL = 50_000
# Objects that one sweep packs: those of half a minute, read eight at a time.
AT_ONCE = 5_000
# Between two looks at the clock.
BATCH = 200
# Of a segment that is worth writing anew this share is of what is gone.
WORTH = 0.1
# Samples or recordings that are looked up in one round trip.
LOOKED_UP = 100


class Packing:
    """Packs what is fresh. What the default bundle learnt from tells at once how to compare."""

    def __init__(
        self,
        store: VectorStore,
        catalog: Catalog,
        logbook: Logbook,
        default_bundle: Path,
        full: int = FULL,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._logbook = logbook
        self._default_bundle = default_bundle
        self._full = full

    def run(self, goes_on: Callable[[], bool] = always) -> int:
        """Pack what there is, as long as ``goes_on`` says yes; answers how many objects."""
        return sum(
            self._pack(space, listing, goes_on) for space, listing in self._store.listings().items()
        )

    def tidy(self, before: datetime, goes_on: Callable[[], bool] = always) -> int:
        """Write a segment anew without what is gone, another each day; answers how much was.

        Of those written ``before`` a moment, so that what they hold has long been recorded, or
        never will. To look 50,000 samples up costs 1.3 cents, and fewer recordings less.
        """
        old = sorted(
            (space, key)
            for space, listing in self._store.listings().items()
            for key in listing.segments
            if listing.written[key] < before
        )
        if not old:
            return 0
        space, key = old[before.toordinal() % len(old)]
        ((_, vectors),) = self._store.read([key])
        stands = self._stands(vectors, goes_on) if vectors is not None else None
        if vectors is None or stands is None or stands.mean() > 1 - WORTH:
            return 0
        if stands.any():
            self._store.add_segment(space, vectors.take(stands), None)
        self._store.remove([key, graph_of(key)])
        return int((~stands).sum())

    def _stands(self, vectors: Vectors, goes_on: Callable[[], bool]) -> NDArray[np.bool_] | None:
        """Which are of what is still there; None when it got late."""
        rows = vectors.rows
        is_sample = rows["mark"] == b""
        there: set[tuple[str, str]] = set()
        for sources, find in (
            (rows["source"][is_sample], self._samples),
            (rows["source"][~is_sample], self._recordings),
        ):
            names = [source.decode() for source in np.unique(sources)]
            for at in range(0, len(names), LOOKED_UP):
                if not goes_on():
                    return None
                there |= find(names[at : at + LOOKED_UP])
        marked = zip(rows["source"].tolist(), rows["mark"].tolist(), strict=True)
        return np.array([(source.decode(), mark.decode()) in there for source, mark in marked])

    def _samples(self, names: Sequence[str]) -> set[tuple[str, str]]:
        return {(name, "") for name in self._catalog.many(names)}

    def _recordings(self, names: Sequence[str]) -> set[tuple[str, str]]:
        found = self._logbook.many(names)
        return {(name, mark_of(record)) for name, record in found.items()}

    def _pack(self, space: str, listing: Listing, goes_on: Callable[[], bool]) -> int:
        geometry = self._geometry(space, listing) if listing.fresh else None
        if geometry is None:
            return 0
        taken, fresh = self._read(listing.fresh[:AT_ONCE], geometry, goes_on)
        if not taken:
            return 0
        # Those that are not full are written anew.
        partial = [key for key in listing.segments if size_of(key) < self._full]
        packed = [vectors for _, vectors in self._store.read(partial) if vectors is not None]
        written = self._write(space, listing, without_repeats(joined([*packed, *fresh])))
        gone = [*taken, *(key for key in partial if key not in written)]
        self._store.remove(gone)
        return len(taken)

    def _read(
        self, keys: Sequence[str], geometry: Geometry, goes_on: Callable[[], bool]
    ) -> tuple[list[str], list[Vectors]]:
        """Fresh objects, as they are compared, in half precision."""
        taken: list[str] = []
        found = []
        for at in range(0, len(keys), BATCH):
            if not goes_on():
                break
            for key, vectors in self._store.read(keys[at : at + BATCH]):
                if vectors is not None:
                    taken.append(key)
                    compared = geometry.project(vectors.values).astype("<f2")
                    found.append(replace(vectors, values=compared))
        return taken, found

    def _write(self, space: str, listing: Listing, vectors: Vectors) -> set[str]:
        """Write full segments with their graphs, and the rest as one; answers their keys."""
        if len(vectors) >= self._full:
            vectors = self._not_in_full_ones(listing, vectors)
        written = set()
        for at in range(0, len(vectors), self._full):
            some = vectors.take(np.arange(at, min(at + self._full, len(vectors))))
            is_full = len(some) == self._full
            graph = build_graph(some.values) if is_full else None
            written.add(self._store.add_segment(space, some, graph))
        return written

    def _not_in_full_ones(self, listing: Listing, vectors: Vectors) -> Vectors:
        """Those that no full segment has: a sweep that ended early may have left them behind."""
        full = [key for key in listing.segments if size_of(key) >= self._full]
        for _, others in self._store.read(full):
            if others is not None:
                vectors = not_among(vectors, others)
        return vectors

    def _geometry(self, space: str, listing: Listing) -> Geometry | None:
        """How a space's vectors are compared: fixed, or to be fixed now; None while they are few.

        By what the default bundle learnt from, if that is of this space: more than came in so far.
        """
        if listing.has_geometry:
            content = self._store.geometry(space)
            return Geometry.unpack(content) if content else None
        known = learnt_geometry(self._default_bundle, space) or self._first(listing)
        return known and Geometry.unpack(self._store.fix_geometry(space, known.pack()))

    def _first(self, listing: Listing) -> Geometry | None:
        """By the first FIT_FROM that came in, or None while there are fewer."""
        found: list[Samples] = []
        for _, vectors in self._store.read(listing.fresh[:AT_ONCE]):
            if vectors is not None:
                found.append(vectors.values)
            if sum(map(len, found)) >= FIT_FROM:
                return Geometry.fit(np.concatenate(found))
        return None
