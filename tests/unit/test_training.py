from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakSet

import boto3
import numpy as np
import onnx
import pytest
from conftest import DEFAULT_BUNDLE, REPOSITORY, Aws, clip, pcm, with_threshold
from earshot.application import Application
from earshot.audio import decode
from earshot.bundle import Bundle
from earshot.detector import Detector
from earshot.errors import RetrainInProgress
from earshot.evaluation import read
from earshot.recording import Waveform
from earshot.runs import Run
from earshot.services import Services
from earshot.settings import Settings
from earshot.wiring import wire

from retrain import evaluation, job
from retrain.backbones import Backbone, load
from retrain.dataset import Clip, is_held_out, split
from retrain.export import Embedder
from retrain.job import work
from retrain.training import train

LABELS = ("casual", "explosion", "gunshot", "siren")


def test_a_difference_that_is_no_number_is_no_parity(
    surveillance: Application, backbone: Backbone, sounds: list[Clip]
) -> None:
    made = train(split(sounds, surveillance.labels), backbone, surveillance, None, lambda *_: None)
    spoilt = [replace(sounds[0], embedding=np.full_like(sounds[0].embedding, np.nan))]
    assert np.isnan(evaluation.score(made.bundle, spoilt).parity)


@pytest.fixture(scope="module")
def surveillance() -> Application:
    return Application.load(REPOSITORY / "infra" / "applications" / "surveillance.toml")


@pytest.fixture(scope="module")
def backbone(surveillance: Application) -> Backbone:
    def nowhere(name: str) -> bytes:
        raise AssertionError(name)

    return load(surveillance.backbone, surveillance.sample_rate, nowhere)


@pytest.fixture(scope="module")
def sounds(surveillance: Application, backbone: Backbone) -> list[Clip]:
    """Twenty of our own sounds of each label."""
    embed = Embedder(backbone, surveillance.window_s, surveillance.hop_s)

    def heard(label: str, seed: int) -> Clip:
        waveform = Waveform((pcm(label, seed) / 32768).astype(np.float32), 16_000)
        return Clip(waveform.sha256, label, waveform.sha256, embed(waveform), lambda: waveform)

    return [heard(label, seed) for label in LABELS for seed in range(20)]


def test_what_is_exported_is_what_was_fitted(
    surveillance: Application, backbone: Backbone, sounds: list[Clip]
) -> None:
    stages: list[str] = []
    made = train(
        split(sounds, surveillance.labels),
        backbone,
        surveillance,
        parent="v0",
        progress=lambda stage, *_: stages.append(stage),
    )
    card = made.bundle.card
    assert list(dict.fromkeys(stages)) == ["fitting", "exporting", "evaluating"]
    assert made.parity < 1e-4
    assert made.scores.heard == [True] * len(made.scores.heard)
    assert card.parent == "v0"
    inside = onnx.load_model_from_string(made.files["model.onnx"]).metadata_props[0].value
    assert json.loads(inside) == json.loads(replace(card, model_sha256="").to_json())
    assert card.metrics["accuracy"] > 0.9
    assert card.embedding_dim == sounds[0].embedding.shape[1]

    # The file alone is enough: no code of ours stands between waveform and probabilities.
    waveform = sounds[0].audio()
    assert waveform is not None
    hearing = Detector(Bundle(card, made.files["model.onnx"])).hear(waveform)
    np.testing.assert_allclose(hearing.embeddings, sounds[0].embedding, atol=1e-4)

    clips = json.loads(made.files["evaluation.json"])["clips"]
    right = np.mean([one["answer"] == one["label"] for one in clips])
    assert right == pytest.approx(card.metrics["accuracy"], abs=1e-4)
    # What live sounds are compared with is what the file itself says of the held-out ones.
    reference = read(made.files["evaluation.json"]).reference
    assert reference is not None
    assert {one.label for one in reference.clips} == {one["answer"] for one in clips}
    detector = Detector(Bundle(card, made.files["model.onnx"]))
    heard = {one.sha256: one.audio() for one in sounds}
    said = [detector.classify(waveform) for one in clips if (waveform := heard[one["sha256"]])]
    novelties = [one["novelty"] for one in clips]
    assert novelties == pytest.approx([one.novelty for one in said], abs=1e-3)
    assert len(reference.windows) >= len({one.novelty for one in reference.windows}) > 0


def request(services: Services) -> Run:
    return services.training.request("a test")


def drop_sounds(services: Services, aws: Aws, labels: tuple[str, ...], seeds: range) -> None:
    quiet = with_threshold(services, 10_000)
    for label in labels:
        for seed in seeds:
            key = f"samples/{label}/{seed}.wav"
            aws.drop(key, clip(label, seed))
            assert quiet.receive(key).state == "added"


