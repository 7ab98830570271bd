"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Clips = Annotated[Path, typer.Argument(help="Clips at <label>/<file>, or a manifest.csv.")]
ApplicationFile = Annotated[
    Path | None, typer.Option(help="An application file; default: the labels found, 16 kHz.")
]
BackboneName = Annotated[
    str | None, typer.Option(help="Instead of the application's; see earshot backbone list.")
]
Only = Annotated[
    list[str] | None,
    typer.Option(help="column=value[,value]: only these of the manifest's clips. Repeatable."),
]
Relabel = Annotated[
    list[str] | None,
    typer.Option(help="label=other: take one label for another; label= leaves it out. Repeatable."),
]
