"""What was predicted so far."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

EXAMPLE: dict[str, Any] = {
    "totals": {
        "requests": 5,
        "predictions": 4,
        "uncertain": 1,
        "refused": 1,
        "failed": 0,
        "success_rate": 0.8,
        "error_rate": 0.2,
        "audio_s": 16.0,
    },
    "by_label": {"gunshot": 1, "siren": 3},
    "by_version": {"20261121-101500-3f1c22ab": 4},
    "errors": {"truncated_recording": 1},
    "by_day": [
        {
            "date": "2026-11-21",
            "predictions": 4,
            "uncertain": 1,
            "refused": 1,
            "failed": 0,
            "mean_confidence": 0.881,
            "p95_ms": 8.5,
            "by_label": {"gunshot": 1, "siren": 3},
        }
    ],
    "by_hour": [
        {"since": "2026-11-21T10:00:00.000Z", "predictions": 4, "mean_confidence": 0.881},
        {"since": "2026-11-21T09:00:00.000Z", "predictions": 0, "mean_confidence": None},
    ],
    "confidence": {
        "mean": 0.881,
        "high": 0.75,
        "medium": 0.25,
        "low": 0.0,
        "histogram": {
            "edges": [number / 20 for number in range(21)],
            "counts": [0] * 12 + [1] + [0] * 6 + [3],
        },
    },
    "latency_ms": {
        "mean": 4.2,
        "p50": 3.75,
        "p95": 8.5,
        "p99": 9.7,
        "histogram": {
            "edges": [0, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, None],
            "counts": [0, 0, 3, 1] + [0] * 10,
        },
    },
    "recent": [
        {
            "timestamp": "2026-11-21T10:20:30.123Z",
            "request_id": "0f3c6f1e-6d0e-4f3e-9d57-0a8c9a1f2b3c",
            "label": "siren",
            "confidence": 0.978,
            "decision": "accepted",
            "model_version": "20261121-101500-3f1c22ab",
            "duration_s": 4.0,
            "processing_ms": 4.1,
        }
    ],
    "process": {"uptime_s": 86.2, "cpu_s": 3.1, "rss_mb": 171.3, "peak_rss_mb": 174.0},
}


class Totals(BaseModel):
    """Recordings that came to `POST /predict` and could be read from the request."""

    requests: int = Field(description="All of them: `predictions`, `refused` and `failed`.")
    predictions: int = Field(description="Answered with a label (200).")
    uncertain: int = Field(description="Those of them below their label's threshold.")
    refused: int = Field(description="What was sent could not be used (4xx).")
    failed: int = Field(description="The service could not answer (5xx).")
    success_rate: float | None = Field(description="0 to 1; null while there are no requests.")
    error_rate: float | None = Field(description="The share of `refused` and `failed`.")
    audio_s: float = Field(description="What was heard, in seconds.")


class ConfidenceHistogram(BaseModel):
    """How the confidences are spread."""

    edges: list[float] = Field(description="From 0 to 1, one more than there are counts.")
    counts: list[int] = Field(
        description="Predictions with `edges[i]` <= confidence < `edges[i + 1]`; the last bin "
        "includes 1."
    )


class Confidence(BaseModel):
    """How sure the predictions were; null while there are none."""

    mean: float | None
    high: float | None = Field(description="The share of predictions with 0.8 or more.")
    medium: float | None = Field(description="From 0.5 to below 0.8.")
    low: float | None = Field(description="Below 0.5.")
    histogram: ConfidenceHistogram


class LatencyHistogram(BaseModel):
    """How the processing times are spread."""

    edges: list[float | None] = Field(description="In ms; the last is null: no end.")
    counts: list[int] = Field(description="Predictions from `edges[i]` to below `edges[i + 1]`.")


class Latency(BaseModel):
    """The predictions' `processing_ms`; null while there are none.

    Percentiles take what is in a bin of the histogram as spread evenly in it, as Prometheus does;
    they are right to the width of a bin.
    """

    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    histogram: LatencyHistogram


class Day(BaseModel):
    """What came on a UTC day."""

    date: str
    predictions: int
    uncertain: int
    refused: int
    failed: int
    mean_confidence: float | None
    p95_ms: float | None = Field(description="As in `latency_ms`.")
    by_label: dict[str, int]


class Hour(BaseModel):
    """The predictions of an hour."""

    since: str = Field(description="UTC, ISO 8601.")
    predictions: int
    mean_confidence: float | None


class Recent(BaseModel):
    """One of the latest predictions."""

    model_config = ConfigDict(protected_namespaces=())

    timestamp: str = Field(description="UTC, ISO 8601.")
    request_id: str
    label: str
    confidence: float
    decision: Literal["accepted", "uncertain"]
    model_version: str
    duration_s: float
    processing_ms: float


class Process(BaseModel):
    """The process that answered this request; in the cloud one of many."""

    uptime_s: float
    cpu_s: float = Field(description="Processor time since its start, of all threads.")
    rss_mb: float | None = Field(description="Memory in use; null where there is no /proc.")
    peak_rss_mb: float = Field(description="The most that it ever used.")


class Metrics(BaseModel):
    """What was predicted: of all time unless it says otherwise, by all processes together."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    totals: Totals
    by_label: dict[str, int]
    by_version: dict[str, int]
    errors: dict[str, int] = Field(description="Refused and failed recordings by their `code`.")
    by_day: list[Day] = Field(
        description="The latest thirty UTC days on which anything came, the newest first."
    )
    by_hour: list[Hour] = Field(
        description="The latest 48 hours, the one that runs first; those without predictions, too."
    )
    confidence: Confidence
    latency_ms: Latency
    recent: list[Recent] = Field(
        description="Predictions of the last 24 hours, at most 32, the newest first: the last of a "
        "process that has them one by one; of many at once some are missing."
    )
    process: Process
