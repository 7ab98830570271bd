"""Take out of botocore what clients are never asked for: every cold start would read it.

``python lean_botocore.py FOLDER SERVICE…`` keeps the models of the services, without their manual,
and those services' endpoints. It is run where an image is built, on the copy that goes into it.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any


def thin_out(data: Path, services: set[str]) -> None:
    """Thin out ``botocore/data``; raises FileNotFoundError when a service is not there."""
    folders = {folder.name: folder for folder in data.iterdir() if folder.is_dir()}
    if missing := services - folders.keys():
        raise FileNotFoundError(f"botocore has no {', '.join(sorted(missing))}.")
    for name, folder in folders.items():
        if name in services:
            _undocument(folder)
        else:
            shutil.rmtree(folder)
    endpoints = data / "endpoints.json"
    content = json.loads(endpoints.read_bytes())
    for partition in content["partitions"]:
        there = partition["services"]
        partition["services"] = {name: there[name] for name in services & there.keys()}
    endpoints.write_bytes(_compact(content))


def _undocument(service: Path) -> None:
    """A service's models as plain JSON: to unpack them takes time, too."""
    for packed in service.glob("*/service-2.json.gz"):
        content = json.loads(gzip.decompress(packed.read_bytes()))
        packed.with_suffix("").write_bytes(_compact(_without_words(content)))
        packed.unlink()


def _without_words(node: Any) -> Any:
    """The same with empty documentation: botocore looks for it, and does not read it."""
    if isinstance(node, dict):
        return {
            name: "" if name == "documentation" and isinstance(one, str) else _without_words(one)
            for name, one in node.items()
        }
    return [_without_words(one) for one in node] if isinstance(node, list) else node


def _compact(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


if __name__ == "__main__":
    thin_out(Path(sys.argv[1]), set(sys.argv[2:]))
