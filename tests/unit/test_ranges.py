"""A file far away: the same bytes as the file itself, wherever one goes in it, in few fetches."""

from __future__ import annotations

import io

import pytest
from earshot import ranges
from earshot.ranges import RangedFile
from hypothesis import given
from hypothesis import strategies as st

CONTENT = bytes(range(251)) * 20


def remote(content: bytes) -> tuple[RangedFile, list[tuple[int, int]]]:
    """A file, and the stretches that were fetched of it."""
    fetched: list[tuple[int, int]] = []

    def fetch(start: int, stop: int) -> bytes:
        assert 0 <= start < stop <= len(content)
        fetched.append((start, stop))
        return content[start:stop]

    return RangedFile(fetch, len(content)), fetched


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> object:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ranges, "BLOCK", 64)
        patched.setattr(ranges, "KEPT", 10)
        yield


@given(
    st.integers(0, 5_020),
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(-6_000, 6_000), st.integers(0, 700)), max_size=30
    ),
)
def test_it_reads_as_the_file_itself_does(size: int, steps: list[tuple[int, int, int]]) -> None:
    near = io.BytesIO(CONTENT[:size])
    far, _ = remote(CONTENT[:size])
    for whence, offset, wanted in steps:
        place = {0: 0, 1: near.tell(), 2: size}[whence] + offset
        if place < 0:
            with pytest.raises(ValueError, match="no byte"):
                far.seek(offset, whence)
            continue
        assert far.seek(offset, whence) == near.seek(place)
        assert far.read(wanted) == near.read(wanted)
        assert far.tell() == near.tell()


def test_who_reads_on_fetches_each_byte_once_and_more_at_a_time() -> None:
    far, fetched = remote(CONTENT)
    assert b"".join(iter(lambda: far.read(33), b"")) == CONTENT
    assert [start for start, _ in fetched[1:]] == [stop for _, stop in fetched[:-1]]
    assert (fetched[0][0], fetched[-1][1]) == (0, len(CONTENT))
    assert len(fetched) < 15


def test_what_was_read_lately_is_not_fetched_again() -> None:
    far, fetched = remote(CONTENT)
    for place in (0, 2_950, 0, 2_950, 10):
        far.seek(place)
        far.read(10)
    assert fetched == [(0, 128), (2_944, 3_008)]


def test_little_is_held() -> None:
    far, _ = remote(CONTENT)
    far.read()
    assert len(far._blocks) <= 10


def test_a_fetch_that_fails_is_told_and_may_be_tried_again() -> None:
    fails = True

    def fetch(start: int, stop: int) -> bytes:
        if fails:
            raise ConnectionError
        return CONTENT[start:stop]

    far = RangedFile(fetch, len(CONTENT))
    with pytest.raises(ConnectionError):
        far.read(10)
    fails = False
    assert far.read(10) == CONTENT[:10]
