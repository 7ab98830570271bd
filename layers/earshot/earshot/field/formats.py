"""Detections as files: JSON, CSV, and what Raven and Audacity open.

``detections.json`` is what is stored; the others are made from it when somebody asks. Its members,
in schema 1:

==================  ====================================================================
``schema``          1; another number where a member changes its meaning or goes
``recording``       the recording's id; ``key`` and ``site`` say where it lies
``duration_s``      of the whole recording
``started_at``      when it starts (ISO 8601, UTC), or null: see ``audio.fieldnotes``
``high_hz``         the highest frequency that could be heard in it
``model_version``   what heard it; ``labels`` are all that it knows
``background``      the label that makes no detections, or null
``detections``      in the order of time: ``start_s``, ``end_s`` from the recording's start,
                    ``label``, ``peak_confidence``, ``mean_confidence``; ``peak_s``, where its
                    surest window starts; ``clip``, the name of the audio around it, or null;
                    ``started_at``, when its start truly was, or null
==================  ====================================================================
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from earshot.recording import Detection, Detections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SCHEMA = 1

_BLANKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")


def to_json(found: Detections) -> str:
    """The stored document."""
    content = {"schema": SCHEMA, **asdict(found)}
    # The many go last.
    content["detections"] = [
        {**members, "started_at": found.time_of(one)}
        for members, one in zip(content.pop("detections"), found.detections, strict=True)
    ]
    return json.dumps(content, indent=1, ensure_ascii=False)


def from_json(text: bytes | str) -> Detections:
    """Read the stored document."""
    content: dict[str, Any] = json.loads(text)
    del content["schema"]
    content["labels"] = tuple(content["labels"])
    for one in content["detections"]:
        # The recording's own says the same.
        one.pop("started_at", None)
    content["detections"] = tuple(Detection(**one) for one in content["detections"])
    return Detections(**content)


def to_csv(found: Detections) -> str:
    """A header and a row for each detection (RFC 4180); the recording is in every row."""
    rows = [
        (
            f"{one.start_s:.3f}",
            f"{one.end_s:.3f}",
            one.label,
            f"{one.peak_confidence:.4f}",
            f"{one.mean_confidence:.4f}",
            found.key,
            found.recording,
            found.model_version,
            found.time_of(one) or "",
            one.clip or "",
        )
        for one in found.detections
    ]
    header = (
        "start_s", "end_s", "label", "peak_confidence", "mean_confidence", "key", "recording",
        "model_version", "started_at", "clip",
    )  # fmt: skip
    file = io.StringIO()
    csv.writer(file).writerows([header, *rows])
    return file.getvalue()


def to_raven(found: Detections) -> str:
    """A selection table: the seven columns that Raven wants, three of ours, and two of Raven's.

    Begin and end in seconds, the box from 0 Hz to the highest frequency that could be heard (Raven
    Pro User's Manual, "Saving, retrieving, and exporting selection tables"). "Begin Date Time", in
    UTC, and "Begin File" are written as Raven writes these measurements; the time is empty where
    the recording's start is not known.
    """
    header = (
        "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)",
        "High Freq (Hz)", "Label", "Peak Confidence", "Mean Confidence", "Begin Date Time",
        "Begin File",
    )  # fmt: skip
    file = found.key.rpartition("/")[2]
    rows = [
        (
            str(number),
            "Spectrogram 1",
            "1",
            f"{one.start_s:.6f}",
            f"{one.end_s:.6f}",
            "0.0",
            f"{found.high_hz:.1f}",
            one.label,
            f"{one.peak_confidence:.4f}",
            f"{one.mean_confidence:.4f}",
            _raven_time(found.time_of(one)),
            file,
        )
        for number, one in enumerate(found.detections, start=1)
    ]
    return _tabbed([header, *rows])


def to_audacity(found: Detections) -> str:
    """A label track: start, end and label, tab-separated, without a header.

    As in the Audacity manual, "Importing and Exporting Labels", standard format.
    """
    rows = [(f"{one.start_s:.6f}", f"{one.end_s:.6f}", one.label) for one in found.detections]
    return _tabbed(rows)


@dataclass(frozen=True)
class Format:
    """How detections are written: ``suffix`` is what a file's name ends with."""

    write: Callable[[Detections], str]
    media_type: str
    suffix: str


FORMATS = {
    "json": Format(to_json, "application/json", ".json"),
    "csv": Format(to_csv, "text/csv; charset=utf-8; header=present", ".csv"),
    # The name that Raven itself gives to the first selection table of a sound.
    "raven": Format(
        to_raven, "text/tab-separated-values; charset=utf-8", ".Table.1.selections.txt"
    ),
    "audacity": Format(to_audacity, "text/plain; charset=utf-8", ".labels.txt"),
}


def _raven_time(time: str | None) -> str:
    """``2026/01/01 06:00:08.000``, as Raven writes a date and time."""
    return "" if time is None else time.rstrip("Z").replace("-", "/").replace("T", " ")


def _tabbed(rows: Iterable[tuple[str, ...]]) -> str:
    """Lines of cells; their readers know no quotes, so a cell has neither tab nor line end."""
    return "".join("\t".join(_BLANKS.sub(" ", cell) for cell in row) + "\n" for row in rows)