def test_a_run_trains_proves_and_promotes(services: Services, aws: Aws) -> None:
    drop_sounds(services, aws, LABELS, range(6))
    before = services.serving.detector().card
    run = request(services)
    work(services, DEFAULT_BUNDLE, run.run, "worker")
    done = services.ledger.run(run.run)
    assert done.state == "promoted", done
    assert (done.stage, done.progress, done.parent) == ("done", 1.0, before.version)
    assert done.curve
    assert all(gate["passed"] for gate in done.gates)
    pointer = services.registry.champion()
    assert pointer is not None
    assert (pointer.version, pointer.previous) == (done.version, None)
    assert pointer.promoted_by == f"run {run.run}"
    card = services.registry.card(pointer.version)
    # Old and new together: the default bundle's clips and the 24 that were dropped.
    seed = sum(sum(part.values()) for part in before.data["labels"].values())
    assert sum(sum(part.values()) for part in card.data["labels"].values()) == seed + 24
    kinds = [event["detail-type"] for event in aws.published()]
    assert kinds == ["RetrainRequested", "ModelPromoted"]


def test_a_second_copy_of_a_job_does_nothing(services: Services, aws: Aws) -> None:
    run = request(services)
    services.ledger.claim(run.run, "first")
    with pytest.raises(RetrainInProgress):
        work(services, DEFAULT_BUNDLE, run.run, "second")
    assert services.registry.versions() == []


def refusing(monkeypatch: pytest.MonkeyPatch, **changes: Callable[[Any], Any]) -> None:
    from earshot import gates

    monkeypatch.setattr(gates, "GATES", gates.GATES | changes)


def test_a_refused_challenger_is_kept_but_does_not_serve(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, not_worse=lambda _: (False, "Worse on every clip."))
    run = request(services)
    work(services, DEFAULT_BUNDLE, run.run, "worker")
    done = services.ledger.run(run.run)
    assert done.state == "rejected"
    assert {"gate": "not_worse", "passed": False, "detail": "Worse on every clip."} in done.gates
    assert services.registry.champion() is None
    assert services.registry.versions() == [done.version]
    assert services.catalog.standing().active_run is None


