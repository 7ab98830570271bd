from __future__ import annotations

from typing import TYPE_CHECKING

from earshot.recording import Prediction
from earshot.statistics import Statistics

if TYPE_CHECKING:
    from conftest import Aws


def test_predictions_are_totalled(aws: Aws) -> None:
    statistics = Statistics(aws.dynamodb, "earshot")
    for decision in ("accepted", "accepted", "uncertain"):
        statistics.count(
            Prediction("siren", 0, 0.9, decision, {}, (), "v1", 4.0)  # type: ignore[arg-type]
        )
    assert statistics.totals() == {"predictions": 3, "uncertain": 1, "n#siren": 3}
