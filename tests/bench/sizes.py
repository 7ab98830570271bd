"""How large what is deployed is, from what `make build` made; megabytes of 1,000,000 bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.local import artefacts
from tests.bench import measure

LARGEST = 8


def measured() -> dict[str, Any]:
    """Raises artefacts.NotBuilt."""
    parts = {
        "predict image, beside its base": (artefacts.PREDICT.opt, artefacts.PREDICT.task),
        "ingest, its layer": (artefacts.INGEST.opt,),
        "ingest, its code": (artefacts.INGEST.task,),
    }
    for folders in parts.values():
        for folder in folders:
            if not folder.is_dir():
                raise artefacts.NotBuilt(f"There is no {folder}: `make build` makes it.")
    packages = sorted(
        ((megabytes(one), one.name) for one in (artefacts.PREDICT.opt / "python").iterdir()),
        reverse=True,
    )
    return measure.told(
        mb={name: round(sum(map(megabytes, folders)), 1) for name, folders in parts.items()},
        largest_of_predict={name: round(mb, 1) for mb, name in packages[:LARGEST]},
    )


def megabytes(place: Path) -> float:
    """What a file or all files of a folder hold."""
    files = place.rglob("*") if place.is_dir() else [place]
    return sum(one.stat().st_size for one in files if one.is_file()) / 1e6
