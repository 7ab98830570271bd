"""The environments of those that we are measured against, made when they are first wanted.

Below .venv-bench, each apart: they pin their own versions of much that we use.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from infra.local.endpoint import REPOSITORY

FOLDER = REPOSITORY / ".venv-bench"
WANTED = {
    "reference": (
        *("tensorflow-cpu==2.21.0", "librosa==0.11.0", "fastapi", "uvicorn", "python-multipart"),
    ),
    "bentoml": ("bentoml==1.4.39", "onnxruntime==1.31.1", "soundfile==0.14.0", "numpy"),
}


class NotInstalled(RuntimeError):
    """It could not be installed; the message says why."""


def binaries(name: str) -> Path:
    """Where an environment's programs are. Raises NotInstalled."""
    folder = FOLDER / name
    done = folder / "installed"
    if not done.is_file():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [folder / "bin" / "pip", "install", "-qq", "--disable-pip-version-check"]
        tried = subprocess.run(
            [*install, *WANTED[name]], capture_output=True, text=True, check=False
        )
        if tried.returncode:
            raise NotInstalled(f"{name} could not be installed: {tried.stderr.strip()[-300:]}")
        done.touch()
    return folder / "bin"
