"""Every application from data to prediction: clips in, a first model through the gates, answers."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

import boto3
import numpy as np
import pytest
from conftest import REPOSITORY, Aws, encode, with_threshold
from earshot.audio import decode
from earshot.settings import Settings
from earshot.wiring import wire
from fastapi.testclient import TestClient
from numpy.random import default_rng
from onemachine import local_stack

from infra.local.sounds import REPERTOIRES
from predict.app import create_app
from retrain.backbones import load
from retrain.dataset import Clip
from retrain.job import work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from earshot.runs import Run
    from earshot.services import Services

APPLICATIONS = REPOSITORY / "infra" / "applications"
FIELDS = {
    "label", "class_id", "confidence", "decision", "probabilities", "top", "segments",
    "model_version", "duration_s", "processing_ms", "timestamp", "request_id",
}  # fmt: skip
# Real clips of a label that are learnt from: enough to be well above chance, few enough to be fast.
PER_LABEL = 15
# And held-out ones that the model is asked about.
ASKED = 5


@dataclass(frozen=True)
class Recorded:
    """A clip and what is known of it; ``folder`` is empty for a recording of its own."""

    name: str
    label: str
    folder: str
    content: bytes

    @property
    def path(self) -> str:
        return "/".join(filter(None, (self.label, self.folder, self.name)))


class Deployment:
    """An application with which no model came, and what a user does with it."""

    def __init__(self, aws: Aws, services: Services, default_bundle: Path) -> None:
        self._aws = aws
        self._default_bundle = default_bundle
        self.services = services
        self.api = TestClient(create_app(services), raise_server_exceptions=False)

    def drop(self, clips: Iterable[Recorded]) -> Counter[str]:
        """Drop clips below samples/, and let their events be handled."""
        keys = [self._aws.drop(f"samples/{clip.path}", clip.content) for clip in clips]
        return Counter(self.services.receive(key).state for key in keys)

    def import_zip(self, clips: Iterable[Recorded]) -> Counter[str]:
        """Drop the clips as one archive with a folder per label."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for clip in clips:
                archive.writestr(clip.path, clip.content)
        key = self._aws.drop("imports/clips.zip", file.getvalue())
        assert self.services.receive(key).state == "unpacked"
        listed = self._aws.s3.list_objects_v2(Bucket="recordings", Prefix="samples/")
        return Counter(self.services.receive(o["Key"]).state for o in listed["Contents"])

    def train(self, min_new_samples: int = 1) -> Run:
        """Do the run that is asked for, as the Batch job does."""
        run = self.services.training.request("a test", min_new_samples)
        work(self.services, self._default_bundle, run.run, "worker")
        return self.services.ledger.run(run.run)

    def predict(self, content: bytes) -> dict[str, Any]:
        answer = self.api.post("/predict", files={"file": ("clip", content)})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def accuracy(self, clips: Sequence[Recorded]) -> float:
        """The share of clips that are called by their label; each answer keeps the contract."""
        labels = [one["label"] for one in self.api.get("/classes").json()["classes"]]
        right = 0
        for clip in clips:
            answer = self.predict(clip.content)
            assert set(answer) == FIELDS
            assert list(answer["probabilities"]) == labels
            assert labels[answer["class_id"]] == answer["label"]
            assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-3)
            assert answer["decision"] in ("accepted", "uncertain")
            right += answer["label"] == clip.label
        return right / len(clips)


@pytest.fixture
def deploy(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Deployment]:
    def deploy(application: str) -> Deployment:
        none = tmp_path / "no bundle"
        for name, value in {
            "APPLICATION": str(APPLICATIONS / f"{application}.toml"),
            "DEFAULT_BUNDLE": str(none),
            "RETRAIN_THRESHOLD": "10000",
            "RELOAD_S": "0.001",
        }.items():
            monkeypatch.setenv(f"EARSHOT_{name}", value)
        return Deployment(aws, wire(Settings.from_environment(), boto3.client), none)

    return deploy


# --- on sounds of our own --------------------------------------------------------------------


def made(application: str, each: int, seed: int = 0, labels: Sequence[str] = ()) -> list[Recorded]:
    """Clips of an application's labels by our own makers."""
    repertoire = REPERTOIRES[application]
    return [
        Recorded(
            f"{seed}-{number}.wav",
            label,
            "",
            encode(repertoire.sounds[label](default_rng([seed, number])), repertoire.sample_rate),
        )
        for label in labels or repertoire.sounds
        for number in range(each)
    ]


