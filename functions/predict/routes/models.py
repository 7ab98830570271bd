"""Model versions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from predict import schemas
from predict.requests import UseCases

router = APIRouter(tags=["models"])


@router.get("/models")
def models(services: UseCases) -> schemas.Models:
    """Every version with its held-out figures, and which one is the champion."""
    pointer = services.registry.champion()
    serving = pointer.version if pointer else None
    cards = services.cards()
    if serving is None and cards:
        serving = cards[-1].version
    return schemas.Models(
        champion=schemas.Pointer(**asdict(pointer)) if pointer else None,
        models=[
            schemas.Model(
                version=card.version,
                parent=card.parent,
                trained_at=card.trained_at,
                accuracy=card.metrics.get("accuracy"),
                macro_f1=card.metrics.get("macro_f1"),
                labels=list(card.labels),
                champion=card.version == serving,
            )
            for card in cards
        ],
    )


@router.get("/models/{version}")
def model(services: UseCases, version: str) -> dict[str, Any]:
    """The card of one version: labels, thresholds, metrics, calibration, data."""
    return asdict(services.card(version))