def test_a_promotion_that_came_first_wins(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = services.serving.default
    assert bundle is not None
    services.registry.publish(replace(bundle.card, version="by-hand"), {"model.onnx": bundle.model})

    def promote_meanwhile(_: Any) -> tuple[bool, str]:
        services.registry.promote("by-hand", None, "a person", "quicker")
        return True, "Fine."

    refusing(monkeypatch, fast_enough=promote_meanwhile)
    run = request(services)
    work(services, DEFAULT_BUNDLE, run.run, "worker")
    done = services.ledger.run(run.run)
    assert done.state == "rejected"
    assert "champion changed meanwhile" in str(done.error)
    pointer = services.registry.champion()
    assert pointer is not None
    assert pointer.version == "by-hand"


def test_a_champion_that_does_not_verify_is_no_hindrance(services: Services, aws: Aws) -> None:
    bundle = services.serving.default
    assert bundle is not None
    services.registry.publish(replace(bundle.card, version="broken"), {"model.onnx": b"broken"})
    pointer = services.registry.promote("broken", None, "a person", "by mistake")
    run = request(services)
    work(services, DEFAULT_BUNDLE, run.run, "worker")
    done = services.ledger.run(run.run)
    assert (done.state, done.parent) == ("promoted", bundle.card.version)
    champion = services.registry.champion()
    assert champion is not None
    assert champion.previous == pointer.version


def test_nothing_to_learn_from_fails_with_its_reason(
    services: Services, aws: Aws, tmp_path: Path
) -> None:
    drop_sounds(services, aws, ("siren",), range(6))
    run = request(services)
    work(services, tmp_path / "no seed", run.run, "worker")
    done = services.ledger.run(run.run)
    assert done.state == "failed"
    assert "two labels" in str(done.error)
    assert services.catalog.standing().active_run is None


def test_the_very_first_model_has_nobody_to_prove_itself_beside(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARSHOT_DEFAULT_BUNDLE", str(tmp_path / "none"))
    monkeypatch.setenv("EARSHOT_SHADOW_PREDICTIONS", "50")
    services = wire(Settings.from_environment(), boto3.client)
    drop_sounds(services, aws, LABELS, range(16))
    run = request(services)
    work(services, tmp_path / "none", run.run, "worker")
    done = services.ledger.run(run.run)
    assert done.state == "promoted"
    assert services.serving.detector().card.version == done.version


def test_a_fault_of_the_world_leaves_the_run_to_the_next_attempt(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = request(services)
    aws.s3.delete_bucket(Bucket="artifacts")
    with pytest.raises(aws.s3.exceptions.ClientError):
        work(services, DEFAULT_BUNDLE, run.run, "worker")
    assert services.ledger.run(run.run).state == "running"
    aws.s3.create_bucket(Bucket="artifacts")
    work(services, DEFAULT_BUNDLE, run.run, "worker")
    assert services.ledger.run(run.run).state == "promoted"


def test_samples_that_came_meanwhile_start_the_next_run(services: Services, aws: Aws) -> None:
    run = request(services)
    drop_sounds(services, aws, ("siren",), range(5))
    work(services, DEFAULT_BUNDLE, run.run, "worker")
    first, second = reversed(services.ledger.runs())
    assert first.run == run.run
    assert second.state == "requested"
    assert second.reason.startswith("5 new samples")


def test_a_clip_that_was_overwritten_is_judged_by_what_was_heard_then(
    services: Services, aws: Aws
) -> None:
    drop_sounds(services, aws, LABELS, range(8))
    held_out = [
        sample
        for sample in services.catalog.samples()
        if Clip(sample.sha256, "", sample.group, sample.embedding).held_out
    ]
    assert len(held_out) >= 2
    aws.drop(held_out[0].key, clip("siren", 99))
    aws.s3.delete_object(Bucket="recordings", Key=held_out[1].key)
    run = request(services)
    work(services, DEFAULT_BUNDLE, run.run, "worker")
    done = services.ledger.run(run.run)
    assert done.state == "promoted", done
    evaluated = json.loads(
        aws.s3.get_object(Bucket="artifacts", Key=f"models/{done.version}/evaluation.json")[
            "Body"
        ].read()
    )
    how = {one["sha256"]: one["heard_from"] for one in evaluated["clips"]}
    assert how[held_out[0].sha256] == how[held_out[1].sha256] == "embedding"
    assert how[held_out[2].sha256] == "audio"


def test_another_backbone_embeds_all_samples_anew_at_the_next_training(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_sounds(services, aws, LABELS, range(16))
    held_out = [is_held_out(s.group) for s in services.catalog.samples()]
    alive: WeakSet[Waveform] = WeakSet()
    most = 0

    def watched(data: bytes) -> Waveform:
        nonlocal most
        waveform = decode(data)
        alive.add(waveform)
        most = max(most, len(alive))
        return waveform

    monkeypatch.setattr(job, "decode", watched)
    changed = replace(services, application=services.application.heard_by("acoustic"))
    run = request(changed)
    work(changed, DEFAULT_BUNDLE, run.run, "worker")
    done = changed.ledger.run(run.run)
    assert done.state == "promoted", done
    card = changed.registry.card(str(done.version))
    acoustic = load("acoustic", 16_000, changed.registry.backbone)
    assert (card.backbone, card.backbone_sha256) == ("acoustic", acoustic.sha256)
    assert card.embedding_dim == acoustic.dim
    # However many are compared with the champion, few recordings are in memory at once.
    assert 0 < most <= 8 < sum(held_out)
    # The seed's audio is not at hand: what is learnt from is the samples, all of them.
    assert sum(sum(part.values()) for part in card.data["labels"].values()) == 64
    # And what comes in from now on is embedded by the new one.
    fresh = with_threshold(wire(Settings.from_environment(), boto3.client), 10_000)
    aws.drop("samples/siren/99.wav", clip("siren", 99))
    fresh.receive("samples/siren/99.wav")
    assert {s.embedded_by for s in fresh.catalog.samples() if s.key.endswith("/99.wav")} == {
        card.embedding_id
    }


def test_a_backbone_in_the_bucket_is_learnt_upon_and_a_missing_one_ends_the_run(
    services: Services, aws: Aws
) -> None:
    drop_sounds(services, aws, LABELS, range(16))
    changed = replace(services, application=services.application.heard_by("theirs"))
    run = request(changed)
    work(changed, DEFAULT_BUNDLE, run.run, "worker")
    done = changed.ledger.run(run.run)
    assert done.state == "failed"
    assert "earshot backbone fetch theirs --bucket artifacts" in str(done.error)

    hears_22_khz = Backbone.of("theirs", load("acoustic", 22_050, lambda _: b"").graph, 22_050)
    changed.registry.keep_backbone("theirs", hears_22_khz.content)
    run = request(changed)
    work(changed, DEFAULT_BUNDLE, run.run, "worker")
    done = changed.ledger.run(run.run)
    assert done.state == "promoted", done
    card = changed.registry.card(str(done.version))
    assert (card.backbone, card.sample_rate) == ("theirs", 22_050)


def test_a_deployment_replaces_the_applications_backbone(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARSHOT_BACKBONE", "acoustic")
    assert wire(Settings.from_environment(), boto3.client).application.backbone == "acoustic"


def test_the_default_bundle_was_made_with_todays_backbone(
    default_bundle: Bundle, backbone: Backbone
) -> None:
    assert default_bundle.card.backbone_sha256 == backbone.sha256
