from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import REPOSITORY, Aws, clip
from earshot import cli
from earshot.bundle import Bundle, ModelCard
from earshot.detector import Detector
from earshot.errors import BadDataset, BadSample
from earshot.recording import Waveform
from numpy.random import default_rng
from typer.testing import CliRunner

from infra.local.sounds.surveillance import RATE, SOUNDS
from retrain.commands.train import train as train_command

runner = CliRunner()


@pytest.fixture
def app() -> object:
    """The command with what retrain adds, as the entry point builds it."""
    cli.app.command("train")(train_command)
    return cli.app


def labelled(folder: Path, labels: tuple[str, ...] = tuple(SOUNDS), clips: int = 12) -> Path:
    for label in labels:
        (folder / label).mkdir(parents=True)
        for seed in range(clips):
            (folder / label / f"{seed}.wav").write_bytes(clip(label, seed))
    return folder


def test_a_folder_becomes_a_bundle_that_hears(app: object, tmp_path: Path) -> None:
    folder = labelled(tmp_path / "clips")
    (folder / "siren" / "bad.wav").write_bytes(b"not audio")
    out = tmp_path / "bundle"
    done = runner.invoke(app, ["train", str(folder), "--out", str(out)])  # type: ignore[arg-type]
    assert done.exit_code == 0, done.output
    assert "Accuracy" in done.output
    assert "bad.wav is left out" in done.output
    bundle = Bundle.load(out)
    assert bundle.card.labels == ("casual", "explosion", "gunshot", "siren")
    unheard = Waveform(SOUNDS["siren"](default_rng(500)), RATE)
    assert Detector(bundle).classify(unheard).label == "siren"


def test_another_backbone_may_be_chosen(app: object, tmp_path: Path) -> None:
    folder, out = labelled(tmp_path / "clips"), tmp_path / "bundle"
    arguments = ["train", str(folder), "--out", str(out), "--backbone", "acoustic"]
    done = runner.invoke(app, arguments)  # type: ignore[arg-type]
    assert done.exit_code == 0, done.output
    assert Bundle.load(out).card.backbone == "acoustic"


def test_a_bundle_is_never_overwritten(app: object, tmp_path: Path) -> None:
    done = runner.invoke(app, ["train", str(tmp_path), "--out", str(tmp_path)])  # type: ignore[arg-type]
    assert isinstance(done.exception, BadDataset)
    assert "exists already" in str(done.exception)


def test_labels_that_the_application_lacks_are_refused(app: object, tmp_path: Path) -> None:
    folder = labelled(tmp_path / "clips", clips=1)
    (folder / "siren").rename(folder / "owl")
    application = REPOSITORY / "infra" / "applications" / "surveillance.toml"
    done = runner.invoke(
        app,  # type: ignore[arg-type]
        ["train", str(folder), "--application", str(application), "--out", str(tmp_path / "b")],
    )
    assert isinstance(done.exception, BadDataset)
    assert "owl" in str(done.exception)
    assert not (tmp_path / "b").exists()


def test_real_clips_are_learnt(app: object, tmp_path: Path, data_dir: Path) -> None:
    out = tmp_path / "bundle"
    done = runner.invoke(app, ["train", str(data_dir / "sesa"), "--out", str(out)])  # type: ignore[arg-type]
    assert done.exit_code == 0, done.output
    card = ModelCard.from_json((out / "card.json").read_bytes())
    assert card.metrics["clips"] >= 60
    assert card.metrics["accuracy"] >= 0.88


def test_a_folder_is_dropped_into_the_bucket(app: object, aws: Aws, tmp_path: Path) -> None:
    folder = labelled(tmp_path / "clips", ("siren", "casual"), clips=2)
    (folder / "siren" / "tape").mkdir()
    (folder / "siren" / "tape" / "x.wav").write_bytes(clip("siren", 9))
    (folder / "readme.txt").write_text("not audio")
    done = runner.invoke(
        app,  # type: ignore[arg-type]
        ["upload", str(folder), "--bucket", "recordings", "--json"],
    )
    assert done.exit_code == 0, done.output
    listed = aws.s3.list_objects_v2(Bucket="recordings")["Contents"]
    assert {item["Key"] for item in listed} == {
        "samples/siren/0.wav", "samples/siren/1.wav", "samples/casual/0.wav",
        "samples/casual/1.wav", "samples/siren/tape/x.wav",
    }  # fmt: skip
    assert len(json.loads(done.stdout)["uploaded"]) == 5


def test_one_label_for_a_folder(app: object, aws: Aws, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(clip("siren"))
    arguments = ["upload", str(tmp_path), "--bucket", "recordings", "--label", "siren"]
    assert runner.invoke(app, arguments).exit_code == 0  # type: ignore[arg-type]
    (item,) = aws.s3.list_objects_v2(Bucket="recordings")["Contents"]
    assert item["Key"] == "samples/siren/a.wav"


@pytest.mark.parametrize("loose", [True, False])
def test_a_folder_that_says_no_labels_is_refused(app: object, tmp_path: Path, loose: bool) -> None:
    if loose:
        (tmp_path / "a.wav").write_bytes(clip("siren"))
    done = runner.invoke(app, ["upload", str(tmp_path)])  # type: ignore[arg-type]
    assert isinstance(done.exception, BadSample)
    assert "<label>/<file>" in str(done.exception)
