"""The command against the whole local stack, as a user meets it: tokens, uploads, a training."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import clip
from onemachine import THRESHOLD, Local, local_stack

COMMAND = (sys.executable, "-c", "from earshot.cli import main; main()")
LARGE = 120_000_000
LABELS = ("casual", "explosion", "gunshot", "siren")


class Shell:
    """Runs ``earshot`` in a process of its own, with the stack's address and a token."""

    def __init__(self, local: Local, token: str, home: Path) -> None:
        self._local = local
        self._environment = {
            **os.environ,
            "EARSHOT_ENDPOINT": local.api,
            "EARSHOT_TOKEN": token,
            "XDG_CONFIG_HOME": str(home),
        }

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment,
        )

    def __call__(self, *arguments: object, code: int = 0) -> Any:
        """What the command prints as JSON, when it ends as it should."""
        process = self.start(*arguments, "--json")
        printed, words = process.communicate(timeout=240)
        assert process.returncode == code, words
        return json.loads(printed) if printed else words

    def interrupted(self, when: Callable[[], Any], *arguments: object) -> None:
        """Start a command and press Ctrl-C as soon as something can be seen."""
        process = self.start(*arguments)
        self._local.until(when, "what an upload should show")
        process.send_signal(signal.SIGINT)
        printed, words = process.communicate(timeout=60)
        assert (process.returncode, printed) == (130, ""), words
        assert "the same command goes on" in words


def test_from_a_folder_to_a_new_version(tmp_path: Path) -> None:
    with local_stack(tmp_path / "data", "--no-demo", "--auth") as local:
        token = (tmp_path / "data" / "token").read_text().strip()
        earshot, stranger = (Shell(local, one, tmp_path) for one in (token, ""))
        assert stranger("status", code=4).startswith("token_required: ")
        assert earshot("status")["training"]["threshold"] == THRESHOLD

        clips = tmp_path / "clips"
        for number in range(3 * THRESHOLD):
            file = clips / LABELS[number % 4] / f"{number} ü.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(clip(LABELS[number % 4], number))
        (clips / "siren" / "bad.wav").write_bytes(b"no audio")

        def some() -> bool:
            return "Contents" in local.s3.list_objects_v2(Bucket="earshot-recordings")

        earshot.interrupted(some, "upload", clips, "--jobs", 1)
        report = earshot("upload", clips)
        assert report["there"] >= 1
        assert report["sent"] + report["there"] == 3 * THRESHOLD + 1
        assert earshot("upload", clips)["there"] == 3 * THRESHOLD + 1

        def counted() -> Any:
            found = earshot("samples")
            return found if found["total"] + len(found["refused"]) > 3 * THRESHOLD else None

        found = local.until(counted, "that all are counted")
        assert [one["code"] for one in found["refused"]] == ["unsupported_format"]
        (*_, first) = earshot("runs")["runs"]
        run = earshot("runs", first["run"], "--wait")
        assert run["state"] == "promoted"
        assert earshot("status")["model"] is not None


def test_a_night_is_sent_in_parts_and_goes_on_after_an_interruption(tmp_path: Path) -> None:
    night = tmp_path / "night.wav"
    with night.open("wb") as file:
        for place in range(0, LARGE, LARGE // 10):
            file.seek(place)
            file.write(str(place).encode())
        file.truncate(LARGE)
    with local_stack(tmp_path / "data", "--no-demo", "--auth") as local:
        earshot = Shell(local, (tmp_path / "data" / "token").read_text().strip(), tmp_path)
        bucket = {"Bucket": "earshot-recordings"}

        def parts() -> Any:
            for upload in local.s3.list_multipart_uploads(**bucket).get("Uploads", []):
                place = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
                return local.s3.list_parts(**bucket, **place).get("Parts")
            return None

        earshot.interrupted(parts, "upload", night, "--site", "ridge", "--jobs", 1)
        assert 0 < len(parts()) < 8
        (row,) = earshot("upload", night, "--site", "ridge")["files"]
        assert row["state"] == "sent"
        answer = local.s3.get_object(**bucket, Key=row["key"])
        assert answer["Body"].read() == night.read_bytes()
        assert earshot("upload", night, "--site", "ridge")["there"] == 1
