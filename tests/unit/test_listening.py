"""A recording heard in parts, by whomever and however often interrupted, is one heard at once."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import sparse
from conftest import DEFAULT_BUNDLE, encode, sound
from earshot.audio import decode, streams
from earshot.audio.streams import Stream, opened
from earshot.bundle import Bundle
from earshot.detector import BATCH, Detector, Hearing
from earshot.field import listening
from earshot.field.listening import listen
from hypothesis import given, settings
from hypothesis import strategies as st


class Parts(dict[int, bytes]):
    """Checkpoints in memory; ``kept`` counts what was saved."""

    kept = 0

    def load(self, part: int) -> bytes | None:
        return self.get(part)

    def save(self, part: int, content: bytes) -> None:
        self[part] = content
        self.kept += 1


class Ear:
    """A quick detector: sums over windows of 50 ms, which overlap."""

    card = SimpleNamespace(labels=("a", "b"), sample_rate=4000, window_s=0.05, hop_s=0.02)

    def __init__(self) -> None:
        self.heard = 0

    def run(self, batch: Any) -> tuple[Any, ...]:
        self.heard += len(batch)
        sums = np.stack([batch.sum(axis=1), np.abs(batch).sum(axis=1)], axis=1)
        return sums, np.zeros((len(batch), 7), dtype=np.float32), batch.max(axis=1)


def ear() -> Any:
    return Ear()


def stream_of(frames: int) -> Stream:
    samples = np.random.default_rng(frames).standard_normal(frames).astype(np.float32)
    return Stream(4000, frames, cut=False, _piece=lambda start, stop: samples[start:stop])


def same(one: Hearing, other: Hearing) -> None:
    """Equal to the last bit."""
    for name in ("starts", "probabilities", "novelty", "embeddings"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.fixture(scope="module")
def detector(default_bundle: Bundle) -> Detector:
    return Detector(default_bundle)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "PART", 5)
    monkeypatch.setattr(listening, "BATCH", 2)
    monkeypatch.setattr(streams, "CHUNK", 1 << 14)
    monkeypatch.setattr(streams, "BEGIN_EVERY", 4)
    monkeypatch.setattr(streams, "RUN_UP", 1 << 14)


def tape(rate: int, duration_s: float) -> Any:
    time = np.arange(round(duration_s * rate)) / rate
    noise = 0.05 * np.random.default_rng(1).standard_normal(len(time)) * (1 + np.sin(time))
    return (noise + 0.3 * np.sin(2 * np.pi * 900 * (time + np.sin(time)))).astype(np.float32)


@pytest.mark.parametrize("duration_s", [0.1, 3.9, 4.0, 70.3])
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_a_stream_is_heard_as_the_whole_recording(
    detector: Detector, rate: int, duration_s: float
) -> None:
    data = encode(tape(rate, duration_s), rate, subtype="PCM_24")
    at_once = detector.hear(decode(data))
    with opened(io.BytesIO(data)) as stream:
        heard = listen(stream, detector, Parts())
    assert heard is not None
    np.testing.assert_array_equal(heard.starts, at_once.starts)
    np.testing.assert_allclose(heard.probabilities, at_once.probabilities, rtol=0, atol=1e-4)
    np.testing.assert_allclose(heard.novelty, at_once.novelty, rtol=0, atol=1e-4)
    assert heard.embeddings.shape == (len(heard.starts), 0)


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.usefixtures("small_parts")
def test_a_recording_in_parts_is_the_same_to_the_last_bit(
    detector: Detector, container: str
) -> None:
    """Each part heard by another worker, in another order, from a file opened anew."""
    data = encode(tape(22_050, 50.0), 22_050, container)
    at_once, in_parts = Parts(), Parts()
    with opened(io.BytesIO(data)) as stream:
        whole = listen(stream, detector, at_once)
    for number in reversed(at_once):
        for other in at_once:
            in_parts[other] = at_once[other] if other != number else b""
        with opened(io.BytesIO(data)) as stream:
            heard = listen(stream, detector, in_parts)
        assert whole is not None
        assert heard is not None
        same(heard, whole)
    assert in_parts.kept == len(at_once) == 3


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 90_000), st.lists(st.integers(0, 6), max_size=40))
def test_however_often_it_is_interrupted_nothing_is_heard_twice_or_left_out(
    frames: int, patience: list[int]
) -> None:
    stream = stream_of(frames)
    whole = listen(stream, ear(), Parts())
    parts, worker, heard = Parts(), Ear(), None
    for parts_now in [*patience, 10_000]:
        left = iter(range(parts_now))
        before = parts.kept
        heard = listen(
            stream, cast(Any, worker), parts, lambda left=left: next(left, None) is not None
        )
        assert parts.kept - before <= parts_now
        if heard is not None:
            break
    assert heard is not None
    assert whole is not None
    same(heard, whole)
    assert worker.heard == len(heard.starts)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60_000), st.data())
def test_a_crash_loses_a_part_at_most(frames: int, data: st.DataObject) -> None:
    """A worker dies in the middle of hearing or of saving; the next one goes on."""
    stream, parts = stream_of(frames), Parts()
    whole = listen(stream, ear(), Parts())

    class Mortal(Ear):
        left = data.draw(st.integers(0, 300))

        def run(self, batch: Any) -> tuple[Any, ...]:
            self.left -= 1
            if self.left < 0:
                raise MemoryError
            return super().run(batch)

    try:
        heard = listen(stream, cast(Any, Mortal()), parts)
    except MemoryError:
        heard = listen(stream, ear(), parts)
    assert heard is not None
    assert whole is not None
    same(heard, whole)
    assert parts.kept == -(-len(heard.starts) // (16 * BATCH))


@pytest.mark.usefixtures("small_parts")
def test_what_is_saved_of_another_recording_is_heard_again() -> None:
    parts = Parts({0: b"", 1: b"\0" * 8})
    heard = listen(stream_of(2000), ear(), parts)
    whole = listen(stream_of(2000), ear(), Parts())
    assert heard is not None
    assert whole is not None
    same(heard, whole)


@pytest.mark.usefixtures("small_parts")
def test_progress_is_told_and_leave_is_asked_for_what_is_to_be_heard() -> None:
    shares: list[float] = []
    asked: list[int] = []
    parts = Parts()

    def twice() -> bool:
        asked.append(len(parts))
        return len(asked) <= 2

    stream = stream_of(200 + 80 * 19)
    assert listen(stream, ear(), parts, twice, shares.append) is None
    assert (asked, shares) == ([0, 1, 2], [0.25, 0.5])
    shares.clear()
    assert listen(stream, ear(), parts, progress=shares.append) is not None
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_a_window_late_in_a_week_starts_where_it_starts() -> None:
    """Seconds in 32 bits would be off by 0.03 s after six days."""
    frames = 6 * 86_400 * 4000 + 201
    silence = np.zeros(1 << 18, dtype=np.float32)
    stream = Stream(4000, frames, cut=False, _piece=lambda start, stop: silence[: stop - start])
    slow = Ear()
    slow.card = SimpleNamespace(labels=("a", "b"), sample_rate=4000, window_s=1.0, hop_s=1.0)
    parts = Parts((n, bytes(4 * listening.PART * 3)) for n in range(6 * 86_400 // listening.PART))
    heard = listen(stream, cast(Any, slow), parts)
    assert heard is not None
    assert heard.starts[-2:].tolist() == [6 * 86_400 - 1, (frames - 4000) / 4000]
    assert slow.heard == 1


LAST_PART = """
import re, sys
from pathlib import Path
from earshot.field import listening
from earshot.audio.streams import opened
from earshot.bundle import Bundle
from earshot.detector import Detector

