"""Labelled clips in a folder: ``<label>/<file>``, or a ``manifest.csv``."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earshot.audio import decode
from earshot.errors import BadDataset, BadRecording
from earshot.store import is_audio_name

from retrain.augment import at_another_level
from retrain.dataset import Clip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from earshot.recording import Samples, Waveform


@dataclass(frozen=True)
class LabelledFile:
    """A file and its label; ``group`` names its recording, None for a recording of its own."""

    path: Path
    label: str
    group: str | None


def labelled_files(folder: Path) -> list[LabelledFile]:
    """The files of a folder with their labels, sorted.

    A ``manifest.csv`` with the columns ``path``, ``label`` and, if clips were cut from common
    recordings, ``group`` decides; without one the first folder is the label, and clips in a
    folder below it are of one recording. Raises BadDataset when there is nothing.
    """
    manifest = folder / "manifest.csv"
    try:
        found = list(_from_manifest(manifest) if manifest.is_file() else _from_folders(folder))
    except UnicodeDecodeError as error:
        raise BadDataset(f"{manifest} is not text in UTF-8: {error}.") from error
    if missing := [file.path for file in found if not file.path.is_file()]:
        raise BadDataset(f"{missing[0]} is listed in {manifest}, but is not there.")
    if not found:
        raise BadDataset(
            f"{folder} holds no labelled clips: put them at {folder}/<label>/<file>, or list them "
            "in a manifest.csv with the columns path and label."
        )
    return sorted(found, key=lambda file: str(file.path))


def _from_manifest(manifest: Path) -> Iterator[LabelledFile]:
    with manifest.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            try:
                yield LabelledFile(
                    manifest.parent / row["path"], row["label"], row.get("group") or None
                )
            except KeyError as error:
                raise BadDataset(f"{manifest} lacks the column {error}.") from error


def _from_folders(folder: Path) -> Iterator[LabelledFile]:
    for path in folder.rglob("*"):
        label, *between = path.relative_to(folder).parts[:-1] or ("",)
        if label and path.is_file() and is_audio_name(path.name):
            yield LabelledFile(path, label, "/".join(between) or None)


def read_clips(
    files: list[LabelledFile],
    embed: Callable[[Waveform], Samples],
    advance: Callable[[], None],
) -> tuple[list[Clip], list[str]]:
    """Decode and embed every file on all cores; returns the clips, and notes on the others."""
    clips: dict[str, Clip] = {}
    notes: list[str] = []
    contested: set[str] = set()
    with ThreadPoolExecutor() as pool:
        for file, made in zip(files, pool.map(lambda f: _read(f, embed), files), strict=True):
            advance()
            if isinstance(made, BadRecording):
                notes.append(f"{file.path.name} is left out: {made}")
                continue
            known = clips.setdefault(made.sha256, made)
            if known.label != made.label:
                contested.add(made.sha256)
                notes.append(
                    f"{file.path.name} is left out: the same sound is labelled {known.label!r} "
                    f"and {made.label!r}."
                )
    return [clip for sha256, clip in clips.items() if sha256 not in contested], notes


def _read(file: LabelledFile, embed: Callable[[Waveform], Samples]) -> Clip | BadRecording:
    def audio() -> Waveform:
        return decode(file.path.read_bytes())

    try:
        waveform = audio()
    except BadRecording as error:
        return error
    return Clip(
        sha256=waveform.sha256,
        label=file.label,
        group=file.group or waveform.sha256,
        embedding=embed(waveform),
        audio=audio,
        copies=embed(at_another_level(waveform)),
    )
