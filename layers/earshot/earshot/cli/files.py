"""Which files are meant, and what each is to be: a sample, a recording or an archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from zipfile import is_zipfile

from earshot.errors import BadSample, DamagedArchive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ARCHIVE = ".zip"


@dataclass(frozen=True)
class Labelling:
    """Where labels come from: ``label`` for all, ``from_names`` of files, or folders' names.

    ``from_names`` holds the labels that names are compared with. With ``site`` there are no
    labels: the files are recordings of that place.
    """

    label: str | None = None
    from_names: frozenset[str] | None = None
    site: str | None = None


@dataclass(frozen=True)
class Item:
    """A file and what ``POST /uploads`` is told of it; ``size`` in bytes."""

    path: Path
    size: int
    kind: Literal["sample", "recording", "archive"]
    label: str | None = None
    recording: str | None = None
    site: str | None = None


def audio_below(folder: Path) -> list[Path]:
    """Every file below a folder whose name looks like audio, in order of names."""
    # It brings numpy, which commands that read no folder can do without.
    from earshot.store import is_audio_name

    return [
        path for path in sorted(folder.rglob("*")) if is_audio_name(path.name) and path.is_file()
    ]


def items(paths: Sequence[Path], labelling: Labelling) -> list[Item]:
    """What is to be uploaded; raises BadSample or DamagedArchive for what cannot be told."""
    found = list(dict.fromkeys(item for path in paths for item in _of(path, labelling)))
    if not found:
        raise BadSample(f"There is no audio below {', '.join(map(str, paths))}.")
    return found


def _of(path: Path, labelling: Labelling) -> Iterator[Item]:
    if path.is_dir():
        for file in audio_below(path):
            yield _clip(file, file.relative_to(path).parts[:-1], path, labelling)
    elif path.suffix.lower() == ARCHIVE:
        if not is_zipfile(path):
            raise DamagedArchive(f"{path} is not a zip archive.")
        if labelling != Labelling():
            raise BadSample(f"The clips in {path} have their labels there: <label>/<file>.")
        yield Item(path, path.stat().st_size, "archive")
    else:
        yield _clip(path, (), path, labelling)


def _clip(file: Path, folders: tuple[str, ...], given: Path, labelling: Labelling) -> Item:
    """What a file is, by the folders between it and the path that was given."""
    size = file.stat().st_size
    if labelling.site is not None:
        return Item(file, size, "recording", site=labelling.site)
    if labelling.label is not None:
        label = labelling.label
    elif labelling.from_names is not None:
        from earshot.names import label_in

        label = label_in(file.name, labelling.from_names)
    elif folders:
        label, folders = folders[0], folders[1:]
    else:
        raise BadSample(
            f"{file} has no label: {given} is not a folder of <label>/<file>. Say --label NAME, "
            "--labels-from-names for <label>_x.wav, or --site NAME for recordings without labels."
        )
    return Item(file, size, "sample", label, "/".join(folders) or None)
