"""``earshot backbone``: what there is to train upon, and how more of it is brought in."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from earshot.cli import AsJson, Endpoint, s3
from earshot.errors import BadBackbone, UnknownBackbone
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

if TYPE_CHECKING:
    from retrain.backbones import Backbone

WINDOW_S = 4.0
RUNS = 5

app = typer.Typer(no_args_is_help=True, help="What models are trained upon: list, fetch, import.")
console = Console(stderr=True)

Bucket = Annotated[
    str | None, typer.Option(help="Put it into this artifacts bucket, too, for a deployment.")
]


@app.command("list")
def list_backbones(
    sample_rate: Annotated[
        int, typer.Option(help="The recordings' rate in Hz, for which backbones are built.")
    ] = 16_000,
    as_json: AsJson = False,
) -> None:
    """Show every backbone with its rate, its embedding's length, and its time for 4 s."""
    from retrain.backbones import BACKBONES, Published, load
    from retrain.backbones.folder import BackboneFolder

    folder = BackboneFolder.of_user()
    here = folder.names()
    rows = []
    for name in [*BACKBONES, *(name for name in here if name not in BACKBONES)]:
        if isinstance(BACKBONES.get(name), Published) and name not in here:
            rows.append({"name": name, "kind": "to be fetched"})
        else:
            kind = type(BACKBONES[name]).__name__.lower() if name in BACKBONES else "imported"
            rows.append(_described(load(name, sample_rate, folder.read)) | {"kind": kind})
    if as_json:
        print(json.dumps({"folder": str(folder.path), "backbones": rows}))
        return
    table = Table(title=f"Backbones for {sample_rate} Hz")
    for column in ("name", "kind", "sample_rate", "dim", "ms_per_window", "sha256"):
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(
            *(str(row.get(key, "")) for key in ("name", "kind", "sample_rate", "dim")),
            f"{row['ms_per_window']:.1f}" if "ms_per_window" in row else "",
            str(row.get("sha256", ""))[:12],
        )
    Console().print(table)
    console.print(f"Fetched and imported ones are in {folder.path}.")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="mn04 or yamnet.")],
    url: Annotated[
        str | None,
        typer.Option(
            envvar="EARSHOT_BACKBONE_URL", help="A mirror that holds the publisher's file."
        ),
    ] = None,
    bucket: Bucket = None,
    endpoint_url: Endpoint = None,
    as_json: AsJson = False,
) -> None:
    """Download a network from its publisher, check it, and make a backbone of it."""
    from retrain.backbones import BACKBONES, Backbone, Published
    from retrain.backbones.publisher import download, mirrored

    row = BACKBONES.get(name)
    if not isinstance(row, Published):
        known = ", ".join(n for n, r in BACKBONES.items() if isinstance(r, Published))
        raise UnknownBackbone(f"{name!r} is not among what can be fetched: {known}.")
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
    )
    with bar:
        task = bar.add_task(name, total=None)
        content = download(
            mirrored(row.url, url),
            row.sha256,
            lambda here, size: bar.update(task, completed=here, total=size),
        )
    _keep(Backbone.of(name, row.convert(content), row.sample_rate), bucket, endpoint_url, as_json)


@app.command("import")
def import_network(
    file: Annotated[Path, typer.Argument(help="An ONNX file from waveform to embedding.")],
    name: Annotated[str, typer.Option(help="What to call it.")],
    output: Annotated[str | None, typer.Option(help="The output that is the embedding.")] = None,
    sample_rate: Annotated[
        int | None, typer.Option(help="In Hz; needed unless the file's metadata says it.")
    ] = None,
    bucket: Bucket = None,
    endpoint_url: Endpoint = None,
    as_json: AsJson = False,
) -> None:
    """Make a backbone of a network of your own."""
    from retrain.backbones import BACKBONES
    from retrain.backbones.imported import adopt

    if name in BACKBONES:
        raise BadBackbone(f"{name} is built in already: choose another name.")
    _keep(adopt(file, name, output, sample_rate), bucket, endpoint_url, as_json)


def _keep(backbone: Backbone, bucket: str | None, endpoint_url: str | None, as_json: bool) -> None:
    """Write a backbone to the folder, and to a bucket if one is named, and say so."""
    from earshot.registry import Registry

    from retrain.backbones.folder import BackboneFolder

    places = [str(BackboneFolder.of_user().keep(backbone.name, backbone.content))]
    if bucket is not None:
        registry = Registry(s3(endpoint_url), bucket)
        places.append(registry.keep_backbone(backbone.name, backbone.content))
    described = _described(backbone) | {"kept": places}
    if as_json:
        print(json.dumps(described))
        return
    console.print(
        f"[bold]{backbone.name}[/bold] hears at {backbone.sample_rate} Hz, embeds in "
        f"{described['dim']} figures and takes {described['ms_per_window']:.1f} ms for 4 s."
    )
    console.print(f"It is kept in {' and '.join(places)}.", soft_wrap=True)


def _described(backbone: Backbone) -> dict[str, Any]:
    """What there is to know of a backbone; milliseconds for a 4 s window on one core, the best."""
    import numpy as np
    from earshot.detector import open_session

    session = open_session(backbone.content)
    samples = round(WINDOW_S * backbone.sample_rate)
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, samples)).astype(np.float32)
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        session.run(["embedding"], {"waveform": noise})
        times.append(time.perf_counter() - started)
    return {
        "name": backbone.name,
        "sha256": backbone.sha256,
        "sample_rate": backbone.sample_rate,
        "dim": backbone.dim,
        "ms_per_window": round(min(times) * 1000, 2),
    }