class Parts:
    def load(self, part):
        return bytes(4 * listening.PART * 5) if part < 84 else None

    def save(self, part, content):
        assert part == 84, part

detector = Detector(Bundle.load(Path(sys.argv[2])))
with open(sys.argv[1], "rb") as file, opened(file) as stream:
    heard = listening.listen(stream, detector, Parts())
print(
    stream.duration_s / 3600,
    detector.card.labels[heard.probabilities[-1].argmax()],
    heard.starts[-1],
    re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1],
)
"""


@pytest.mark.parametrize(("container", "rate"), [("RIFF", 16_000), ("RF64", 48_000)])
def test_the_end_of_a_day_is_heard_in_bounded_memory(
    tmp_path: Path, container: str, rate: int
) -> None:
    """24 h, of which all but the last part is done: 2.8 GB at 16 kHz, 8.3 GB at 48 kHz."""
    path = tmp_path / "day.wav"
    sparse.write(path, container, rate, 24 * 3600 * rate)
    siren = np.repeat(sound("siren"), rate // 16_000)
    sparse.place(path, rate, (siren * 32767).astype("<i2").tobytes(), before_end_s=4.0)
    done = subprocess.run(
        [sys.executable, "-c", LAST_PART, path, DEFAULT_BUNDLE],
        capture_output=True,
        check=True,
        text=True,
    )
    hours, label, start_s, peak_kb = done.stdout.split()
    assert (float(hours), label, float(start_s)) == (24.0, "siren", 24 * 3600 - 4.0)
    assert int(peak_kb) < 400 * 1024
