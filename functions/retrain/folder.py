"""Labelled clips in a folder: ``<label>/<file>``, or a ``manifest.csv``."""

from __future__ import annotations

import csv
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from earshot.application import Application
from earshot.audio import decode
from earshot.errors import BadDataset, BadRecording
from earshot.store import is_audio_name

from retrain.dataset import WORKERS, Clip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from earshot.recording import Samples, Waveform

Made = TypeVar("Made")


@dataclass(frozen=True)
class LabelledFile:
    """A file and its label; ``group`` names its recording, None for a recording of its own.

    ``fold`` is the part of a cross-validation that a manifest puts it in, if it does.
    """

    path: Path
    label: str
    group: str | None
    fold: str | None = None

    def audio(self) -> Waveform:
        """Decode the file; raises BadRecording."""
        return decode(self.path.read_bytes())


@dataclass(frozen=True, eq=False)
class Heard(Generic[Made]):
    """A file that could be read: the identity of its sound, and what was ``made`` of it."""

    file: LabelledFile
    sha256: str
    made: Made

    @property
    def group(self) -> str:
        """The recording that it was cut from."""
        return self.file.group or self.sha256


@dataclass(frozen=True)
class Selection:
    """Which clips of a folder are taken, and by what label.

    ``only`` has the values that are taken of a manifest's columns; ``relabel`` gives labels other
    names, and clips whose label becomes empty are left out.
    """

    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    relabel: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, only: Iterable[str] = (), relabel: Iterable[str] = ()) -> Self:
        """From ``column=value,value`` and ``label=label``; raises BadDataset."""
        columns = {column: frozenset(values.split(",")) for column, values in map(_parts, only)}
        return cls(columns, dict(map(_parts, relabel)))

    def __call__(self, files: Iterable[LabelledFile]) -> Iterator[LabelledFile]:
        """Relabel; raises BadDataset for a label that no file has."""
        found = list(files)
        if strangers := sorted(set(self.relabel) - {file.label for file in found}):
            raise BadDataset(f"No clip is labelled {', '.join(strangers)}: nothing to relabel.")
        for file in found:
            if label := self.relabel.get(file.label, file.label):
                yield replace(file, label=label)


EVERYTHING = Selection()


def _parts(text: str) -> tuple[str, str]:
    before, is_there, after = text.partition("=")
    if not (before and is_there):
        raise BadDataset(f"{text!r} should have the form name=value.")
    return before, after


def labelled_files(folder: Path, selection: Selection = EVERYTHING) -> list[LabelledFile]:
    """The files of a folder with their labels, sorted.

    A ``manifest.csv`` with the columns ``path``, ``label`` and, if clips were cut from common
    recordings, ``group`` decides; without one the first folder is the label, and clips in a
    folder below it are of one recording. Raises BadDataset when there is nothing.
    """
    manifest = folder / "manifest.csv"
    try:
        if manifest.is_file():
            found = list(selection(_from_manifest(manifest, selection.only)))
        elif selection.only:
            raise BadDataset(f"{folder} has no manifest.csv to choose clips by.")
        else:
            found = list(selection(_from_folders(folder)))
    except UnicodeDecodeError as error:
        raise BadDataset(f"{manifest} is not text in UTF-8: {error}.") from error
    if missing := [file.path for file in found if not file.path.is_file()]:
        raise BadDataset(f"{missing[0]} is listed in {manifest}, but is not there.")
    if not found:
        raise BadDataset(
            f"{folder} holds no labelled clips: put them at {folder}/<label>/<file>, or list them "
            "in a manifest.csv with the columns path and label."
            if not selection.only
            else f"{manifest} lists no clip that was asked for: {_asked(selection.only)}."
        )
    return sorted(found, key=lambda file: str(file.path))


def application_of(
    files: Sequence[LabelledFile], folder: Path, path: Path | None, backbone: str | None
) -> Application:
    """What the files are learnt for: an application file, or the labels found, heard at 16 kHz.

    ``backbone`` takes the place of the application's. Raises BadApplication, and BadDataset for
    labels that the application does not have.
    """
    found = tuple(sorted({file.label for file in files}))
    application = Application.load(path) if path else _listening_for(folder, found)
    strangers = sorted(set(found) - set(application.labels))
    if strangers and not application.open_labels:
        raise BadDataset(
            f"{folder} holds clips labelled {', '.join(strangers)}, which {application.name} does "
            f"not have: it knows {', '.join(application.labels)}. Give them one of these labels, "
            "or leave them out, by --relabel."
        )
    return application if backbone is None else application.heard_by(backbone)


