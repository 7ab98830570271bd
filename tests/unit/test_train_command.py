"""``earshot train``: a folder of clips becomes a bundle."""

from __future__ import annotations

from pathlib import Path

from conftest import REPOSITORY, clip
from earshot import cli
from earshot.bundle import Bundle, ModelCard
from earshot.detector import Detector
from earshot.errors import BadDataset
from earshot.recording import Waveform
from numpy.random import default_rng
from typer.testing import CliRunner

from infra.local.sounds.surveillance import RATE, SOUNDS

runner = CliRunner()


def labelled(folder: Path, labels: tuple[str, ...] = tuple(SOUNDS), clips: int = 12) -> Path:
    for label in labels:
        (folder / label).mkdir(parents=True)
        for seed in range(clips):
            (folder / label / f"{seed}.wav").write_bytes(clip(label, seed))
    return folder


def test_a_folder_becomes_a_bundle_that_hears(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "clips")
    (folder / "siren" / "bad.wav").write_bytes(b"not audio")
    out = tmp_path / "bundle"
    done = runner.invoke(cli.app, ["train", str(folder), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "Accuracy" in done.output
    assert "bad.wav is left out" in done.output
    bundle = Bundle.load(out)
    assert bundle.card.labels == ("casual", "explosion", "gunshot", "siren")
    unheard = Waveform(SOUNDS["siren"](default_rng(500)), RATE)
    assert Detector(bundle).classify(unheard).label == "siren"


def test_another_backbone_may_be_chosen(tmp_path: Path) -> None:
    folder, out = labelled(tmp_path / "clips"), tmp_path / "bundle"
    arguments = ["train", str(folder), "--out", str(out), "--backbone", "acoustic"]
    done = runner.invoke(cli.app, arguments)
    assert done.exit_code == 0, done.output
    assert Bundle.load(out).card.backbone == "acoustic"


def test_a_bundle_is_never_overwritten(tmp_path: Path) -> None:
    done = runner.invoke(cli.app, ["train", str(tmp_path), "--out", str(tmp_path)])
    assert isinstance(done.exception, BadDataset)
    assert "exists already" in str(done.exception)


def test_labels_that_the_application_lacks_are_refused(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "clips", clips=1)
    (folder / "siren").rename(folder / "owl")
    application = REPOSITORY / "infra" / "applications" / "surveillance.toml"
    done = runner.invoke(
        cli.app,
        ["train", str(folder), "--application", str(application), "--out", str(tmp_path / "b")],
    )
    assert isinstance(done.exception, BadDataset)
    assert "owl" in str(done.exception)
    assert not (tmp_path / "b").exists()


def test_real_clips_are_learnt(tmp_path: Path, data_dir: Path) -> None:
    out = tmp_path / "bundle"
    done = runner.invoke(cli.app, ["train", str(data_dir / "sesa"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    card = ModelCard.from_json((out / "card.json").read_bytes())
    assert card.metrics["clips"] >= 60
    assert card.metrics["accuracy"] >= 0.88
