"""What an answer is counted as, and the figures that come out of the counts.

A tally is whole numbers under names, so that tallies add up exactly, in whatever order:

===============  ==================================================================
name             counts
===============  ==================================================================
``n#<label>``    predictions of a label: all of them together are all predictions
``v#<version>``  predictions by a model version
``u#<version>``  those of them below their label's threshold
``e#<version>``  recordings that could not be heard while it was in service
``m#<version>``  predictions that it missed: another made them, for it was refused
``uncertain``    predictions below their label's threshold
``c<bin>``       predictions whose confidence is in a bin of ``CONFIDENCE_EDGES``
``confidence``   their sum, in millionths
``l<bin>``       predictions whose processing time is in a bin of ``LATENCY_EDGES_MS``
``latency``      its sum, in µs
``audio``        what was heard, in ms
``h<hour>``      predictions of an hour of the UTC day, 00 to 23
``k<hour>``      the sum of their confidences, in millionths
``r#<code>``     recordings that were refused: the client's fault
``f#<code>``     recordings that could not be heard: the service's fault
===============  ==================================================================

While a challenger hears along, ``earshot.shadow.comparison`` has names of its own in a day's tally.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from earshot.errors import BadRecording, EarshotError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from earshot.recording import Prediction

CONFIDENCE_EDGES = tuple(number / 20 for number in range(21))
LATENCY_EDGES_MS = (
    *(0, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000),
    float("inf"),
)
_CONFIDENCE_BINS = tuple(f"c{number:02}" for number in range(len(CONFIDENCE_EDGES) - 1))
_LATENCY_BINS = tuple(f"l{number:02}" for number in range(len(LATENCY_EDGES_MS) - 1))
_HOURS = tuple(f"{hour:02}" for hour in range(24))
_FAMILIES = ("n#", "v#", "u#", "e#", "m#", "r#", "f#")
# Of days alone: pairs of labels would fill the item of all time.
_SHADOWS = ("s#", "d#", "x#", "w#")
_FIGURES = {
    *("uncertain", "confidence", "latency", "audio"),
    *(*_CONFIDENCE_BINS, *_LATENCY_BINS),
    *(f"{figure}{hour}" for figure in "hk" for hour in _HOURS),
}


@dataclass(frozen=True)
class Histogram:
    """How values are spread.

    ``counts[i]`` of them are at least ``edges[i]`` and below ``edges[i + 1]``, the last edge
    included when it is finite; ``sum`` is all values together.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @property
    def total(self) -> int:
        """How many values there are."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """The values' mean; None without values."""
        return self.sum / self.total if self.total else None

    @property
    def cumulative(self) -> tuple[int, ...]:
        """How many values are below each edge but the first."""
        return tuple(accumulate(self.counts))

    def share(self, low: float, high: float) -> float | None:
        """The share of values between two of the edges, 0 to 1; None without values."""
        first, last = self.edges.index(low), self.edges.index(high)
        return sum(self.counts[first:last]) / self.total if self.total else None

    def quantile(self, q: float) -> float | None:
        """The value that a share ``q`` of all is below, 0 < q <= 1; None without values.

        Values are taken as spread evenly within a bin; in a bin without end it is the bin's lower
        edge. So does Prometheus' ``histogram_quantile``.
        """
        rank = q * self.total
        below = 0
        for low, high, count in zip(self.edges, self.edges[1:], self.counts, strict=False):
            if count and below + count >= rank:
                return low if high == float("inf") else low + (high - low) * (rank - below) / count
            below += count
        return None


@dataclass(frozen=True)
class Hour:
    """What was predicted in an hour: how often, and the sum of the confidences."""

    predictions: int
    confidence: float

    @property
    def mean_confidence(self) -> float | None:
        """0 to 1; None without predictions."""
        return self.confidence / self.predictions if self.predictions else None