def _listening_for(folder: Path, labels: tuple[str, ...]) -> Application:
    return Application(
        name=folder.resolve().name,
        labels=labels,
        sample_rate=16_000,
        window_s=4.0,
        hop_s=4.0,
        backbone="cnn",
        open_labels=True,
    )


def _asked(only: Mapping[str, frozenset[str]]) -> str:
    return " and ".join(f"{column} {' or '.join(sorted(only[column]))}" for column in only)


def _from_manifest(manifest: Path, only: Mapping[str, frozenset[str]]) -> Iterator[LabelledFile]:
    # Spreadsheets put a byte order mark before UTF-8.
    with manifest.open(newline="", encoding="utf-8-sig") as lines:
        for row in csv.DictReader(lines, restval=""):
            try:
                if all(row[column] in values for column, values in only.items()):
                    yield LabelledFile(
                        manifest.parent / row["path"],
                        row["label"],
                        row.get("group") or None,
                        row.get("fold") or None,
                    )
            except KeyError as error:
                raise BadDataset(f"{manifest} lacks the column {error}.") from error


def _from_folders(folder: Path) -> Iterator[LabelledFile]:
    for path in folder.rglob("*"):
        name, *between = path.relative_to(folder).parts[:-1] or ("",)
        # macOS takes letters and their accents apart.
        label = unicodedata.normalize("NFC", name)
        if label and path.is_file() and is_audio_name(path.name):
            yield LabelledFile(path, label, "/".join(between) or None)


def hear(
    files: Sequence[LabelledFile],
    make: Callable[[Waveform], Made],
    advance: Callable[[], None] = lambda: None,
) -> tuple[list[Heard[Made]], list[str]]:
    """Decode every file in parallel and make something of it; and notes on those left out.

    A sound that is there twice is taken once, and not at all if its labels differ.
    """
    heard: dict[str, Heard[Made]] = {}
    notes: list[str] = []
    contested: set[str] = set()
    with ThreadPoolExecutor(WORKERS) as pool:
        for file, found in zip(files, pool.map(lambda f: _hear(f, make), files), strict=True):
            advance()
            if isinstance(found, BadRecording):
                notes.append(f"{file.path.name} is left out: {found}")
                continue
            known = heard.setdefault(found.sha256, found).file
            if known.label != file.label:
                contested.add(found.sha256)
                notes.append(
                    f"{file.path.name} is left out: the same sound is labelled {known.label!r} "
                    f"and {file.label!r}."
                )
    return [one for sha256, one in heard.items() if sha256 not in contested], notes


def _hear(file: LabelledFile, make: Callable[[Waveform], Made]) -> Heard[Made] | BadRecording:
    try:
        waveform = file.audio()
    except BadRecording as error:
        return error
    return Heard(file, waveform.sha256, make(waveform))


def read_clips(
    files: Sequence[LabelledFile],
    embed: Callable[[Waveform], Samples],
    advance: Callable[[], None] = lambda: None,
) -> tuple[list[Clip], list[str]]:
    """Decode and embed every file; returns the clips, and notes on the others."""
    heard, notes = embed_files(files, embed, advance)
    return [as_clip(one) for one in heard], notes


def embed_files(
    files: Sequence[LabelledFile],
    embed: Callable[[Waveform], Samples],
    advance: Callable[[], None] = lambda: None,
) -> tuple[list[Heard[Samples]], list[str]]:
    """As ``hear``; files whose embedding is not finite are left out, too."""
    heard, notes = hear(files, embed, advance)
    finite = []
    for one in heard:
        if np.isfinite(one.made).all():
            finite.append(one)
        else:
            notes.append(f"{one.file.path.name} is left out: its embedding is not finite.")
    return finite, notes


def as_clip(heard: Heard[Samples]) -> Clip:
    """A file of which the embedding was made."""
    return Clip(
        sha256=heard.sha256,
        label=heard.file.label,
        group=heard.group,
        embedding=heard.made,
        audio=heard.file.audio,
    )
