"""Model versions: compared, promoted, rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from earshot import errors
from earshot.bundle import ModelCard
from earshot.pointer import PastShadow
from fastapi import APIRouter, Path, Query

from predict.auth import Caller
from predict.manual import responses
from predict.requests import UseCases
from predict.schemas import models as schemas

if TYPE_CHECKING:
    from earshot.pointer import Promotion, Shadow
    from earshot.services import Services

router = APIRouter(tags=["models"])

Version = Annotated[
    str,
    Path(
        pattern=r"^[\w.-]{1,100}$",
        description="As `GET /models` names it.",
        examples=["20261121-101500-3f1c22ab"],
    ),
]


@router.get("/models")
def models(services: UseCases) -> schemas.Models:
    """The latest versions with their held-out figures, and who served when, and why."""
    found = services.models.listing()
    pointer = found.pointer
    history = [_promotion(one) for one in pointer.history] if pointer else []
    shadow = pointer.shadow if pointer else None
    return schemas.Models(
        champion=history[0] if history else None,
        models=[_row(card, card.version == found.champion) for card in found.cards],
        unreadable=found.unreadable,
        history=history,
        shadow=_comparison(services, shadow) if shadow else None,
        shadows=[
            schemas.PastShadow.model_validate(one, from_attributes=True)
            for one in (pointer.shadows if pointer else ())
        ],
    )


@router.get(
    "/models/{version}",
    responses={
        200: {"content": {"application/json": {"example": schemas.CARD}}},
        **responses(errors.ModelNotFound),
    },
)
def model(services: UseCases, version: Version) -> ModelCard:
    """The card of one version: labels, thresholds, metrics, calibration, data."""
    return services.models.card(version)


@router.get(
    "/models/{version}/evaluation",
    responses=responses(errors.ModelNotFound, errors.EvaluationNotFound, errors.BadBundle),
)
def evaluation(services: UseCases, version: Version) -> schemas.Evaluation:
    """How a version's confidence kept its word on held-out clips, and where it was wrong.

    It comes from the version's `evaluation.json`, up to 32 MB of it, which has every clip's answer.
    """
    found = services.models.evaluation(version)
    return schemas.Evaluation.model_validate(found, from_attributes=True)


@router.post(
    "/models/{version}/promote",
    responses=responses(errors.ModelNotFound, errors.PromotionConflict, errors.PromotionRefused),
)
def promote(
    services: UseCases, caller: Caller, version: Version, wish: schemas.PromotionRequest
) -> schemas.Promotion | None:
    """Put a version into service, also one that its gates rejected; answers the champion.

    422 when it does not verify or fails when it is tried; 409 when the champion moved meanwhile.
    The champion itself stays as it is: null for the default bundle when nothing was promoted yet.
    """
    champion = services.models.promote_by_hand(
        version, caller or wish.by, wish.reason, wish.expected
    )
    return _promotion(champion) if champion and champion.history else None


@router.post(
    "/models/rollback",
    responses=responses(
        errors.NothingToRollBackTo,
        errors.ModelNotFound,
        errors.PromotionConflict,
        errors.PromotionRefused,
    ),
)
def rollback(
    services: UseCases, caller: Caller, wish: schemas.PromotionRequest
) -> schemas.Promotion:
    """Put the version into service that served before; answers the champion.

    A second call goes back further, down to the default bundle, then 409. Send `expected` to go
    back once however often the call is repeated.
    """
    return _promotion(services.models.roll_back(caller or wish.by, wish.reason, wish.expected))


@router.get(
    "/models/{version}/shadow",
    responses=responses(errors.NoShadow),
)
def shadow(services: UseCases, version: Version) -> schemas.Comparison:
    """What a version said, and the champion, the last time that it heard along."""
    return _comparison(services, services.shadows.of_version(version))


@router.post(
    "/models/{version}/shadow",
    responses=responses(errors.ModelNotFound, errors.PromotionConflict, errors.PromotionRefused),
)
def begin_shadow(
    services: UseCases, caller: Caller, version: Version, wish: schemas.ShadowRequest
) -> schemas.Comparison:
    """Let a version hear along with the champion, in the place of one that does.

    Nobody gets its answers; what both say is counted. A promotion ends it.
    """
    begun = services.shadows.begin(
        version, caller or wish.by, wish.reason, wish.needed, wish.share, wish.expected
    )
    return _comparison(services, begun)


@router.delete("/models/shadow", responses=responses(errors.NoShadow))
def end_shadow(
    services: UseCases,
    caller: Caller,
    reason: Annotated[
        str,
        Query(
            min_length=1,
            max_length=500,
            pattern=r"\S",
            description="Why; it is kept.",
            examples=["it is too slow"],
        ),
    ],
    by: Annotated[
        str,
        Query(
            min_length=1,
            max_length=500,
            pattern=r"\S",
            description="Who asks for it; with a token, it is the token's name.",
        ),
    ] = "api",
    expected: Annotated[
        str | None,
        Query(max_length=100, description="The challenger that you have seen."),
    ] = None,
) -> schemas.PastShadow:
    """Let the challenger hear no more; what was counted stays."""
    ended = services.shadows.end(caller or by, reason, expected)
    return schemas.PastShadow.model_validate(ended, from_attributes=True)


def _comparison(services: Services, shadow: Shadow) -> schemas.Comparison:
    found = services.shadows.comparison(shadow)
    uncertain, challenger_uncertain = found.uncertain
    ended = shadow if isinstance(shadow, PastShadow) else None
    return schemas.Comparison(
        **schemas.Shadow.model_validate(shadow, from_attributes=True).model_dump(),
        compared=found.compared,
        agreed=found.agreed,
        still_needed=max(shadow.needed - found.compared, 0),
        failed=found.failed,
        uncertain=uncertain,
        challenger_uncertain=challenger_uncertain,
        mean_ms=found.mean_ms,
        against=found.against(shadow.needed),
        pairs=[
            schemas.Pair(champion=mine, challenger=its, count=n)
            for (mine, its), n in found.labels.items()
        ],
        ended_at=ended.ended_at if ended else None,
        ended_by=ended.ended_by if ended else None,
        why=ended.why if ended else None,
        promoted=ended.promoted if ended else False,
    )


def _promotion(promotion: Promotion) -> schemas.Promotion:
    return schemas.Promotion.model_validate(promotion, from_attributes=True)


def _row(card: ModelCard, is_champion: bool) -> schemas.Model:
    metrics = card.metrics
    return schemas.Model(
        version=card.version,
        parent=card.parent,
        trained_at=card.trained_at,
        champion=is_champion,
        backbone=card.backbone,
        classifier=metrics.get("cross_validation", {}).get("classifier"),
        labels=list(card.labels),
        learnt_from={
            label: clips["training"] for label, clips in card.data.get("labels", {}).items()
        },
        held_out=metrics.get("clips"),
        accuracy=metrics.get("accuracy"),
        accuracy_interval=metrics.get("accuracy_interval"),
        macro_f1=metrics.get("macro_f1"),
        f1={label: figures.get("f1") for label, figures in metrics.get("per_label", {}).items()},
        ece=metrics.get("ece"),
        accepted_share=metrics.get("accepted_share"),
    )
