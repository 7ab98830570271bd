"""Detections as files: what other programs read is what was detected."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, replace
from datetime import datetime, timedelta

import pytest
from earshot.field.formats import FORMATS, from_json, to_audacity, to_csv, to_json, to_raven
from earshot.moments import moment
from earshot.recording import Detection, Detections
from hypothesis import given
from hypothesis import strategies as st

# Letters of any script, and the few signs that a label may have.
LABELS = st.text(st.characters(categories=["L", "Nd"], include_characters=" .'-_"), min_size=1)
MILLISECONDS = st.integers(0, 86_400_000).map(lambda ms: ms / 1000)
TEN_THOUSANDTHS = st.integers(0, 10_000).map(lambda n: n / 10_000)
DETECTION = st.builds(
    Detection,
    MILLISECONDS,
    MILLISECONDS,
    LABELS,
    TEN_THOUSANDTHS,
    TEN_THOUSANDTHS,
    peak_s=MILLISECONDS,
    clip=st.none() | st.just("0.000-8.000.flac"),
)
# To the millisecond, from 1970 to 2099.
STARTS = st.none() | st.integers(0, 4_102_444_799_000).map(lambda ms: moment(ms / 1000))

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
        Detection(8.0, 16.0, "siren", 0.98, 0.9, peak_s=12.0, clip="one.flac"),
        Detection(20.5, 24.5, "fan-tailed raven's été", 0.6543, 0.6543),
    ),
    started_at="2025-12-31T23:59:59.500Z",
)
FOUNDS = st.builds(
    replace,
    st.just(FOUND),
    detections=st.lists(DETECTION, max_size=5).map(tuple),
    started_at=STARTS,
)


def true_times(found: Detections) -> list[datetime | None]:
    """When each detection starts, counted in whole milliseconds."""
    if found.started_at is None:
        return [None] * len(found.detections)
    began = datetime.fromisoformat(found.started_at)
    return [began + timedelta(milliseconds=round(one.start_s * 1000)) for one in found.detections]


def read_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@given(FOUNDS)
def test_what_is_stored_comes_back(found: Detections) -> None:
    assert from_json(to_json(found)) == found
    content = json.loads(to_json(found))
    assert read_time(content["started_at"]) == read_time(found.started_at)
    times = [read_time(one["started_at"]) for one in content["detections"]]
    assert times == true_times(found)


def test_the_stored_document_has_the_members_that_are_documented() -> None:
    content = json.loads(to_json(FOUND))
    assert list(content) == [
        "schema", "recording", "key", "site", "duration_s", "high_hz", "model_version", "labels",
        "background", "started_at", "detections",
    ]  # fmt: skip
    assert content["schema"] == 1
    assert content["detections"][0] == {
        "start_s": 8.0, "end_s": 16.0, "label": "siren",
        "peak_confidence": 0.98, "mean_confidence": 0.9, "peak_s": 12.0, "clip": "one.flac",
        "started_at": "2026-01-01T00:00:07.500Z",
    }  # fmt: skip


def test_a_document_of_before_there_were_notes_is_read() -> None:
    content = json.loads(to_json(replace(FOUND, started_at=None)))
    del content["started_at"]
    for one in content["detections"]:
        del one["started_at"], one["clip"], one["peak_s"]
    found = from_json(json.dumps(content))
    assert (found.started_at, found.labels) == (None, FOUND.labels)
    assert [one.clip for one in found.detections] == [None, None]


@given(FOUNDS)
def test_csv_reads_back(found: Detections) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(found), newline="")))
    assert [
        Detection(
            float(row["start_s"]),
            float(row["end_s"]),
            row["label"],
            float(row["peak_confidence"]),
            float(row["mean_confidence"]),
            clip=row["clip"] or None,
        )
        for row in rows
    ] == [replace(one, peak_s=0.0) for one in found.detections]
    assert [read_time(row["started_at"]) for row in rows] == true_times(found)
    assert all(row["key"] == found.key for row in rows)
    assert all(row["model_version"] == found.model_version for row in rows)


@given(FOUNDS)
def test_raven_finds_its_columns(found: Detections) -> None:
    """Read as Raven does: lines of cells between tabs, without quotes, under its own names."""
    header, *lines = to_raven(found).removesuffix("\n").split("\n")
    names = header.split("\t")
    assert names[:7] == [
        "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)",
        "High Freq (Hz)",
    ]  # fmt: skip
    rows = [dict(zip(names, line.split("\t"), strict=True)) for line in lines]
    assert [row["Selection"] for row in rows] == [str(n + 1) for n in range(len(found.detections))]
    for row, one, time in zip(rows, found.detections, true_times(found), strict=True):
        assert (row["View"], row["Channel"]) == ("Spectrogram 1", "1")
        assert (float(row["Low Freq (Hz)"]), float(row["High Freq (Hz)"])) == (0.0, 8000.0)
        assert (float(row["Begin Time (s)"]), float(row["End Time (s)"])) == (
            one.start_s,
            one.end_s,
        )
        assert row["Label"] == one.label
        assert float(row["Peak Confidence"]) == one.peak_confidence
        assert float(row["Mean Confidence"]) == one.mean_confidence
        assert row["Begin File"] == 'a "quoted", name in two lines.wav'
        # As scripts over Raven's tables read this column.
        began = row["Begin Date Time"]
        read = datetime.strptime(f"{began}000 Z", "%Y/%m/%d %H:%M:%S.%f %z") if began else None
        assert read == time


@given(FOUNDS)
def test_audacity_reads_start_end_and_label(found: Detections) -> None:
    rows = [line.split("\t") for line in to_audacity(found).split("\n")[:-1]]
    assert [(float(start), float(end), label) for start, end, label in rows] == [
        (one.start_s, one.end_s, one.label) for one in found.detections
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_no_detections_are_a_file_as_well(name: str) -> None:
    written = FORMATS[name].write(replace(FOUND, detections=()))
    assert written.count("\n") <= 1 or name == "json"
    assert FORMATS["json"].write(from_json(to_json(FOUND))) == to_json(FOUND)
    assert asdict(from_json(to_json(replace(FOUND, detections=()))))["detections"] == ()
