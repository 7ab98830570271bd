"""Imported backbones on this machine: ``<name>.onnx`` in one folder."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from earshot.errors import UnknownBackbone


@dataclass(frozen=True)
class BackboneFolder:
    """The folder of EARSHOT_BACKBONES, or ``earshot/backbones`` in the user's data folder."""

    path: Path

    @classmethod
    def of_user(cls) -> BackboneFolder:
        """The folder that the environment names (XDG Base Directory Specification)."""
        data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
        return cls(Path(os.environ.get("EARSHOT_BACKBONES") or data / "earshot" / "backbones"))

    def names(self) -> list[str]:
        """What is in the folder, sorted."""
        return sorted(path.stem for path in self.path.glob("*.onnx"))

    def read(self, name: str) -> bytes:
        """A backbone's ONNX file; raises UnknownBackbone, which says how to get it."""
        try:
            return (self.path / f"{name}.onnx").read_bytes()
        except OSError as error:
            raise UnknownBackbone(
                f"There is no backbone {name!r}: it is not built in, and not in {self.path}. Get "
                f"it by `earshot backbone fetch {name}`, or bring your own by `earshot backbone "
                f"import FILE --name {name}`."
            ) from error

    def keep(self, name: str, content: bytes) -> Path:
        """Write a backbone's ONNX file, whole or not at all; returns where it is."""
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / f"{name}.onnx"
        with tempfile.NamedTemporaryFile(dir=self.path, delete=False) as file:
            file.write(content)
        Path(file.name).replace(path)
        return path
