"""What was predicted, for people and programs, and for Prometheus."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Response

from predict.requests import UseCases
from predict.routes.status import uptime_s
from predict.schemas import metrics as schemas

if TYPE_CHECKING:
    from earshot.services import Services
    from earshot.tally import Histogram, Tally

router = APIRouter(tags=["status"])

JSON = "application/json"
OPENMETRICS = "application/openmetrics-text"
TEXT = "text/plain"
PROMETHEUS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            media_type: {"schema": {"type": "string"}, "example": "earshot_uncertain_total 1.0"}
            for media_type in (TEXT, OPENMETRICS)
        }
    }
}
STATM = Path("/proc/self/statm")


@router.get("/metrics", response_model=schemas.Metrics, responses=PROMETHEUS)
def metrics(
    services: UseCases,
    accept: Annotated[str, Header(include_in_schema=False)] = JSON,
) -> schemas.Metrics | Response:
    """Totals, labels, versions, days, hours, confidence, latency, the latest, drift, the process.

    As JSON; in Prometheus' text format for those whose `Accept` prefers `text/plain` or
    `application/openmetrics-text`, as Prometheus' does.
    """
    media_type = preferred(accept)
    if media_type != JSON:
        return _prometheus(services, media_type)
    report = services.statistics.report()
    drift = services.drift.latest()
    totals = report.totals
    return schemas.Metrics(
        totals=_totals(totals),
        by_label=totals.by_label,
        by_version=totals.by_version,
        errors=totals.refused_by_code | totals.failed_by_code,
        by_day=[_day(date, tally) for date, tally in report.days.items()],
        by_hour=[
            schemas.Hour(
                since=since, predictions=hour.predictions, mean_confidence=hour.mean_confidence
            )
            for since, hour in report.hours.items()
        ],
        confidence=_confidence(totals.confidence),
        latency_ms=_latency(totals.latency_ms),
        recent=[schemas.Recent(**vars(recent)) for recent in report.recent],
        drift=schemas.Drift.model_validate(drift, from_attributes=True) if drift else None,
        process=_process(),
    )


def preferred(accept: str) -> str:
    """The media type that an Accept header prefers, of those that there are here.

    JSON unless one of Prometheus' weighs more, or as much while JSON is not named: curl's ``*/*``
    and what browsers send get JSON.
    """
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        media_type, *parameters = (word.strip() for word in part.split(";"))
        weights[media_type] = max(_weight(parameters), weights.get(media_type, 0))
    included = max(weights.get("application/*", 0), weights.get("*/*", 0))
    json = weights.get(JSON, included)
    weight, media_type = max((weights.get(name, 0), name) for name in (OPENMETRICS, TEXT))
    wins = weight > json or (weight == json > 0 and JSON not in weights)
    return media_type if wins else JSON


def _weight(parameters: list[str]) -> float:
    """The weight among a media type's parameters; 0 when it is none."""
    text = next((word[2:] for word in parameters if word.startswith("q=")), "1")
    try:
        weight = float(text)
    except ValueError:
        return 0
    return weight if 0 <= weight <= 1 else 0


def _prometheus(services: Services, media_type: str) -> Response:
    # Late, since most processes are never asked for it.
    from predict.exposition import expose

    text, content_type = expose(services, media_type)
    return Response(text, headers={"content-type": content_type})


def _totals(totals: Tally) -> schemas.Totals:
    error_rate = totals.error_rate
    return schemas.Totals(
        requests=totals.requests,
        predictions=totals.predictions,
        uncertain=totals.uncertain,
        refused=totals.refused,
        failed=totals.failed,
        success_rate=None if error_rate is None else 1 - error_rate,
        error_rate=error_rate,
        audio_s=totals.audio_s,
    )


def _day(date: str, tally: Tally) -> schemas.Day:
    return schemas.Day(
        date=date,
        predictions=tally.predictions,
        uncertain=tally.uncertain,
        refused=tally.refused,
        failed=tally.failed,
        mean_confidence=tally.confidence.mean,
        p95_ms=tally.latency_ms.quantile(0.95),
        by_label=tally.by_label,
    )


def _confidence(spread: Histogram) -> schemas.Confidence:
    return schemas.Confidence(
        mean=spread.mean,
        high=spread.share(0.8, 1),
        medium=spread.share(0.5, 0.8),
        low=spread.share(0, 0.5),
        histogram=schemas.ConfidenceHistogram(edges=list(spread.edges), counts=list(spread.counts)),
    )


def _latency(spread: Histogram) -> schemas.Latency:
    return schemas.Latency(
        mean=spread.mean,
        p50=spread.quantile(0.5),
        p95=spread.quantile(0.95),
        p99=spread.quantile(0.99),
        histogram=schemas.LatencyHistogram(
            edges=[*spread.edges[:-1], None], counts=list(spread.counts)
        ),
    )


def _process() -> schemas.Process:
    import resource

    # Linux tells kilobytes, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    in_use = None
    if STATM.exists():
        in_use = int(STATM.read_text().split()[1]) * resource.getpagesize() / 1e6
    return schemas.Process(
        uptime_s=uptime_s(),
        cpu_s=time.process_time(),
        rss_mb=in_use,
        peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6,
    )