@pytest.mark.parametrize("application", REPERTOIRES)
def test_a_first_model_from_sounds_of_our_own(
    deploy: Callable[[str], Deployment], application: str
) -> None:
    deployed = deploy(application)
    labels = REPERTOIRES[application].sounds
    clips = made(application, each=48 // len(labels))
    assert deployed.drop(clips) == {"added": len(clips)}
    run = deployed.train()
    assert run.state == "promoted", (run.gates, run.error)
    assert run.parent is None
    card = deployed.services.models.card(run.version or "")
    assert set(card.labels) == set(labels)
    listens = deployed.services.application
    # A network hears at its own rate, what is computed at the application's.
    hears = load(listens.backbone, listens.sample_rate, {}.__getitem__)
    assert card.sample_rate == hears.sample_rate
    assert deployed.accuracy(made(application, each=5, seed=1)) >= 0.9


def test_without_a_model_samples_count_and_answers_say_what_to_do(
    deploy: Callable[[str], Deployment],
) -> None:
    deployed = deploy("birds")
    clips = made("birds", each=16)
    assert deployed.drop(clips[:3]) == {"added": 3}
    assert deployed.drop(clips[:3]) == {"duplicate": 3}
    assert deployed.api.get("/samples").json()["labels"] == {"whistler": 3}
    status = deployed.api.get("/status").json()
    assert status["model"] is None
    assert status["training"]["new_samples"] == 3
    assert deployed.api.get("/models").json() == {
        "champion": None, "models": [], "unreadable": {}, "history": [],
        "shadow": None, "shadows": [],
    }  # fmt: skip
    for answer in (
        deployed.api.post("/predict", files={"file": ("x.wav", clips[0].content)}),
        deployed.api.get("/classes"),
    ):
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "no_model"
        assert "samples/<label>/" in answer.json()["detail"]

    assert deployed.drop(clips) == {"added": len(clips) - 3, "duplicate": 3}
    assert {s.embedded_by for s in deployed.services.catalog.samples()} == {""}
    run = deployed.train()
    assert run.state == "promoted", run.gates
    # What the training embedded is kept, and what comes in from now on is embedded at once.
    deployed.drop(made("birds", each=1, seed=9))
    kept = list(deployed.services.catalog.samples())
    detector = deployed.services.serving.detector()
    assert {s.embedded_by for s in kept} == {detector.card.embedding_id}
    assert all(s.embedding is not None for s in kept)
    assert len(kept) == len(clips) + 3


def test_the_threshold_starts_the_first_training(
    deploy: Callable[[str], Deployment], aws: Aws
) -> None:
    deployed = deploy("distress")
    deployed.services = with_threshold(deployed.services, 4)
    deployed.drop(made("distress", each=2))
    (event,) = aws.published()
    assert event["detail-type"] == "RetrainRequested"
    assert event["detail"]["reason"].startswith("4 new samples")


def test_a_species_can_be_added_later_and_one_with_too_few_recordings_waits(
    deploy: Callable[[str], Deployment],
) -> None:
    deployed = deploy("birds")
    deployed.drop(made("birds", 16, labels=("whistler", "triller")))
    few = made("birds", 16, labels=("warbler",))
    deployed.drop(few[:3])
    first = deployed.train()
    assert first.state == "promoted", first.gates
    card = deployed.services.models.card(first.version or "")
    assert card.labels == ("triller", "whistler")
    (note,) = [note for note in first.notes if "left out" in note]
    assert note.startswith("warbler is left out")
    assert "5 are needed" in note

    deployed.drop(few)
    second = deployed.train()
    assert second.state == "promoted", second.gates
    assert second.parent == first.version
    assert not [note for note in second.notes if "left out" in note]
    # What was known keeps its place in the answers, and is not forgotten.
    assert deployed.services.models.card(second.version or "").labels == (*card.labels, "warbler")
    assert deployed.accuracy(made("birds", each=6, seed=1)) >= 0.9
    assert deployed.predict(few[0].content)["model_version"] == second.version


def test_the_demonstration_of_an_application_without_a_model(tmp_path: Path) -> None:
    with local_stack(tmp_path / "data", "--application", "bats") as local:
        assert local.get("/status")["name"] == "Earshot: bats"
        story = tmp_path / "data.log"
        local.until(lambda: "The loop is closed" in story.read_text(), "the end of the story")
        assert "There is none yet" in story.read_text()
        assert len(local.get("/classes")["classes"]) == 3


# --- on real recordings ----------------------------------------------------------------------


def is_held_out(recording: str) -> bool:
    """Whether no training ever learns from a recording."""
    return Clip("", "", recording, np.empty((0, 0), dtype=np.float32)).held_out


def real(
    folder: Path,
    label_of: Callable[[dict[str, str]], str | None],
    in_folders: bool = True,
    asked: int = ASKED,
) -> tuple[list[Recorded], list[Recorded]]:
    """Clips to learn from, PER_LABEL of a label at most, and ``asked`` of recordings held out.

    ``label_of`` reads a row of the manifest, and answers None for one that is not wanted.
    """
    turns: dict[str, list[tuple[int, int, dict[str, str]]]] = defaultdict(list)
    seen: Counter[tuple[str, str]] = Counter()
    with (folder / "manifest.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            if label := label_of(row):
                turn = seen[label, row["group"]]
                turns[label].append((turn, crc32(row["path"].encode()), row))
                seen[label, row["group"]] += 1
    parts: tuple[list[Recorded], list[Recorded]] = ([], [])
    for label, rows in turns.items():
        taken = [0, 0]
        # A clip of every recording before a second one of any.
        for _, number, row in sorted(rows, key=lambda turn: turn[:2]):
            content = (folder / row["path"]).read_bytes()
            name = f"{number}-{row['path'].rpartition('/')[2]}"
            group = row["group"] if in_folders else ""
            held_out = is_held_out(group or decode(content).sha256)
            if taken[held_out] < (asked if held_out else PER_LABEL):
                taken[held_out] += 1
                parts[held_out].append(Recorded(name, label, group, content))
    return parts


def test_surveillance_on_real_clips(deploy: Callable[[str], Deployment], data_dir: Path) -> None:
    learnt, held_out = real(data_dir / "sesa", lambda row: None if row["note"] else row["label"])
    deployed = deploy("surveillance")
    deployed.drop([*learnt, *held_out])
    run = deployed.train()
    assert run.state == "promoted", run.gates
    # One of four by chance.
    assert deployed.accuracy(held_out) >= 0.6


def test_wildlife_on_real_clips(deploy: Callable[[str], Deployment], data_dir: Path) -> None:
    names = {"gun_shot": "gun_shot", "dog_bark": "dog", "engine_idling": "vehicle"}
    learnt, held_out = real(data_dir / "us8k_eco", lambda row: names[row["label"]])
    more, more_held_out = real(data_dir / "eco_extra", lambda row: row["label"])
    deployed = deploy("wildlife")
    deployed.drop([*learnt, *more, *held_out, *more_held_out])
    run = deployed.train()
    assert run.state == "promoted", run.gates
    # All guineafowl are of one recording: nothing could be proved of them.
    assert any(note.startswith("guineafowl is left out: 1 rec") for note in run.notes)
    card = deployed.services.models.card(run.version or "")
    assert card.labels == ("gun_shot", "dog", "vehicle", "silence")
    # One of four by chance.
    assert deployed.accuracy([*held_out, *more_held_out]) >= 0.7


def test_birds_on_real_clips(deploy: Callable[[str], Deployment], data_dir: Path) -> None:
    learnt, held_out = real(data_dir / "birds6", lambda row: row["label"])
    deployed = deploy("birds")
    deployed.drop([*learnt, *held_out])
    run = deployed.train()
    assert run.state == "promoted", run.gates
    # One of six by chance.
    assert deployed.accuracy(held_out) >= 0.4


def test_distress_on_real_clips_from_an_archive(
    deploy: Callable[[str], Deployment], data_dir: Path
) -> None:
    def label_of(row: dict[str, str]) -> str | None:
        binary = row["note"].partition(";")[0]
        return {"binary=danger": "danger", "binary=safe": "safe"}.get(binary)

    learnt, held_out = real(data_dir / "distress_nv", label_of, asked=12)
    deployed = deploy("distress")
    clips = [*learnt, *held_out]
    assert deployed.import_zip(clips) == {"added": len(clips)}
    run = deployed.train()
    assert run.state == "promoted", run.gates
    assert deployed.accuracy(held_out) >= 0.8


def test_bats_on_real_recordings_at_their_native_rate(
    deploy: Callable[[str], Deployment], data_dir: Path
) -> None:
    learnt, held_out = real(
        data_dir / "bats",
        lambda row: row["label"] if row["split"] == "species_task" else None,
        in_folders=False,
    )
    # Another night's horseshoe bat: in the data folder nothing of it has a second recording.
    (night,) = [clip for clip in learnt if "nov_5" in clip.name]
    learnt.remove(night)
    deployed = deploy("bats")
    deployed.drop([*learnt, *held_out])
    run = deployed.train()
    # One held-out recording proves nothing, and the gate says so; a person may promote it.
    assert run.state == "rejected"
    assert [gate["gate"] for gate in run.gates if not gate["passed"]] == ["better_than_guessing"]
    version = run.version or ""
    card = deployed.services.models.card(version)
    assert card.sample_rate == 384_000
    assert set(card.labels) == {clip.label for clip in learnt}
    deployed.services.models.promote(version, None, by="a person", reason="rare species")
    assert deployed.predict(night.content)["model_version"] == version
    assert deployed.accuracy([night, *held_out]) == 1
