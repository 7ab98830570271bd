"""What an application says of drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import REPOSITORY
from earshot.application import Application, DriftRule
from earshot.errors import BadApplication

if TYPE_CHECKING:
    from pathlib import Path

FILE = """labels = ["a", "b"]
sample_rate = 16000
window_s = 4.0
hop_s = 4.0
backbone = "cnn"
"""


def read(folder: Path, drift: str) -> DriftRule:
    path = folder / "a.toml"
    path.write_text(FILE + drift)
    return Application.load(path).drift


def test_an_application_may_say_how_drift_is_looked_for(tmp_path: Path) -> None:
    assert read(tmp_path, "") == DriftRule(7, 0.01, 20, retrain=False)
    assert read(tmp_path, "[drift]\nretrain = true\ndays = 3\n") == DriftRule(days=3, retrain=True)


@pytest.mark.parametrize(
    "wrong",
    ["days = 0", "days = true", 'days = "7"', "false_alarms = 1", "false_alarms = nan",
     "min_units = 1", "retrain = 1", "threshold = 3"],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(BadApplication, match=wrong.partition(" ")[0]):
        read(tmp_path, f"[drift]\n{wrong}\n")


def test_the_default_application_does_as_it_is_told_by_default() -> None:
    found = Application.load(REPOSITORY / "infra" / "applications" / "surveillance.toml")
    assert found.drift == DriftRule()
