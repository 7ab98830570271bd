"""What the local stack says before it starts anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from infra.local import endpoint


def start(data: Path, application: str) -> subprocess.CompletedProcess[str]:
    options = ("--port", str(endpoint.free_port()), "--aws-port", str(endpoint.free_port()))
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "infra.local",
            *options,
            "--data",
            data,
            "--application",
            application,
        ],
        cwd=endpoint.REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_application_does_not_start_among_what_another_one_learnt(tmp_path: Path) -> None:
    (tmp_path / "application").write_text("surveillance")
    done = start(tmp_path, "birds")
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "samples and models of surveillance" in said
    assert "DATA=" in said
    assert not (tmp_path / "s3").exists()
