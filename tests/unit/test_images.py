"""The images can be built from what their builder is given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("function", ["predict", "retrain"])
def test_the_builder_is_given_all_that_a_dockerfile_copies(function: str) -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    given = [Path(line[1:]) for line in ignored if line.startswith("!")]
    dockerfile = (REPOSITORY / "functions" / function / "Dockerfile").read_text()
    copied = [Path(source) for source in re.findall(r"^COPY (\S+) \S+$", dockerfile, re.MULTILINE)]
    assert len(copied) == dockerfile.count("COPY ")
    assert [source for source in copied if not any(map(source.is_relative_to, given))] == []


def test_the_predict_image_is_made_by_programs_that_its_base_has() -> None:
    """Lambda's images from Python 3.12 on have a shell, coreutils and Python, no findutils."""
    dockerfile = (REPOSITORY / "functions" / "predict" / "Dockerfile").read_text()
    lines = re.findall(r"^RUN (.+)$", dockerfile.replace("\\\n", " "), re.MULTILINE)
    programs = {command.split()[0] for line in lines for command in line.split("&&")}
    assert programs == {"cd", "pip", "python", "rm"}
