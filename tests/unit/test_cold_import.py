"""What a cold start imports: nothing that only training needs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import DEFAULT_BUNDLE, REPOSITORY

HEAVY = ("librosa", "numba", "onnx", "scipy", "sklearn", "torch")
LATE = ("av", "aws_xray_sdk", "onnxruntime", "soxr")


HANDLERS = ["predict.handler", "ingest.handler", "ingest.sweep", "ingest.webhook"]


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_imports_nothing_heavy(handler: str) -> None:
    code = f"import sys, {handler}\nprint(*sorted(set(sys.modules) & set({(*HEAVY, *LATE)!r})))"
    environment = {
        "PYTHONPATH": f"{REPOSITORY}/functions:{REPOSITORY}/layers/earshot",
        "AWS_DEFAULT_REGION": "us-east-1",
        "EARSHOT_RECORDINGS_BUCKET": "r",
        "EARSHOT_ARTIFACTS_BUCKET": "a",
        "EARSHOT_TABLE": "t",
        "EARSHOT_EVENT_BUS": "b",
        "EARSHOT_APPLICATION": str(REPOSITORY / "infra/applications/surveillance.toml"),
        "EARSHOT_DEFAULT_BUNDLE": str(DEFAULT_BUNDLE),
        "EARSHOT_RETRAIN_THRESHOLD": "100",
        "EARSHOT_RELOAD_S": "30",
        "EARSHOT_WEBHOOK_URL": "https://example.org/hook",
        "EARSHOT_WEBHOOK_SECRET": f"whsec_{'A' * 44}",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_is_wiring(handler: str) -> None:
    path = REPOSITORY / "functions" / f"{handler.replace('.', '/')}.py"
    source = path.read_text().splitlines()
    assert len([line for line in source if line.strip()]) <= 20
