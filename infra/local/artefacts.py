"""What Lambda is given: the zip functions' folders and their layer, and the predict image's.

``sam build`` makes the first; ``python -m infra.local.artefacts`` makes the second by doing what
functions/predict/Dockerfile says, in folders, and fetches Lambda's runtime client. No container
engine is asked for. Both are for Python 3.12, the runtime that template.yaml names.
"""

from __future__ import annotations

import filecmp
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from infra.local.endpoint import REPOSITORY

PYTHON = "python3.12"
BUILT = REPOSITORY / ".aws-sam" / "build"
FOLDER = REPOSITORY / ".aws-sam" / "lambda"
DOCKERFILE = REPOSITORY / "functions" / "predict" / "Dockerfile"
# Lambda's Python, and its client of the runtime API with boto3.
LANG = FOLDER / "lang"
RUNTIME = FOLDER / "runtime"

# Beside the code, and not in every artefact.
HOW_IT_IS_BUILT = ("Dockerfile", "Makefile")

_INSTRUCTION = re.compile(r"^(COPY|RUN|ENV|CMD) (.+)$", re.MULTILINE)


class NotBuilt(RuntimeError):
    """There are no artefacts, or others than the working tree's; the message says what to do."""


@dataclass(frozen=True)
class Artefact:
    """What is at /opt and at /var/task when a function runs."""

    opt: Path
    task: Path


# The three zip functions are one folder and one layer.
INGEST = Artefact(BUILT / "EarshotLayer", BUILT / "IngestFunction")
PREDICT = Artefact(FOLDER / "predict" / "opt", FOLDER / "predict" / "task")


def check(artefact: Artefact) -> None:
    """Raise NotBuilt unless it holds what the working tree does."""
    function = "predict" if artefact == PREDICT else "ingest"
    infra = REPOSITORY / "infra"
    for source, built in (
        (REPOSITORY / "layers" / "earshot" / "earshot", artefact.opt / "python" / "earshot"),
        (REPOSITORY / "functions" / function, artefact.task / function),
        (infra / "applications", artefact.opt / "earshot" / "applications"),
        (infra / "bundles", artefact.opt / "earshot" / "bundles"),
    ):
        for path in source.rglob("*"):
            if path.is_dir() or path.suffix == ".pyc" or path.name in HOW_IT_IS_BUILT:
                continue
            copy = built / path.relative_to(source)
            if not copy.is_file() or not filecmp.cmp(path, copy, shallow=False):
                raise NotBuilt(f"{copy} is not {path}: `make build` makes it")
    if not RUNTIME.is_dir() or not LANG.is_dir():
        raise NotBuilt(f"there is no {RUNTIME}: `make build` makes it")


def predict_handler() -> str:
    """The handler of the predict image, which only its Dockerfile names."""
    (command,) = (text for verb, text in _instructions() if verb == "CMD")
    return command.strip('[]"')


def find_python() -> Path | None:
    """Lambda's Python on this machine: on the PATH, or one of pyenv's."""
    shims = sorted(Path.home().glob(f".pyenv/versions/{PYTHON.removeprefix('python')}.*/bin"))
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, shims)])
    for folder in path.split(os.pathsep):
        found = Path(folder) / PYTHON
        # pyenv's shim is there for each version that was ever installed, and may run none.
        if found.is_file() and subprocess.call([found, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return found
    return None


def build(python: Path) -> None:
    """Make the predict image's folders and the runtime's; raises CalledProcessError."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    PREDICT.task.mkdir(parents=True)
    PREDICT.opt.mkdir()
    prefix = subprocess.check_output(
        [python, "-c", "import sys; print(sys.base_prefix)"], text=True
    )
    LANG.symlink_to(prefix.strip())
    with tempfile.TemporaryDirectory() as temporary:
        venv = Path(temporary) / "venv"
        subprocess.run([python, "-m", "venv", venv], check=True)
        install = [f"{venv}/bin/pip", "install", "-q", "--disable-pip-version-check", "--target"]
        constraints = ["-c", str(REPOSITORY / "constraints.txt")]
        wanted = ["awslambdaric", "boto3"]
        subprocess.run([*install, str(RUNTIME), *constraints, *wanted], check=True)
        _follow(_instructions(), Path(temporary) / "build", venv / "bin")


def _instructions() -> list[tuple[str, str]]:
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    return _INSTRUCTION.findall(text)


def _follow(instructions: list[tuple[str, str]], build: Path, binaries: Path) -> None:
    """Do a Dockerfile's COPY, RUN and ENV with the image's folders elsewhere."""
    places = {
        "/build": str(build),
        "/opt": str(PREDICT.opt),
        "${LAMBDA_TASK_ROOT}": str(PREDICT.task),
    }
    pattern = re.compile(r"(?<![\w./])(/build|/opt|\$\{LAMBDA_TASK_ROOT\})")
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
    for verb, text in instructions:
        placed = pattern.sub(lambda found: places[found[0]], text)
        if verb == "COPY":
            source, target = shlex.split(placed)
            _copy(REPOSITORY / source, Path(target), is_into=target.endswith("/"))
        elif verb == "RUN":
            # The base image's WORKDIR is the function's folder.
            command = ["sh", "-ec", placed]
            subprocess.run(command, check=True, env=environment, cwd=PREDICT.task)
        elif verb == "ENV":
            environment |= dict(word.split("=", 1) for word in shlex.split(placed))


def _copy(source: Path, target: Path, is_into: bool) -> None:
    """As COPY does: a folder's contents, or a file, into a folder when the target ends in /."""
    if source.is_dir():
        left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
        shutil.copytree(source, target, ignore=left_out, dirs_exist_ok=True)
    else:
        file = target / source.name if is_into else target
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, file)


def main() -> int:
    """Build, or say why not."""
    python = find_python()
    if python is None:
        print(f"There is no {PYTHON} here: nothing for Lambda's emulator was built.")
        return 0
    build(python)
    print(f"What Lambda is given lies in {FOLDER}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
