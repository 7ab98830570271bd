"""Model versions, and which one serves."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints


class Model(BaseModel):
    """One version in the list, by what one compares versions by.

    Figures are of the version's own held-out clips, which grow in number from one to the next. On
    the same clips a version was compared with its parent by the gates of its run.
    """

    version: str
    parent: str | None = Field(description="The champion that it had to be as good as.")
    trained_at: str
    champion: bool
    backbone: str
    classifier: str | None
    labels: list[str]
    learnt_from: dict[str, int] = Field(description="Clips per label.")
    held_out: int | None = Field(description="Clips that the figures are of.")
    accuracy: float | None
    accuracy_interval: tuple[float, float] | None = Field(description="95%, by recording.")
    macro_f1: float | None
    f1: dict[str, float | None] = Field(description="Per label; null without held-out clips.")
    ece: float | None = Field(description="Expected calibration error: 0 is best.")
    accepted_share: float | None = Field(description="Answers that are not `uncertain`.")


class Promotion(BaseModel):
    """From which version to which, when, by whom and why."""

    version: str | None = Field(description="Null for the default bundle.")
    previous: str | None = Field(description="The version before; null for the default bundle.")
    promoted_at: str
    promoted_by: str
    reason: str
    rollback: bool


class Models(BaseModel):
    """The latest versions, the newest first, and who served when."""

    champion: Promotion | None = Field(description="Null while nothing was ever promoted.")
    models: list[Model]
    history: list[Promotion] = Field(
        description="The latest hundred promotions and rollbacks, the newest first."
    )


Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class PromotionRequest(BaseModel):
    """Move the champion."""

    reason: Words
    by: Words = Field(default="api", description="Who asks for it.")
    expected: str | None = Field(
        default=None,
        description="The champion that you have seen: 409 when it is another by now.",
    )
