"""The retrain image's way into ECR, with stand-ins for the AWS CLI and the container engine."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DIGEST = f"sha256:{'ab' * 32}"

AWS = """#!/bin/sh
echo "aws $*" >> "$CALLS"
case "$1 $2" in
    "sts get-caller-identity") echo 123456789012 ;;
    "configure get") echo "$CONFIGURED" ; [ -n "$CONFIGURED" ] ;;
    "ecr describe-repositories") [ -z "$NEW" ] ;;
    "ecr get-login-password") echo secret ;;
    "ecr describe-images") echo "$DIGEST" ;;
esac
"""
ENGINE = """#!/bin/sh
echo "engine $*" >> "$CALLS"
case "$1" in login) cat >> "$CALLS.password" ;; push) exit "${PUSH:-0}" ;; esac
echo "noise of the engine"
"""


@pytest.fixture
def stands_in(tmp_path: Path) -> Path:
    for name, text in (("aws", AWS), ("engine", ENGINE)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def push(folder: Path, **given: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "HOME": str(folder),
        "CALLS": str(folder / "calls"),
        "DIGEST": DIGEST,
        "ENGINE": "engine",
        "NEW": "",
        "CONFIGURED": "eu-central-1",
        # A checkout of another user, as in a container.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    } | given
    done = subprocess.run(
        ["make", "-s", "retrain-image"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    calls = folder / "calls"
    return done, calls.read_text().splitlines() if calls.exists() else []


def test_it_is_built_pushed_and_named_by_its_digest(stands_in: Path) -> None:
    done, calls = push(stands_in)
    registry = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{registry}/earshot-retrain@{DIGEST}\n"
    engine = [call for call in calls if call.startswith("engine")]
    assert engine[0] == f"engine login --username AWS --password-stdin {registry}"
    assert re.fullmatch(
        rf"engine build --platform linux/amd64 -f functions/retrain/Dockerfile "
        rf"-t {registry}/earshot-retrain:[0-9a-f]{{12}}-x86_64 \.",
        engine[1],
    )
    assert engine[2] == f"engine push {engine[1].split()[-2]}"
    assert (stands_in / "calls.password").read_text() == "secret\n"
    assert not [call for call in calls if "secret" in call or "create-repository" in call]


def test_the_template_can_take_the_repository_out_of_the_name(stands_in: Path) -> None:
    """infra/batch.yaml lets the job's start pull this repository and no other."""
    done, _ = push(stands_in)
    uri = done.stdout.strip()
    after = uri.split(".amazonaws.com/")[1]
    assert after.split("@")[0].split(":")[0] == "earshot-retrain"


def test_a_new_account_gets_a_repository_that_is_scanned_and_kept_small(stands_in: Path) -> None:
    _, calls = push(stands_in, NEW="1")
    (made,) = [call for call in calls if "create-repository" in call]
    assert "scanOnPush=true" in made
    assert any("put-lifecycle-policy" in call for call in calls)


def test_another_processor_and_region(stands_in: Path) -> None:
    done, calls = push(stands_in, ARCHITECTURE="arm64", AWS_REGION="cn-north-1")
    assert done.stdout.startswith("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/")
    assert any("--platform linux/arm64" in call for call in calls)


@pytest.mark.parametrize(
    ("given", "calls_before"),
    [({"ARCHITECTURE": "mips"}, "no"), ({"CONFIGURED": ""}, "configure"), ({"PUSH": "1"}, "push")],
)
def test_what_goes_wrong_ends_it_and_names_no_image(
    stands_in: Path, given: dict[str, str], calls_before: str
) -> None:
    done, calls = push(stands_in, **given)
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr
    assert not calls or calls_before in calls[-1]
