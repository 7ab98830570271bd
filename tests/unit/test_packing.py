"""Packing loses nothing and keeps nothing twice, wherever it ends and whoever else is at it."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from earshot.recording import Sample
from earshot.search import index
from earshot.search.index import Indexes, Wanted
from earshot.search.vectors import Stretch, Vectors, VectorStore, size_of, space_of
from earshot.services.packing import Packing
from hypothesis import given, settings
from hypothesis import strategies as st

SPACE = "backbone/4/4"
DIM = 8
NOWHERE = Path("no-bundle")
WRITTEN = datetime(2026, 11, 20, tzinfo=UTC)
LATER = datetime(2026, 11, 21, tzinfo=UTC)


class Dead(Exception):
    """A process that was killed."""


class Bucket:
    """S3 in memory; it dies at the call ``dies_at``, before or after its effect."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.written: dict[str, datetime] = {}
        self.calls = 0
        self.dies_at: int | None = None
        self.is_late = False

    def _call(self, effect: Any) -> Any:
        self.calls += 1
        dies = self.calls == self.dies_at
        if dies and not self.is_late:
            raise Dead
        answer = effect()
        if dies:
            raise Dead
        return answer

    def put_object(self, Key: str, Body: bytes, IfNoneMatch: str = "", **_: Any) -> None:  # noqa: N803
        if IfNoneMatch and Key in self.objects:
            raise _error("PreconditionFailed", 412)
        self.written[Key] = WRITTEN + timedelta(seconds=len(self.written))
        self._call(lambda: self.objects.update({Key: Body}))

    def get_object(self, Key: str, **_: Any) -> Any:  # noqa: N803
        if Key not in self.objects:
            raise _error("NoSuchKey", 404)
        return {"Body": io.BytesIO(self.objects[Key])}

    def delete_objects(self, Delete: Any, **_: Any) -> None:  # noqa: N803
        for one in Delete["Objects"]:
            self._call(lambda key=one["Key"]: self.objects.pop(key, None))

    def get_paginator(self, _: str) -> Bucket:
        return self

    def paginate(self, Prefix: str, **_: Any) -> Iterator[Any]:  # noqa: N803
        keys = sorted(key for key in self.objects if key.startswith(Prefix))
        yield {"Contents": [{"Key": key, "LastModified": self.written[key]} for key in keys]}


def _error(code: str, status: int) -> ClientError:
    content: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(content, "Operation")


def sample(number: int, label: str = "siren") -> Sample:
    value = np.random.default_rng(number).normal(size=(1, DIM)).astype(np.float32)
    return Sample(
        f"{number:064x}", label, "g", f"samples/{label}/{number}.wav", 4.0, SPACE, value, ""
    )


def store(bucket: Bucket) -> VectorStore:
    client: Any = bucket
    return VectorStore(client, "artifacts")


class Table:
    """As much of a catalog and of a logbook as packing asks: all samples but those ``gone``."""

    def __init__(self, gone: Collection[int] = ()) -> None:
        self.gone = gone

    def many(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: None for name in names if int(name, 16) not in self.gone}


def packing(
    bucket: Bucket, full: int = 8, gone: Collection[int] = (), kept: VectorStore | None = None
) -> Packing:
    table: Any = Table(gone)
    return Packing(kept or store(bucket), table, table, NOWHERE, full)


def held(bucket: Bucket, *, full: bool = False) -> list[int]:
    """Numbers of the samples that are held, with repeats; those of the full segments alone."""
    kept = store(bucket)
    listing = kept.listing(space_of(SPACE))
    keys = [key for key in listing.segments if size_of(key) == 8 or not full]
    found = kept.read([*keys, *(() if full else listing.fresh)])
    return sorted(int(row["source"], 16) for _, vectors in found if vectors for row in vectors.rows)


