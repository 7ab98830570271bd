"""Recordings heard where they lie, by a bundle in a folder: no stack, no network.

In the end ``<file>.detections.json`` says what was found, and other formats are made from it.
Until then, what is heard is kept part by part in ``.<file>.parts``, so that whoever is stopped
goes on where it was.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earshot import __version__
from earshot.audio.fieldnotes import read_notes
from earshot.audio.streams import opened
from earshot.field.detections import summarise
from earshot.field.formats import FORMATS, from_json
from earshot.field.listening import listen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from earshot.detector import Detector
    from earshot.recording import Detections

# A recording is known by its size, its time, and so many bytes at either end: to read all of a
# terabyte again only to see that nothing has changed would take a night.
_ENDS = 1 << 16


@dataclass(frozen=True)
class Outcome:
    """What was found in a recording; ``known`` when that was so before, and nothing was heard.

    ``cut`` tells that the file ends before its own header says; None when nothing was heard.
    """

    found: Detections
    known: bool
    cut: bool | None = None


def analyse(
    recording: Path,
    folder: Path,
    detector: Detector,
    background: str | None,
    goes_on: Callable[[], bool],
    progress: Callable[[float, float], None],
) -> Outcome | None:
    """Hear a recording, unless ``folder`` holds what this model found in it before.

    ``goes_on`` is asked before each part; when it says no, None is answered, and the next call
    goes on from there. ``progress`` is told by how much the share that is done has grown, and how
    many seconds were heard for it: none, where a part was heard before. For ``background`` see
    ``detections.detect``. Raises BadRecording, RecordingTooLarge and OSError.
    """
    results = result_file(recording, folder, "json")
    with recording.open("rb") as file:
        identity = _identity(file)
        known = _read(results)
        wanted = (identity, detector.card.version, background)
        if known and (known.recording, known.model_version, known.background) == wanted:
            return Outcome(known, known=True)
        notes = read_notes(file, recording.name)
        with opened(file) as stream:
            parts = _Parts(folder / f".{recording.name}.parts", identity, detector)
            meter = _Meter(parts, stream.duration_s, progress)
            hearing = listen(stream, detector, parts, goes_on, meter.tell)
            if hearing is None:
                return None
            found = summarise(
                hearing,
                detector.card,
                recording=identity,
                key=recording.as_posix(),
                site=recording.absolute().parent.name,
                sample_rate=stream.sample_rate,
                duration_s=stream.duration_s,
                started_at=notes.started_at,
                background=background,
            )
    write(results, FORMATS["json"].write(found))
    parts.remove()
    return Outcome(found, known=False, cut=stream.cut)


def result_file(recording: Path, folder: Path, form: str) -> Path:
    """Where one of FORMATS of a recording goes; by its whole name, for a.wav and a.flac differ."""
    detections = ".detections" * (form in ("json", "csv"))
    return folder / f"{recording.name}{detections}{FORMATS[form].suffix}"


def write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all, when it is not what is there."""
    content = text.encode()
    if not (path.is_file() and path.read_bytes() == content):
        _replace(path, content)


class _Parts:
    """What was heard of a recording so far, in a folder: Checkpoints."""

    def __init__(self, folder: Path, identity: str, detector: Detector) -> None:
        # Of other content, by another model or another Earshot, they are none of ours.
        kind = f"{identity}\n{detector.card.version}\n{detector.card.model_sha256}\n{__version__}"
        self._all = folder
        self._folder = folder / hashlib.sha256(kind.encode()).hexdigest()[:16]
        self.heard = False

    def load(self, part: int) -> bytes | None:
        path = self._folder / str(part)
        self.heard = not path.is_file()
        return None if self.heard else path.read_bytes()

    def save(self, part: int, content: bytes) -> None:
        _replace(self._folder / str(part), content)

    def remove(self) -> None:
        shutil.rmtree(self._all, ignore_errors=True)


class _Meter:
    """Turns shares into steps and seconds, and tells what was heard from what was only loaded."""

    def __init__(
        self, parts: _Parts, duration_s: float, progress: Callable[[float, float], None]
    ) -> None:
        self._parts = parts
        self._duration_s = duration_s
        self._progress = progress
        self._share = 0.0

    def tell(self, share: float) -> None:
        more, self._share = share - self._share, share
        self._progress(more, more * self._duration_s if self._parts.heard else 0.0)


def _identity(file: BinaryIO) -> str:
    """What a file's content is known by, sixteen hex digits; the file stands at its start then."""
    status = os.fstat(file.fileno())
    digest = hashlib.sha256(f"{status.st_size}\n{status.st_mtime_ns}\n".encode())
    digest.update(file.read(_ENDS))
    file.seek(max(0, status.st_size - _ENDS))
    digest.update(file.read(_ENDS))
    file.seek(0)
    return digest.hexdigest()[:16]


def _read(results: Path) -> Detections | None:
    """What an earlier run has written; None when it is not there, or not ours."""
    try:
        return from_json(results.read_bytes())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)
