"""Detections as files: what other programs read is what was detected."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, replace

import pytest
from earshot.formats import FORMATS, from_json, to_audacity, to_csv, to_json, to_raven
from earshot.recording import Detection, Detections
from hypothesis import given
from hypothesis import strategies as st

# Letters of any script, and the few signs that a label may have.
LABELS = st.text(st.characters(categories=["L", "Nd"], include_characters=" .'-_"), min_size=1)
MILLISECONDS = st.integers(0, 86_400_000).map(lambda ms: ms / 1000)
TEN_THOUSANDTHS = st.integers(0, 10_000).map(lambda n: n / 10_000)
DETECTION = st.builds(
    Detection, MILLISECONDS, MILLISECONDS, LABELS, TEN_THOUSANDTHS, TEN_THOUSANDTHS
)

FOUND = Detections(
    recording="9b1f6d0c2e7a4853",
    key='recordings/ridge/a "quoted", name\nin two lines.wav',
    site="ridge",
    duration_s=120.0,
    high_hz=8000.0,
    model_version="20261121-101500-3f1c22ab",
    labels=("casual", "siren"),
    background="casual",
    detections=(
        Detection(8.0, 16.0, "siren", 0.98, 0.9),
        Detection(20.5, 24.5, "fan-tailed raven's été", 0.6543, 0.6543),
    ),
)


@given(st.lists(DETECTION, max_size=5))
def test_what_is_stored_comes_back(detections: list[Detection]) -> None:
    found = replace(FOUND, detections=tuple(detections))
    assert from_json(to_json(found)) == found


def test_the_stored_document_has_the_members_that_are_documented() -> None:
    content = json.loads(to_json(FOUND))
    assert list(content) == [
        "schema", "recording", "key", "site", "duration_s", "high_hz", "model_version", "labels",
        "background", "detections",
    ]  # fmt: skip
    assert content["schema"] == 1
    assert content["detections"][0] == {
        "start_s": 8.0, "end_s": 16.0, "label": "siren",
        "peak_confidence": 0.98, "mean_confidence": 0.9,
    }  # fmt: skip


@given(st.lists(DETECTION, max_size=5))
def test_csv_reads_back(detections: list[Detection]) -> None:
    written = to_csv(replace(FOUND, detections=tuple(detections)))
    rows = list(csv.DictReader(io.StringIO(written, newline="")))
    assert [
        Detection(
            float(row["start_s"]),
            float(row["end_s"]),
            row["label"],
            float(row["peak_confidence"]),
            float(row["mean_confidence"]),
        )
        for row in rows
    ] == detections
    assert all(row["key"] == FOUND.key for row in rows)
    assert all(row["model_version"] == FOUND.model_version for row in rows)


@given(st.lists(DETECTION, max_size=5))
def test_raven_finds_its_columns(detections: list[Detection]) -> None:
    written = to_raven(replace(FOUND, detections=tuple(detections)))
    header, *rows = [line.split("\t") for line in written.removesuffix("\n").split("\n")]
    assert header[:7] == [
        "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)",
        "High Freq (Hz)",
    ]  # fmt: skip
    assert [int(row[0]) for row in rows] == list(range(1, len(detections) + 1))
    assert all(row[1:3] == ["Spectrogram 1", "1"] for row in rows)
    assert all((float(row[5]), float(row[6])) == (0.0, 8000.0) for row in rows)
    assert [
        Detection(float(row[3]), float(row[4]), row[7], float(row[8]), float(row[9]))
        for row in rows
    ] == detections


@given(st.lists(DETECTION, max_size=5))
def test_audacity_reads_start_end_and_label(detections: list[Detection]) -> None:
    written = to_audacity(replace(FOUND, detections=tuple(detections)))
    rows = [line.split("\t") for line in written.split("\n")[:-1]]
    assert [(float(start), float(end), label) for start, end, label in rows] == [
        (one.start_s, one.end_s, one.label) for one in detections
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_no_detections_are_a_file_as_well(name: str) -> None:
    written = FORMATS[name].write(replace(FOUND, detections=()))
    assert written.count("\n") <= 1 or name == "json"
    assert FORMATS["json"].write(from_json(to_json(FOUND))) == to_json(FOUND)
    assert asdict(from_json(to_json(replace(FOUND, detections=()))))["detections"] == ()
