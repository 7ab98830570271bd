"""The statistics in Prometheus' text format.

All processes answer the same totals, from the table; only the ``process_`` metrics are of the one
that answers. Labels are the application's, the model's version is that of one: few time series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earshot.errors import NoModel
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.services import Services
    from earshot.tally import Histogram
    from prometheus_client import Metric


def expose(services: Services, media_type: str) -> tuple[bytes, str]:
    """The metrics as ``text/plain`` or ``application/openmetrics-text``, and the Content-Type."""
    registry = CollectorRegistry()
    registry.register(_Statistics(services))
    ProcessCollector(registry=registry)
    encode, content_type = choose_encoder(media_type)
    return encode(registry), content_type


class _Statistics(Collector):
    """Reads the table when it is asked."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> list[Metric]:
        """Nothing, so that registering it does not read the table."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric of the service."""
        totals = self._services.statistics.totals()
        yield _counter("earshot_predictions", "Recordings answered.", "label", totals.by_label)
        yield _counter("earshot_refused", "Recordings refused.", "code", totals.refused_by_code)
        yield _counter("earshot_failed", "Recordings not answered.", "code", totals.failed_by_code)
        yield CounterMetricFamily(
            "earshot_uncertain", "Predictions below their threshold.", totals.uncertain
        )
        yield CounterMetricFamily("earshot_audio_seconds", "What was heard.", totals.audio_s)
        yield _histogram("earshot_confidence", "Of a prediction.", totals.confidence, 1)
        yield _histogram(
            "earshot_latency_seconds", "Processing time of a prediction.", totals.latency_ms, 1000
        )
        yield from self._model()
        yield from self._drift()
        standing = self._services.catalog.standing()
        yield GaugeMetricFamily(
            "earshot_training_new_samples", "Since the last training was asked for.", standing.new
        )
        yield GaugeMetricFamily(
            "earshot_training_threshold_samples",
            "New samples that start a training.",
            self._services.training.threshold,
        )

    def _drift(self) -> Iterator[Metric]:
        report = self._services.drift.latest()
        sites = report.sites if report else ()
        drifting = GaugeMetricFamily("earshot_drifting", "1 while a site drifts.", labels=["site"])
        units = GaugeMetricFamily(
            "earshot_drift_answers", "Independent answers that were looked at.", labels=["site"]
        )
        p = GaugeMetricFamily("earshot_drift_p", "The p-value of no drift.", labels=["site"])
        for one in sites:
            drifting.add_metric([one.site], float(one.state == "drifting"))
            units.add_metric([one.site], one.units)
            if one.all and one.all.p is not None:
                p.add_metric([one.site], one.all.p)
        yield from (drifting, units, p)

    def _model(self) -> Iterator[Metric]:
        try:
            version = self._services.serving.detector().card.version
        except NoModel:
            return
        yield InfoMetricFamily(
            "earshot_model", "What this process hears with.", {"version": version}
        )


def _counter(name: str, help_: str, label: str, counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, help_, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _histogram(name: str, help_: str, spread: Histogram, unit: float) -> Metric:
    """A histogram whose edges and sum are divided by ``unit``."""
    buckets = [
        (str(edge / unit), float(below))
        for edge, below in zip(spread.edges[1:], spread.cumulative, strict=True)
        if edge < float("inf")
    ]
    buckets.append(("+Inf", float(spread.total)))
    return HistogramMetricFamily(name, help_, buckets, spread.sum / unit)
