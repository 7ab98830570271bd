"""The values that flow through Earshot."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

Decision = Literal["accepted", "uncertain"]
ImportState = Literal["unpacking", "unpacked"]


def now() -> str:
    """The present moment in UTC, ISO 8601 to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, eq=False)
class Waveform:
    """Mono audio: ``samples`` float32 ``[n]``, full scale ±1, at ``sample_rate`` Hz."""

    samples: Samples
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    @cached_property
    def sha256(self) -> str:
        """The recording's identity: the same sound has it under any name and in any container."""
        digest = hashlib.sha256(f"{self.sample_rate}\n".encode())
        digest.update(self.samples.astype("<f4", copy=False).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Sample:
    """A labelled clip in the catalog; ``embedding`` is float32 ``[windows, dim]``.

    ``embedded_by`` names the backbone and the windows that made it. A clip that came in before
    there was a model has no embedding yet, and ``embedded_by`` is empty.

    ``group`` names the recording that the clip was cut from: clips of one group never
    stand on both sides of a split.
    """

    sha256: str
    label: str
    group: str
    key: str
    duration_s: float
    embedded_by: str
    embedding: Samples | None
    added_at: str


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording in which one label is heard."""

    start_s: float
    end_s: float
    label: str
    confidence: float


@dataclass(frozen=True)
class Explanation:
    """What ``label`` hangs on, between ``start_s`` and ``end_s`` of a recording.

    ``importance`` ``[bands][times]``, low bands first, over the edges ``frequencies_hz``
    ``[bands + 1]`` and ``times_s`` ``[times + 1]`` (of the recording): by how many nats the
    label's log-odds fall without a cell; ``band_importance`` ``[bands]`` without a band at any
    time, ``time_importance`` ``[times]`` without a time in any band. ``baseline_confidence`` is
    the label's probability with all of it.
    """

    label: str
    start_s: float
    end_s: float
    times_s: tuple[float, ...]
    frequencies_hz: tuple[float, ...]
    importance: tuple[tuple[float, ...], ...]
    band_importance: tuple[float, ...]
    time_importance: tuple[float, ...]
    baseline_confidence: float


@dataclass(frozen=True)
class Prediction:
    """What was heard in a recording; ``probabilities`` has every label of the model."""

    label: str
    class_id: int
    confidence: float
    decision: Decision
    probabilities: dict[str, float]
    segments: tuple[Segment, ...]
    model_version: str
    duration_s: float
    explanation: Explanation | None = None

    def top(self, k: int) -> list[tuple[str, float]]:
        """The ``k`` most probable labels, the best first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])[:k]


@dataclass(frozen=True)
class Refusal:
    """An object that could not be used, and why."""

    key: str
    code: str
    reason: str
    refused_at: str


@dataclass(frozen=True)
class Import:
    """An archive whose clips go, or went, to ``samples/``.

    ``version`` names the object's content at ``key``; ``size`` is that of all clips in bytes;
    ``ignored`` names the first of ``ignored_total`` files that are not audio.
    """

    key: str
    version: str
    state: ImportState
    clips: int
    size: int
    ignored: tuple[str, ...]
    ignored_total: int
    at: str
