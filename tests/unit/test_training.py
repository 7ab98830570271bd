from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import DEFAULT_BUNDLE, REPOSITORY, Aws, clip, pcm
from earshot.application import Application
from earshot.bundle import Bundle
from earshot.detector import Detector
from earshot.errors import RetrainInProgress
from earshot.recording import Waveform
from earshot.runs import Run
from earshot.services import Services

from retrain import evaluation, heads
from retrain.backbones import BACKBONES
from retrain.dataset import Clip, Dataset, split
from retrain.export import Embedder, sha256
from retrain.job import work
from retrain.training import train

LABELS = ("casual", "explosion", "gunshot", "siren")


def blobs(labels: int, clips: int = 60, spread: float = 1.0, windows: int = 3) -> Dataset:
    """Clips of one window or more around one centre per label."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(labels, 8)) * 3
    return split(
        [
            Clip(
                f"{label}-{n}",
                f"label {label}",
                f"{label}-{n}",
                (
                    centres[label]
                    + spread * random.normal(size=(random.integers(1, windows + 1), 8))
                ).astype(np.float32),
            )
            for label in range(labels)
            for n in range(clips)
        ],
        (),
    )


@pytest.mark.parametrize("labels", [2, 3, 5])
def test_a_head_tells_apart_what_lies_apart(labels: int) -> None:
    dataset = blobs(labels)
    told: list[float] = []
    head = heads.fit(dataset, (), lambda share, _: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1.0
    answers = [head.probabilities(c.embedding).mean(axis=0) for c in dataset.held_out]
    right = [dataset.labels[a.argmax()] == c.label for a, c in zip(answers, dataset.held_out)]  # noqa: B905
    assert np.mean(right) > 0.95
    np.testing.assert_allclose([a.sum() for a in answers], 1, atol=1e-5)
    assert {row["penalty"] for row in head.curve} == set(heads.CANDIDATES)
    assert all(1 / labels <= t <= 1 for t in head.thresholds.values())


def test_confidence_is_calibrated_where_labels_overlap() -> None:
    dataset = blobs(3, clips=400, spread=4.0, windows=1)
    head = heads.fit(dataset, (), lambda *_: None)
    rows = np.array([head.probabilities(c.embedding).mean(axis=0) for c in dataset.held_out])
    truth = np.array([dataset.labels.index(c.label) for c in dataset.held_out])
    assert 0.5 < (rows.argmax(axis=1) == truth).mean() < 0.98
    assert evaluation.calibration_error(rows, truth) < 0.1


def test_an_alert_label_is_not_refused_for_its_false_alarms() -> None:
    dataset = blobs(3, clips=300, spread=5.0)
    plain = heads.fit(dataset, (), lambda *_: None).thresholds
    alert = heads.fit(dataset, dataset.labels, lambda *_: None).thresholds
    assert all(alert[label] <= plain[label] for label in dataset.labels)
    assert any(alert[label] < plain[label] for label in dataset.labels)


def test_a_clip_weighs_the_same_with_and_without_copies() -> None:
    plain, copied = blobs(2, clips=40), blobs(2, clips=40)
    copied = replace(
        copied,
        training=tuple(replace(c, copies=c.embedding) for c in copied.training),
    )
    for dataset in (plain, copied):
        windows = heads._Windows.of(dataset.training, dataset.labels)
        per_clip = np.bincount(windows.clip, weights=windows.weight)
        per_label = [
            per_clip[[c.label == label for c in dataset.training]] for label in dataset.labels
        ]
        for weights in per_label:
            np.testing.assert_allclose(weights, weights[0])
        assert per_label[0].sum() == pytest.approx(per_label[1].sum())


def test_one_tape_with_thousands_of_clips_leaves_the_others_their_say() -> None:
    random = np.random.default_rng(0)
    clips = [
        Clip(
            f"{label}-{tape}-{n}",
            f"label {label}",
            f"{label}-{tape}",
            (3.0 * label + random.normal(size=(1, 4))).astype(np.float32),
        )
        for label in range(2)
        for tape in range(30)
        for n in range(3000 if tape == 0 else 3)
    ]
    head = heads.fit(split(clips, ()), (), lambda *_: None)
    assert head.unseen_accuracy > 0.9


def test_thresholds_can_be_reached() -> None:
    head = heads.fit(blobs(2, clips=100, spread=0.01), (), lambda *_: None)
    assert max(head.thresholds.values()) <= heads.HIGHEST


def test_a_difference_that_is_no_number_is_no_parity(
    surveillance: Application, backbone: onnx.ModelProto, sounds: list[Clip]
) -> None:
    made = train(split(sounds, surveillance.labels), backbone, surveillance, None, lambda *_: None)
    spoilt = [replace(sounds[0], embedding=np.full_like(sounds[0].embedding, np.nan))]
    assert np.isnan(evaluation.score(made.bundle, spoilt).parity)


def test_a_constant_feature_does_no_harm() -> None:
    dataset = blobs(2)
    widened = replace(
        dataset,
        training=tuple(
            replace(c, embedding=np.pad(c.embedding, ((0, 0), (0, 1)), constant_values=1e4))
            for c in dataset.training
        ),
    )
    head = heads.fit(widened, (), lambda *_: None)
    assert np.isfinite(head.weights).all()
    assert (head.weights[-1] == 0).all()


def test_figures_are_those_of_a_known_case() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]], dtype=np.float32)
    figures = evaluation.measure(probabilities, ["a", "a", "b", "b"], list("wxyz"), ("a", "b"))
    assert figures["accuracy"] == 0.75
    assert figures["confusion"] == [[2, 0], [1, 1]]
    assert figures["per_label"]["a"] == {"precision": 0.6667, "recall": 1.0, "f1": 0.8, "clips": 2}
    assert figures["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2, abs=1e-3)
    low, high = figures["accuracy_interval"]
    assert 0 <= low < 0.75 < high <= 1


@pytest.fixture(scope="module")
def surveillance() -> Application:
    return Application.load(REPOSITORY / "infra" / "applications" / "surveillance.toml")


@pytest.fixture(scope="module")
def backbone(surveillance: Application) -> onnx.ModelProto:
    return BACKBONES[surveillance.backbone](surveillance.sample_rate)


@pytest.fixture(scope="module")
def sounds(surveillance: Application, backbone: onnx.ModelProto) -> list[Clip]:
    """Twenty of our own sounds of each label."""
    embed = Embedder(backbone, surveillance.sample_rate, surveillance.window_s, surveillance.hop_s)

    def heard(label: str, seed: int) -> Clip:
        waveform = Waveform((pcm(label, seed) / 32768).astype(np.float32), 16_000)
        return Clip(waveform.sha256, label, waveform.sha256, embed(waveform), lambda: waveform)

    return [heard(label, seed) for label in LABELS for seed in range(20)]


def test_what_is_exported_is_what_was_fitted(
    surveillance: Application, backbone: onnx.ModelProto, sounds: list[Clip]
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


def request(services: Services) -> Run:
    return services.request_retrain("a test")


def drop_sounds(services: Services, aws: Aws, labels: tuple[str, ...], seeds: range) -> None:
    quiet = replace(services, retrain_threshold=10_000)
    for label in labels:
        for seed in seeds:
            key = f"samples/{label}/{seed}.wav"
            aws.drop(key, clip(label, seed))
            assert quiet.receive(key, 0).state == "added"


def test_a_run_trains_proves_and_promotes(services: Services, aws: Aws) -> None:
    drop_sounds(services, aws, LABELS, range(6))
    before = services.serving.detector().card
    run = request(services)
    work(services, DEFAULT_BUNDLE, run.run, "worker")
    done = services.catalog.run(run.run)
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
    services.catalog.claim_run(run.run, "first")
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
    done = services.catalog.run(run.run)
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
    done = services.catalog.run(run.run)
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
    done = services.catalog.run(run.run)
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
    done = services.catalog.run(run.run)
    assert done.state == "failed"
    assert "two labels" in str(done.error)
    assert services.catalog.standing().active_run is None


def test_a_fault_of_the_world_leaves_the_run_to_the_next_attempt(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = request(services)
    aws.s3.delete_bucket(Bucket="artifacts")
    with pytest.raises(aws.s3.exceptions.ClientError):
        work(services, DEFAULT_BUNDLE, run.run, "worker")
    assert services.catalog.run(run.run).state == "running"
    aws.s3.create_bucket(Bucket="artifacts")
    work(services, DEFAULT_BUNDLE, run.run, "worker")
    assert services.catalog.run(run.run).state == "promoted"


def test_samples_that_came_meanwhile_start_the_next_run(services: Services, aws: Aws) -> None:
    run = request(services)
    drop_sounds(services, aws, ("siren",), range(5))
    work(services, DEFAULT_BUNDLE, run.run, "worker")
    first, second = reversed(services.catalog.runs())
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
    done = services.catalog.run(run.run)
    assert done.state == "promoted", done
    evaluated = json.loads(
        aws.s3.get_object(Bucket="artifacts", Key=f"models/{done.version}/evaluation.json")[
            "Body"
        ].read()
    )
    how = {one["sha256"]: one["heard_from"] for one in evaluated["clips"]}
    assert how[held_out[0].sha256] == how[held_out[1].sha256] == "embedding"
    assert how[held_out[2].sha256] == "audio"


def test_the_default_bundle_was_made_with_todays_backbone(
    default_bundle: Bundle, backbone: onnx.ModelProto
) -> None:
    assert default_bundle.card.backbone_sha256 == sha256(backbone)
