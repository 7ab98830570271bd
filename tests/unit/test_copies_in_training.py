"""Altered copies and silence in a whole training: made once, bounded, taught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Aws, sound, with_threshold
from conftest import clip as recording
from earshot.bundle import EMBEDDINGS_FILE, embedding_id
from earshot.detector import Detector
from earshot.errors import BadDataset
from earshot.recording import Waveform
from earshot.runs import Run
from earshot.services import Services

from retrain import backbones, copies, job, noise
from retrain.augment import alter
from retrain.dataset import Clip, Seed
from retrain.export import Embedder

RATE = 16_000


def drop_sounds(services: Services, aws: Aws, seeds: range) -> None:
    quiet = with_threshold(services, 10_000)
    for label in ("casual", "siren"):
        for seed in seeds:
            key = f"samples/{label}/{seed}.wav"
            aws.drop(key, recording(label, seed))
            assert quiet.receive(key).state == "added"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many copies were made since it was last asked."""
    made: list[int] = []

    def counting(sound: Waveform, how: Any, number: int) -> Waveform:
        made.append(number)
        return alter(sound, how, number)

    def count() -> int:
        so_far = len(made)
        made.clear()
        return so_far

    monkeypatch.setattr(copies, "alter", counting)
    return count


@pytest.fixture
def nothing_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs end before the fit, with the copies made."""

    def refuse(*_: Any) -> None:
        raise BadDataset("This test fits nothing.")

    monkeypatch.setattr(job, "train", refuse)


def run(services: Services, seed: Path) -> Run:
    requested = services.training.request("a test")
    job.work(services, seed, requested.run, "worker")
    return services.ledger.run(requested.run)


@pytest.mark.usefixtures("nothing_fitted")
def test_a_training_makes_copies_of_samples_once_for_each_way_of_embedding(
    services: Services, aws: Aws, counted: Callable[[], int], tmp_path: Path
) -> None:
    drop_sounds(services, aws, range(8))
    run(services, tmp_path)
    first = counted()
    assert first > 8
    run(services, tmp_path)
    assert counted() == 0
    other = replace(services, application=replace(services.application, hop_s=2.0))
    run(other, tmp_path)
    assert counted() == first
    kept = aws.s3.list_objects_v2(Bucket="artifacts", Prefix="augmented/")["Contents"]
    assert len(kept) == 2


def test_a_training_says_what_it_leaves_to_the_next(
    services: Services,
    aws: Aws,
    counted: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(job, "NEW_COPIES", 7)
    drop_sounds(services, aws, range(8))
    done = run(services, tmp_path)
    assert counted() == 7
    assert any("altered copies are left to the next" in note for note in done.notes)


def test_a_training_without_a_seed_learns_that_silence_is_no_alarm(
    services: Services, aws: Aws, tmp_path: Path
) -> None:
    drop_sounds(services, aws, range(8))
    done = run(services, tmp_path)
    silence = Waveform(np.zeros(4 * RATE, dtype=np.float32), RATE)
    made = services.registry.bundle(str(done.version))
    heard = Detector(made).hear(silence).probabilities.mean(axis=0)
    assert made.card.labels[int(heard.argmax())] == services.application.silence_label


@pytest.mark.usefixtures("nothing_fitted")
def test_what_a_seed_brings_of_silence_is_not_taught_again(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drop_sounds(services, aws, range(8))
    listens = services.application
    hears = backbones.load(
        listens.backbone,
        listens.sample_rate,
        services.registry.backbone,
        listens.backbone_options,
    )
    embed = Embedder(hears, listens.window_s, listens.hop_s)
    audio = Waveform(sound("casual", 99).astype(np.float32), RATE)
    brought = Clip(audio.sha256, "casual", audio.sha256, embed(audio))
    embedded_by = embedding_id(hears.sha256, listens.window_s, listens.hop_s)
    taught: list[float] = []

    def listening(sample_rate: int, duration_s: float) -> list[Waveform]:
        taught.append(duration_s)
        return noise.silences(sample_rate, duration_s)

    monkeypatch.setattr(copies, "silences", listening)
    Seed([brought]).save(tmp_path / EMBEDDINGS_FILE, embedded_by)
    run(services, tmp_path)
    assert not taught
    run(services, tmp_path / "no seed")
    assert max(taught) == listens.window_s
