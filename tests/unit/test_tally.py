"""What comes out of the counts is what numpy makes of the values themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from botocore.exceptions import ClientError
from earshot.errors import NoModel, TruncatedRecording
from earshot.recording import Prediction
from earshot.tally import LATENCY_EDGES_MS, Tally, of_error, of_prediction
from hypothesis import given
from hypothesis import strategies as st

HEARD = Prediction("siren", 3, 0.9, "accepted", {}, (), "v1", 4.0)
values = st.lists(
    st.tuples(
        st.floats(0, 1) | st.sampled_from([0.5, 0.8, 1.0]),
        st.floats(0, 60_000) | st.sampled_from(LATENCY_EDGES_MS[:-1]),
    ),
    min_size=1,
    max_size=50,
)


def tally(predictions: list[tuple[float, float]]) -> Tally:
    return Tally.of(
        *(
            of_prediction(replace(HEARD, confidence=confidence, processing_ms=ms), hour=12)
            for confidence, ms in predictions
        )
    )


@given(values)
def test_confidence_is_spread_as_it_was(predictions: list[tuple[float, float]]) -> None:
    confidences = np.array([confidence for confidence, _ in predictions])
    spread = tally(predictions).confidence
    expected, _ = np.histogram(confidences, spread.edges)
    assert spread.counts == tuple(expected)
    assert spread.mean == pytest.approx(confidences.mean(), abs=1e-6)
    assert spread.share(0.8, 1) == pytest.approx((confidences >= 0.8).mean())
    assert spread.share(0.5, 0.8) == pytest.approx(
        ((confidences >= 0.5) & (confidences < 0.8)).mean()
    )
    assert spread.share(0, 0.5) == pytest.approx((confidences < 0.5).mean())


@given(values, st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_right_to_the_width_of_a_bin(
    predictions: list[tuple[float, float]], q: float
) -> None:
    times = np.array([ms for _, ms in predictions])
    spread = tally(predictions).latency_ms
    found = spread.quantile(q)
    assert found is not None
    exact = np.quantile(times, q, method="inverted_cdf")
    bin_of_exact = np.searchsorted(spread.edges, exact, side="right") - 1
    low, high = spread.edges[bin_of_exact], spread.edges[bin_of_exact + 1]
    assert low <= found <= high
    assert found < float("inf")
    assert spread.mean == pytest.approx(times.mean(), abs=1e-3)


def test_percentiles_are_interpolated_as_prometheus_does() -> None:
    spread = tally([(0.9, 3)] * 3 + [(0.9, 7)]).latency_ms
    # Three of four in 2.5 to 5 ms, one in 5 to 10 ms.
    assert spread.quantile(0.5) == pytest.approx(2.5 + 2.5 * 2 / 3)
    assert spread.quantile(0.95) == pytest.approx(5 + 5 * 0.8)
    assert tally([(0.9, 50_000)]).latency_ms.quantile(0.5) == 10_000


def test_without_predictions_there_are_no_figures() -> None:
    nothing = Tally.of()
    assert (nothing.predictions, nothing.requests, nothing.error_rate) == (0, 0, None)
    for spread in (nothing.confidence, nothing.latency_ms):
        assert (spread.mean, spread.quantile(0.5)) == (None, None)
        assert spread.share(spread.edges[0], spread.edges[1]) is None


def test_tallies_add_up_whatever_their_order() -> None:
    parts = [
        of_prediction(HEARD, hour=0),
        of_prediction(
            replace(HEARD, label="gunshot", decision="uncertain", model_version="v2"), hour=23
        ),
        of_error(TruncatedRecording("cut")),
        of_error(NoModel("none")),
    ]
    for whole in (Tally.of(*parts), Tally.of(Tally.of(*parts[2:]).counts, *reversed(parts[:2]))):
        assert whole.by_label == {"gunshot": 1, "siren": 1}
        assert whole.by_version == {"v1": 1, "v2": 1}
        assert whole.refused_by_code == {"truncated_recording": 1}
        assert whole.failed_by_code == {"no_model": 1}
        assert (whole.predictions, whole.uncertain, whole.requests) == (2, 1, 4)
        assert whole.error_rate == 0.5
        assert whole.audio_s == 8


def test_failures_that_have_no_code_of_ours_have_the_one_they_are_answered_with() -> None:
    away = ClientError({"Error": {"Code": "ServiceUnavailable", "Message": ""}}, "GetObject")
    assert Tally.of(of_error(away)).failed_by_code == {"aws_unavailable": 1}
    assert Tally.of(of_error(ZeroDivisionError())).failed_by_code == {"internal_error": 1}