@dataclass(frozen=True)
class Tally:
    """Counts of a day or of all time, under the names that the module's table lists."""

    counts: Mapping[str, int]

    @classmethod
    def of(cls, *items: Mapping[str, Any]) -> Tally:
        """The sum of items of the table; attributes that are no counts stay out."""
        counts: Counter[str] = Counter()
        for item in items:
            for name, value in item.items():
                if name.startswith((*_FAMILIES, *_SHADOWS)) or name in _FIGURES:
                    counts[name] += int(value)
        return cls(counts)

    def without_shadows(self) -> Tally:
        """The same without what was counted of challengers."""
        return Tally({name: n for name, n in self.counts.items() if not name.startswith(_SHADOWS)})

    @property
    def predictions(self) -> int:
        """Recordings that were answered with a label."""
        return sum(self.by_label.values())

    @property
    def uncertain(self) -> int:
        """Those of them below their label's threshold."""
        return self.counts.get("uncertain", 0)

    @property
    def refused(self) -> int:
        """Recordings that the client has to mend."""
        return sum(self.refused_by_code.values())

    @property
    def failed(self) -> int:
        """Recordings that the service could not hear."""
        return sum(self.failed_by_code.values())

    @property
    def requests(self) -> int:
        """All recordings that were sent."""
        return self.predictions + self.refused + self.failed

    @property
    def error_rate(self) -> float | None:
        """The share of recordings without a label, 0 to 1; None when none was sent."""
        return (self.refused + self.failed) / self.requests if self.requests else None

    @property
    def by_label(self) -> dict[str, int]:
        """Predictions of each label."""
        return self._family("n#")

    @property
    def by_version(self) -> dict[str, int]:
        """Predictions by each model version."""
        return self._family("v#")

    @property
    def uncertain_by_version(self) -> dict[str, int]:
        """Those of them below their label's threshold."""
        return self._family("u#")

    @property
    def failed_by_version(self) -> dict[str, int]:
        """Recordings that the service could not hear, by the version in service."""
        return self._family("e#")

    @property
    def missed_by_version(self) -> dict[str, int]:
        """Predictions that another version made, by the version that was refused."""
        return self._family("m#")

    @property
    def refused_by_code(self) -> dict[str, int]:
        """Refused recordings by the error's code."""
        return self._family("r#")

    @property
    def failed_by_code(self) -> dict[str, int]:
        """Failed recordings by the error's code."""
        return self._family("f#")

    @property
    def audio_s(self) -> float:
        """What was heard, in seconds."""
        return self.counts.get("audio", 0) / 1e3

    @property
    def confidence(self) -> Histogram:
        """Confidences, 0 to 1."""
        counts = self._bins(_CONFIDENCE_BINS)
        return Histogram(CONFIDENCE_EDGES, counts, self.counts.get("confidence", 0) / 1e6)

    @property
    def latency_ms(self) -> Histogram:
        """Processing times in milliseconds."""
        counts = self._bins(_LATENCY_BINS)
        return Histogram(LATENCY_EDGES_MS, counts, self.counts.get("latency", 0) / 1e3)

    @property
    def by_hour(self) -> tuple[Hour, ...]:
        """Predictions in the 24 hours of the UTC day, or of all days together."""
        return tuple(
            Hour(self.counts.get(f"h{hour}", 0), self.counts.get(f"k{hour}", 0) / 1e6)
            for hour in _HOURS
        )

    def _family(self, prefix: str) -> dict[str, int]:
        found = {name[2:]: n for name, n in self.counts.items() if name.startswith(prefix)}
        return dict(sorted(found.items()))

    def _bins(self, names: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(self.counts.get(name, 0) for name in names)


def of_prediction(prediction: Prediction, hour: int) -> dict[str, int]:
    """What a prediction in this hour of the UTC day adds."""
    confidence = round(prediction.confidence * 1e6)
    counts = {
        f"n#{prediction.label}": 1,
        f"v#{prediction.model_version}": 1,
        _bin(_CONFIDENCE_BINS, CONFIDENCE_EDGES, prediction.confidence): 1,
        _bin(_LATENCY_BINS, LATENCY_EDGES_MS, prediction.processing_ms): 1,
        "confidence": confidence,
        "latency": round(prediction.processing_ms * 1e3),
        "audio": round(prediction.duration_s * 1e3),
        f"h{_HOURS[hour]}": 1,
        f"k{_HOURS[hour]}": confidence,
    }
    if prediction.decision == "uncertain":
        counts["uncertain"] = 1
        counts[f"u#{prediction.model_version}"] = 1
    return counts


def of_error(error: Exception, version: str | None = None) -> dict[str, int]:
    """What a recording adds that was not answered with a label while a version was in service."""
    of_version = {f"e#{version}": 1} if version else {}
    match error:
        case BadRecording():
            return {f"r#{error.code}": 1}
        case EarshotError():
            return {f"f#{error.code}": 1, **of_version}
        case ClientError() | BotoCoreError():
            return {"f#aws_unavailable": 1, **of_version}
        case _:
            return {"f#internal_error": 1, **of_version}


def of_missed(version: str) -> dict[str, int]:
    """What a prediction adds that a version was to make, and was refused."""
    return {f"m#{version}": 1}


def _bin(names: tuple[str, ...], edges: tuple[float, ...], value: float) -> str:
    return names[min(bisect_right(edges, value), len(names)) - 1]
