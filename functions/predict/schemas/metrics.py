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
            "novelty": 0.917,
        }
    ],
    "drift": {
        "day": "2026-11-21",
        "at": "2026-11-21T00:04:11.000Z",
        "state": "compared",
        "version": "20261121-101500-3f1c22ab",
        "days": 7.0,
        "false_alarms": 0.01,
        "min_units": 20,
        "sites": [
            {
                "site": "ridge",
                "state": "drifting",
                "units": 96,
                "first": "2026-11-14T05:00:00.000Z",
                "last": "2026-11-20T21:00:00.000Z",
                "label_mix": 0.041,
                "uncertain": 0.396,
                "reference_uncertain": 0.048,
                "since": "2026-11-19T00:03:58.000Z",
                "all": {
                    "live": 96,
                    "reference": 80,
                    "p": 0.0002,
                    "more_novel": 0.87,
                    "surer": 0.38,
                },
                "labels": {
                    "gunshot": {
                        "live": 12,
                        "reference": 14,
                        "p": 0.412,
                        "more_novel": 0.55,
                        "surer": 0.47,
                    },
                    "siren": {
                        "live": 84,
                        "reference": 66,
                        "p": 0.0002,
                        "more_novel": 0.87,
                        "surer": 0.38,
                    },
                },
                "drifting": ["siren"],
            }
        ],
    },
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
    novelty: float | None = Field(
        description="How far it is from what was learnt; null for one of an earlier release."
    )


class Shift(BaseModel):
    """Live answers of a label, or of all, beside the version's answers to its held-out clips."""

    live: int = Field(description="How many independent answers were heard.")
    reference: int = Field(description="How many there are to compare with.")
    p: float | None = Field(
        description="The probability of so much difference by chance, adjusted for all tests of "
        "the site; null when there are too few."
    )
    more_novel: float | None = Field(
        description="The share of pairs of one label in which the live one is more novel; 0.5 is "
        "no shift."
    )
    surer: float | None = Field(description="The same of the confidence.")


class SiteDrift(BaseModel):
    """How a site sounds beside what the model was judged by."""

    site: str = Field(description="`/predict` for what was sent to the API.")
    state: Literal["drifting", "steady", "too_few"] = Field(
        description="What drifts does so until it was calm for as many days as are looked at."
    )
    units: int = Field(
        description="Independent answers: of recordings one for each label and hour."
    )
    first: str = Field(description="When the first of them was heard, UTC, ISO 8601.")
    last: str
    label_mix: float = Field(
        description="Population stability index of how often labels are answered; beside 0.25 and "
        "more, something else is heard. It raises no alarm."
    )
    uncertain: float = Field(description="The share that is below its label's threshold.")
    reference_uncertain: float = Field(description="The same among the held-out clips.")
    since: str | None = Field(description="When it was first found to drift.")
    all: Shift | None = Field(description="Null when there are too few answers.")
    labels: dict[str, Shift]
    drifting: list[str] = Field(description="The labels that differ by themselves.")


class Drift(BaseModel):
    """Whether what was heard of late still sounds as what the model was judged by."""

    day: str = Field(description="The UTC day that it was looked at.")
    at: str
    state: Literal["compared", "no_model", "no_reference"] = Field(
        description="`no_reference`: the version is of an earlier release; train one."
    )
    version: str | None
    days: float = Field(description="So many of a site's last days are looked at.")
    false_alarms: float = Field(
        description="The probability of an alarm on a day on which nothing has changed, at most."
    )
    min_units: int
    sites: list[SiteDrift] = Field(description="Those that drift first; 200 at most.")


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
    drift: Drift | None = Field(description="As it was last looked at; null while nothing was.")
    process: Process
