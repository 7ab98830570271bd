"""The ``earshot`` command. Other distributions add to it by the entry point group below."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit
from zipfile import is_zipfile

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from earshot.errors import BadSample, DamagedArchive, EarshotError
from earshot.store import IMPORTS, SAMPLES, SampleKey, is_audio_name

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

COMMANDS = "earshot.commands"

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Earshot, from the shell.")
console = Console(stderr=True)


Bucket = Annotated[
    str, typer.Option(envvar="EARSHOT_RECORDINGS_BUCKET", help="The recordings bucket.")
]
Endpoint = Annotated[
    str | None,
    typer.Option(envvar="AWS_ENDPOINT_URL", help="http://127.0.0.1:4566 is the local stack."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.callback()
def _root() -> None:
    """Keep one command a subcommand."""


@app.command()
def upload(
    folder: Annotated[Path, typer.Argument(help="Labelled clips at <label>/<file>.")],
    bucket: Bucket = "earshot-recordings",
    endpoint_url: Endpoint = None,
    label: Annotated[
        str | None, typer.Option(help="One label for every file, instead of the folders' names.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Drop a folder of labelled clips into the recordings bucket."""
    keys = _sample_keys(folder, label)
    client = s3(endpoint_url)
    with Progress(console=console) as bar, ThreadPoolExecutor(8) as pool:
        task = bar.add_task("uploading", total=len(keys))
        uploads = [
            pool.submit(client.upload_file, str(path), bucket, key) for key, path in keys.items()
        ]
        for done in uploads:
            done.result()
            bar.advance(task)
    if as_json:
        print(json.dumps({"bucket": bucket, "uploaded": list(keys)}))
    else:
        console.print(f"{len(keys)} clips dropped into s3://{bucket}/{SAMPLES}")


@app.command("import")
def import_archive(
    file: Annotated[Path, typer.Argument(help="A zip of labelled clips at <label>/<file>.")],
    bucket: Bucket = "earshot-recordings",
    endpoint_url: Endpoint = None,
    as_json: AsJson = False,
) -> None:
    """Drop a zip archive of labelled clips into the recordings bucket, to be unpacked there."""
    if not is_zipfile(file):
        raise DamagedArchive(f"{file} is not a zip archive.")
    key = f"{IMPORTS}{file.name}"
    s3(endpoint_url).upload_file(str(file), bucket, key)
    if as_json:
        print(json.dumps({"bucket": bucket, "uploaded": [key]}))
    else:
        console.print(f"dropped into s3://{bucket}/{key}; GET /samples says what becomes of it")


def _sample_keys(folder: Path, label: str | None) -> dict[str, Path]:
    """The object key of every audio file below a folder."""
    if not folder.is_dir():
        raise BadSample(f"{folder} is not a folder.")
    keys = {}
    for path in sorted(folder.rglob("*")):
        if not (path.is_file() and is_audio_name(path.name)):
            continue
        place = path.relative_to(folder).as_posix()
        key = f"{SAMPLES}{label}/{place}" if label else f"{SAMPLES}{place}"
        SampleKey.parse(key)
        keys[key] = path
    if not keys:
        raise BadSample(f"{folder} holds no audio files at <label>/<file>.")
    return keys


def s3(endpoint_url: str | None) -> S3Client:
    """A client of S3 at an address; None for AWS itself."""
    import boto3

    # The local stack looks at no credentials, but boto3 will not sign without any.
    if urlsplit(endpoint_url or "").hostname in ("127.0.0.1", "localhost"):
        os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
        os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
        os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    return boto3.client("s3", endpoint_url=endpoint_url)


def main() -> None:
    """Run the command; what Earshot or AWS refuses is one line and exit status 1."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    for entry in entry_points(group=COMMANDS):
        command = entry.load()
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=entry.name)
        else:
            app.command(entry.name)(command)
    try:
        app()
    except EarshotError as error:
        console.print(f"[red]{error.code}:[/red] {escape(str(error))}")
        sys.exit(1)
    except (Boto3Error, BotoCoreError, ClientError) as error:
        console.print(f"[red]aws:[/red] {escape(str(error))}")
        sys.exit(1)
