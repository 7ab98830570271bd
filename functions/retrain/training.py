"""From clips to a version: fit, calibrate, export, and judge the exported file."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from earshot.bundle import EVALUATION_FILE, MANIFEST_FILE, MODEL_FILE, Bundle, ModelCard
from earshot.moments import now

from retrain import evaluation, export, figures, heads, learning, projection
from retrain.reviews import changed_by_reviews

if TYPE_CHECKING:
    from earshot.application import Application

    from retrain.backbones import Backbone
    from retrain.dataset import Dataset

LIBRARIES = ("numpy", "onnx", "onnxruntime", "scikit-learn", "scipy", "soundfile", "soxr")

# So many training clips are put through the fitted head and the exported one.
COMPARED = 200

# Told the stage, the share of the whole that is done, and the learning curve so far.
Progress = Callable[[str, float, Sequence[dict[str, Any]]], None]


@dataclass(frozen=True, eq=False)
class Version:
    """A new version: its bundle, the files beside the card, and how it did on held-out clips.

    ``parity`` bounds the difference between the exported file and what it was fitted on.
    """

    bundle: Bundle
    files: dict[str, bytes]
    scores: evaluation.Scores
    parity: float
    latency_ms: float
    curve: list[dict[str, Any]]


def train(
    dataset: Dataset,
    backbone: Backbone,
    application: Application,
    parent: str | None,
    progress: Progress,
) -> Version:
    """Fit a version on the training part and judge its exported file on the held-out part."""
    started = time.perf_counter()
    head = heads.fit(
        dataset,
        application.alert_labels,
        lambda share, curve: progress("fitting", 0.1 + 0.6 * share, curve),
        backbone.parts,
    )
    progress("exporting", 0.7, head.curve)
    manifest = dataset.manifest()
    draft = ModelCard(
        version="draft",
        parent=parent,
        application=application.name,
        labels=dataset.labels,
        sample_rate=backbone.sample_rate,
        window_s=application.window_s,
        hop_s=application.hop_s,
        thresholds=head.thresholds,
        novelty_threshold=head.novelty_threshold,
        embedding_dim=head.dim,
        backbone=backbone.name,
        backbone_sha256=backbone.sha256,
        trained_at=now(),
        training_s=0.0,
        data={
            "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
            "labels": dataset.counts(),
            "background": len(dataset.background),
            "notes": list(dataset.notes),
        },
        libraries={name: version(name) for name in LIBRARIES},
    )
    graph = export.fuse(backbone, head)
    digest = hashlib.sha256(graph).hexdigest()
    # The name says when and what: a repeated run that fits another graph makes another version.
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{digest[:8]}"
    bundle = Bundle(replace(draft, version=name, model_sha256=digest), graph)

    progress("evaluating", 0.75, head.curve)
    scores = evaluation.score(
        bundle,
        dataset.held_out,
        lambda share: progress("evaluating", 0.75 + 0.1 * share, head.curve),
    )
    metrics = figures.measure(
        scores.probabilities,
        [clip.label for clip in dataset.held_out],
        [clip.group for clip in dataset.held_out],
        dataset.labels,
        scores.accepted,
    )
    metrics["learning_curve"] = learning.learning_curve(dataset, head, backbone.parts)
    metrics["reviews"] = changed_by_reviews(
        dataset, head, application.min_recordings, backbone.parts
    )
    metrics["projection"] = projection.project(
        dataset,
        head,
        backbone.parts,
        lambda share: progress("evaluating", 0.85 + 0.1 * share, head.curve),
    )
    metrics["cross_validation"] = {
        "accuracy": round(head.unseen_accuracy, 4),
        "accepted": round(head.unseen_accepted, 4),
        "clips": head.unseen_clips,
        "classifier": str(head.classifier),
    }
    parity = scores.parity + evaluation.head_difference(bundle, head, dataset.training[:COMPARED])
    latency_ms = evaluation.latency_ms(bundle)
    card = replace(
        bundle.card,
        metrics=metrics,
        calibration={
            "method": "temperature",
            "temperature": round(head.temperature, 4),
            "ece": metrics["ece"],
        },
        training_s=round(time.perf_counter() - started, 2),
        model_sha256="",
    )
    # Only now is the card complete; the graph that was judged stays as it is.
    model = export.with_card(graph, card)
    card = replace(card, model_sha256=hashlib.sha256(model).hexdigest())
    return Version(
        bundle=Bundle(card, model),
        files={
            MODEL_FILE: model,
            EVALUATION_FILE: _evaluation(card, dataset, scores),
            MANIFEST_FILE: manifest,
        },
        scores=scores,
        parity=parity,
        latency_ms=latency_ms,
        curve=head.curve,
    )


def _evaluation(card: ModelCard, dataset: Dataset, scores: evaluation.Scores) -> bytes:
    """Each held-out clip's answer, from which the card's figures can be computed again."""
    clips = [
        {
            "sha256": clip.sha256,
            "group": clip.group,
            "label": clip.label,
            "answer": card.labels[int(row.argmax())],
            "decision": "accepted" if accepted else "uncertain",
            "probabilities": [round(float(p), 6) for p in row],
            "novelty": round(novelty, 6),
            "windows": [[one.label, one.confidence, one.novelty, one.accepted] for one in windows],
            "heard_from": "audio" if heard else "embedding",
        }
        for clip, row, accepted, novelty, windows, heard in zip(
            dataset.held_out,
            scores.probabilities,
            scores.accepted,
            scores.novelty,
            scores.windows,
            scores.heard,
            strict=True,
        )
    ]
    content = {"version": card.version, "labels": list(card.labels), "clips": clips}
    return json.dumps(content, indent=1).encode()