def found(bucket: Bucket) -> list[int]:
    """Numbers of what is found, in their order."""
    seen = Indexes(store(bucket), NOWHERE).of(space_of(SPACE))
    if seen.geometry is None:
        return []
    query = seen.geometry.project(np.ones((1, DIM), np.float32))
    return sorted(int(hit.source, 16) for hit in seen.nearest(query, Wanted()))


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes hundreds of vectors takes four here."""
    for module in ("earshot.search.nearest", "earshot.search.index", "earshot.services.packing"):
        monkeypatch.setattr(f"{module}.FIT_FROM", 4)
    monkeypatch.setattr("earshot.search.nearest.STANDARD_FROM", 2)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 30), min_size=1, max_size=12),
            st.one_of(st.none(), st.tuples(st.integers(1, 16), st.booleans())),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_came_in_is_found_once_wherever_a_sweep_died(rounds: list[Any]) -> None:
    bucket = Bucket()
    came: set[int] = set()
    for numbers, death in rounds:
        for number in numbers:
            store(bucket).keep_sample(sample(number))
        came |= set(numbers)
        if death:
            bucket.calls, (bucket.dies_at, bucket.is_late) = 0, death
        with suppress(Dead):
            packing(bucket).run()
        bucket.dies_at = None
        assert set(held(bucket)) == came
        # Before the first are packed, more than a few are not read.
        if not Indexes(store(bucket), NOWHERE).of(space_of(SPACE)).left_out:
            assert found(bucket) == sorted(came)
    for _ in range(2):
        packing(bucket).run()
    assert found(bucket) == sorted(came)
    assert set(held(bucket)) == came
    # What comes again is in the last segment as well, until that is full.
    assert len(held(bucket, full=True)) == len(set(held(bucket, full=True)))


def test_full_segments_stay_and_hold_nothing_that_another_one_does() -> None:
    bucket = Bucket()
    for number in range(20):
        store(bucket).keep_sample(sample(number))
    # Dies when the full ones are there and what they are made of is, too.
    bucket.calls, bucket.dies_at = 0, 7
    with pytest.raises(Dead):
        packing(bucket).run()
    bucket.dies_at = None
    assert len(held(bucket)) > 20
    packing(bucket).run()
    assert held(bucket) == list(range(20))
    listing = store(bucket).listing(space_of(SPACE))
    assert sorted(map(size_of, listing.segments)) == [4, 8, 8]
    full = {key for key in listing.segments if size_of(key) == 8}
    assert len(listing.graphs) == 2
    store(bucket).keep_sample(sample(77))
    packing(bucket).run()
    after = store(bucket).listing(space_of(SPACE))
    assert full < set(after.segments)
    assert sorted(map(size_of, after.segments)) == [5, 8, 8]


def test_who_reads_while_a_sweep_packs_finds_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket()
    for number in range(6):
        store(bucket).keep_sample(sample(number))
    reader = store(bucket)
    listed = reader.listings

    def listed_then_packed() -> Any:
        seen = listed()
        packing(bucket).run()
        return seen

    monkeypatch.setattr(reader, "listings", listed_then_packed)
    assert len(Indexes(reader, NOWHERE).of(space_of(SPACE))) == 6


def test_two_sweeps_at_once_lose_nothing() -> None:
    bucket = Bucket()
    for number in range(10):
        store(bucket).keep_sample(sample(number))
    slow = store(bucket)
    write = slow.add_segment

    def write_when_another_has_packed(*given: Any) -> str:
        packing(bucket).run()
        store(bucket).keep_sample(sample(99))
        return write(*given)

    slow.add_segment = write_when_another_has_packed  # type: ignore[method-assign]
    packing(bucket, 64, kept=slow).run()
    packing(bucket, 64).run()
    assert found(bucket) == [*range(10), 99]


def test_an_index_takes_in_what_comes_and_forgets_what_went() -> None:
    bucket = Bucket()
    indexes = Indexes(store(bucket), NOWHERE)
    space = space_of(SPACE)
    for number in range(12):
        store(bucket).keep_sample(sample(number))
        assert len(indexes.of(space)) == min(number + 1, 4)
    assert indexes.of(space).left_out == 8
    packing(bucket).run()
    assert len(indexes.of(space)) == 12
    store(bucket).keep_sample(sample(12))
    assert len(indexes.of(space)) == 13
    assert indexes.of(space).left_out == 0


def test_a_sweep_that_runs_out_of_time_leaves_the_rest_to_the_next() -> None:
    bucket = Bucket()
    for number in range(6):
        store(bucket).keep_sample(sample(number))
    assert packing(bucket).run(lambda: False) == 0
    assert held(bucket) == list(range(6))
    assert packing(bucket).run() == 6
    assert packing(bucket).run() == 0


def test_beyond_what_is_compared_one_by_one_a_graph_leads_to_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = Bucket()
    for number in range(60):
        store(bucket).keep_sample(sample(number, "siren" if number % 2 else "gunshot"))
    packing(bucket, 20).run()
    space = space_of(SPACE)
    exact = Indexes(store(bucket), NOWHERE).of(space)
    monkeypatch.setattr(index, "EXACT", 30)
    by_graph = Indexes(store(bucket), NOWHERE).of(space)
    assert [part.graph is not None for part in by_graph.parts] == [True] * 3
    assert exact.geometry
    queries = exact.geometry.project(np.random.default_rng(1).normal(size=(2, DIM)).astype("f4"))
    for wish in (Wanted(), Wanted("all", None, "siren")):
        assert [*by_graph.nearest(queries, wish)] == [*exact.nearest(queries, wish)]


def test_what_is_wanted_is_found_where_a_graph_leads_to_others_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = Bucket()
    for number in range(40):
        store(bucket).keep_sample(sample(number, "siren" if number % 2 else "gunshot"))
    packing(bucket, 20).run()
    monkeypatch.setattr(index, "EXACT", 10)
    monkeypatch.setattr(index, "LED_TO", 1)
    seen = Indexes(store(bucket), NOWHERE).of(space_of(SPACE))
    assert seen.geometry
    query = seen.geometry.project(np.ones((1, DIM), np.float32))
    for label in ("siren", "gunshot"):
        hits = [*seen.nearest(query, Wanted(label=label))]
        assert len({hit.source for hit in hits}) == len(hits) == 20
        assert {hit.label for hit in hits} == {label}


def test_hundreds_are_told_of_the_nearest_first_for_many_may_be_of_what_is_gone() -> None:
    bucket = Bucket()
    for number in range(300):
        store(bucket).keep_sample(sample(number))
    packing(bucket, 200).run()
    seen = Indexes(store(bucket), NOWHERE).of(space_of(SPACE))
    assert seen.geometry
    query = seen.geometry.project(np.ones((1, DIM), np.float32))
    near = [hit.similarity for hit in seen.nearest(query, Wanted())]
    assert (len(near), near) == (300, sorted(near, reverse=True))


def test_a_sample_that_gets_another_label_is_found_by_that_beside_full_segments() -> None:
    bucket = Bucket()
    for number in range(8):
        store(bucket).keep_sample(sample(number))
    packing(bucket).run()
    for number in range(8):
        store(bucket).keep_sample(sample(number, "gunshot"))
    packing(bucket).run()
    seen = Indexes(store(bucket), NOWHERE).of(space_of(SPACE))
    assert seen.geometry
    query = seen.geometry.project(np.ones((1, DIM), np.float32))
    for wish in (Wanted(), Wanted(label="gunshot"), Wanted(label="siren")):
        assert sorted(int(hit.source, 16) for hit in seen.nearest(query, wish)) == [*range(8)]


@settings(max_examples=30)
@given(
    st.sets(st.integers(0, 19)), st.one_of(st.none(), st.tuples(st.integers(1, 6), st.booleans()))
)
def test_what_is_gone_leaves_the_segments_and_nothing_else_does(
    gone: set[int], death: tuple[int, bool] | None
) -> None:
    bucket = Bucket()
    for number in range(20):
        store(bucket).keep_sample(sample(number))
    packing(bucket).run()
    assert packing(bucket, gone=gone).tidy(WRITTEN) == 0
    if death:
        bucket.calls, (bucket.dies_at, bucket.is_late) = 0, death
    # One segment a day: as many days as there are segments, anew after each that went.
    for day in range(30):
        with suppress(Dead):
            packing(bucket, gone=gone).tidy(LATER + timedelta(day))
        bucket.dies_at = None
        assert set(held(bucket)) >= set(range(20)) - gone
    assert held(bucket) == [number for number in range(20) if number not in gone]
    # Beside what comes, what is left is packed as ever.
    store(bucket).keep_sample(sample(99))
    packing(bucket).run()
    assert found(bucket) == [*(number for number in range(20) if number not in gone), 99]


def test_a_segment_of_which_little_is_gone_stays_and_so_does_one_when_it_got_late() -> None:
    bucket = Bucket()
    for number in range(20):
        store(bucket).keep_sample(sample(number))
    packing(bucket, 20).run()
    before = dict(bucket.objects)
    assert packing(bucket, gone=[3]).tidy(LATER) == 0
    assert packing(bucket, gone=[3, 4, 5]).tidy(LATER, lambda: False) == 0
    assert bucket.objects == before
    assert packing(bucket, gone=[3, 4, 5]).tidy(LATER) == 3


def test_the_oldest_is_left_out_where_memory_holds_no_more_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = Bucket()
    for number in range(20):
        store(bucket).keep_sample(sample(number))
    packing(bucket, 4).run()
    monkeypatch.setattr(index, "MOST", 10)
    seen = Indexes(store(bucket), NOWHERE).of(space_of(SPACE))
    assert (len(seen), seen.left_out) == (8, 3)
    assert found(bucket) == [*range(12, 20)]


def test_labels_and_sites_of_many_objects_stay_their_own() -> None:
    bucket = Bucket()
    kept = store(bucket)
    for number, (site, label) in enumerate([("ridge", "owl"), ("owl", "ridge"), ("bay", "wren")]):
        one = Stretch(float(number), number + 4.0, label, 0.5)
        values = np.random.default_rng(number).normal(size=(1, DIM)).astype(np.float32)
        vectors = Vectors.of_recording(f"{number:016x}", site, "mark", [one], values)
        kept.keep(SPACE, f"recording-{number}", vectors)
    kept.keep_sample(sample(9, "bay"))
    packing(bucket).run()
    seen = Indexes(kept, NOWHERE).of(space_of(SPACE))
    assert seen.geometry
    query = seen.geometry.project(np.ones((1, DIM), np.float32))
    for wish, label in (
        (Wanted(site="ridge"), "owl"),
        (Wanted(site="owl"), "ridge"),
        (Wanted(label="bay"), "bay"),
    ):
        (hit,) = seen.nearest(query, wish)
        assert hit.label == label
