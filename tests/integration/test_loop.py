"""The whole loop through public interfaces: put an object, and hear the new version answer."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from conftest import REPOSITORY, clip, encode, pcm
from onemachine import THRESHOLD, local_stack


def test_from_a_dropped_file_to_a_new_version(tmp_path: Path) -> None:
    with local_stack(tmp_path / "data", "--no-demo") as local:
        before = local.get("/predict", clip("siren", 100))
        assert before["model_version"] == local.get("/status")["model"]["version"]

        # What a person might drop: good clips, the same twice, bad files, an unknown label.
        for n in range(THRESHOLD):
            label = ("casual", "explosion", "gunshot", "siren")[n % 4]
            local.drop(f"samples/{label}/clip {n}+ü.wav", clip(label, n))
        local.drop("samples/siren/again.flac", encode(pcm("siren", 3), container="FLAC"))
        local.drop("samples/siren/empty.wav", b"")
        local.drop("samples/owl/owl.wav", clip("siren", 50))
        local.drop("recordings/ridge/20261121_100000.wav", clip("casual", 51))

        run = local.finished(1)
        assert run["state"] == "promoted", run
        assert run["reason"].startswith("20 new samples")
        assert run["curve"]
        assert {gate["gate"] for gate in run["gates"]} >= {"not_worse", "exported_as_trained"}
        assert all(gate["passed"] and gate["detail"] for gate in run["gates"])

        def settled() -> Any:
            samples = local.get("/samples")
            done = samples["recordings"] and len(samples["refused"]) == 2
            return samples if done else None

        samples = local.until(settled, "two refusals and a recording")
        # The FLAC is the same sound as the fourth WAV, and counts for nothing.
        assert samples["labels"] == {"casual": 5, "explosion": 5, "gunshot": 5, "siren": 5}
        assert {refused["code"] for refused in samples["refused"]} == {
            "empty_recording",
            "unknown_label",
        }

        def answered() -> Any:
            answer = local.get("/predict", clip("siren", 100))
            return answer if answer["model_version"] == run["version"] else None

        after = local.until(answered, "an answer by the new version")
        assert after["label"] == "siren"
        models = local.get("/models")
        assert models["champion"]["version"] == run["version"]
        assert [m["version"] for m in models["models"]] == [
            run["version"],
            before["model_version"],
        ]
        card = local.get(f"/models/{run['version']}")
        assert card["parent"] == before["model_version"]
        assert local.get("/status")["predictions"] >= 2
        counts = local.get("/samples")["labels"]

    with local_stack(tmp_path / "data") as local:
        # Not a first start: nothing is shown, and everything is as it was.
        assert local.get("/samples")["labels"] == counts
        assert local.get("/models")["champion"]["version"] == run["version"]
        assert local.get("/predict", clip("siren", 100))["model_version"] == run["version"]
        listed = local.s3.list_objects_v2(Bucket="earshot-recordings", Prefix="samples/casual/")
        assert listed["KeyCount"] == 5

        # A version whose bytes were altered is refused, and the old one keeps serving.
        key = f"models/{run['version']}/model.onnx"
        model = bytearray(local.s3.get_object(Bucket="earshot-artifacts", Key=key)["Body"].read())
        model[1000] ^= 1
        for name, body in (("card.json", None), ("model.onnx", bytes(model))):
            source = f"models/{run['version']}/{name}"
            content = body or local.s3.get_object(Bucket="earshot-artifacts", Key=source)[
                "Body"
            ].read().replace(run["version"].encode(), b"99990101-000000-altered0")
            local.s3.put_object(
                Bucket="earshot-artifacts",
                Key=f"models/99990101-000000-altered0/{name}",
                Body=content,
            )
        pointer = {
            "version": "99990101-000000-altered0", "previous": run["version"],
            "promoted_at": "", "promoted_by": "test", "reason": "",
        }  # fmt: skip
        local.s3.put_object(
            Bucket="earshot-artifacts", Key="champion.json", Body=json.dumps(pointer).encode()
        )

        def refused() -> Any:
            local.get("/predict", clip("siren", 100))
            return local.get("/status")["refused_bundles"]

        assert "altered or cut" in local.until(refused, "a refusal")["99990101-000000-altered0"]
        assert local.get("/predict", clip("siren", 100))["model_version"] == run["version"]


def test_real_clips_of_one_label(tmp_path: Path, data_dir: Path) -> None:
    with (data_dir / "sesa" / "manifest.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["label"] == "siren" and not row["note"]]
    identities = {row["sha256_pcm"] for row in rows[:30]}
    with local_stack(tmp_path / "data", "--no-demo") as local:
        for row in rows[:30]:
            local.drop(
                f"samples/siren/{Path(row['path']).name}",
                (data_dir / "sesa" / row["path"]).read_bytes(),
            )
        local.total(len(identities))
        run = local.finished(1)
        assert run["version"] in {m["version"] for m in local.get("/models")["models"]}
        samples = local.get("/samples")
        assert samples["labels"] == {"siren": len(identities)}
        assert samples["refused"] == []
        assert run["state"] == "promoted", run["gates"]
        # Clips of one label alone: the others are remembered from the default bundle's data.
        assert set(run["metrics"]["per_label"]) == {"casual", "explosion", "gunshot", "siren"}


def test_the_demonstration_closes_the_loop(tmp_path: Path) -> None:
    with local_stack(tmp_path / "data") as local:
        run = local.finished(1)
        assert run["state"] == "promoted", run["gates"]
        story = tmp_path / "data.log"
        local.until(lambda: "The loop is closed" in story.read_text(), "the end of the story")
        for word in ("drop", "count", "event", "gate", "promoted", "predict"):
            assert word in story.read_text()


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "infra.local", "--port", str(port), "--data", str(tmp_path)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stdout
