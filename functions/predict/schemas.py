"""The API's answers, as ``/docs`` shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class TopLabel(BaseModel):
    """A label and its probability."""

    label: str
    confidence: float


class Segment(BaseModel):
    """A stretch of the recording and what is heard in it."""

    start_s: float
    end_s: float
    label: str
    confidence: float


class Explanation(BaseModel):
    """Which times and frequencies the answer hangs on, in the stretch where it is clearest."""

    label: str
    start_s: float = Field(description="The stretch that is explained: one window of the model.")
    end_s: float
    baseline_confidence: float = Field(description="The label's probability in this stretch.")
    times_s: list[float] = Field(description="Edges of the columns, from the recording's start.")
    frequencies_hz: list[float] = Field(description="Edges of the rows, low to high.")
    importance: list[list[float]] = Field(
        description="`[band][time]`: what the label's log-odds lose without the cell. "
        "Negative: it speaks against the label."
    )
    band_importance: list[float] = Field(description="The same without the band at any time.")
    time_importance: list[float] = Field(description="The same without the time in any band.")
    unit: Literal["nats"] = Field(
        default="nats", description="Of ln(p / (1 - p)): a fall of 0.7 halves the odds."
    )
    method: Literal["occlusion"] = Field(
        default="occlusion",
        description="A cell is made as quiet as the quietest tenth of the stretch's spectrogram.",
    )


class Prediction(BaseModel):
    """What is heard in a recording."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "example": {
                "label": "siren",
                "class_id": 3,
                "confidence": 0.978,
                "decision": "accepted",
                "probabilities": {
                    "casual": 0.012,
                    "explosion": 0.004,
                    "gunshot": 0.006,
                    "siren": 0.978,
                },
                "top": [{"label": "siren", "confidence": 0.978}],
                "segments": [{"start_s": 0.0, "end_s": 4.0, "label": "siren", "confidence": 0.978}],
                "model_version": "20261121-101500-3f1c22ab",
                "duration_s": 4.0,
                "processing_ms": 4.1,
                "timestamp": "2026-11-21T10:20:30.123Z",
                "request_id": "0f3c6f1e-6d0e-4f3e-9d57-0a8c9a1f2b3c",
            }
        },
    )

    label: str = Field(description="The most probable label.")
    class_id: int = Field(description="Its place in `GET /classes`.")
    confidence: float = Field(description="Its calibrated probability.")
    decision: Literal["accepted", "uncertain"] = Field(
        description="`uncertain` when the confidence is below the label's threshold."
    )
    probabilities: dict[str, float]
    top: list[TopLabel]
    segments: list[Segment]
    model_version: str
    duration_s: float
    processing_ms: float
    timestamp: str = Field(description="UTC, ISO 8601.")
    request_id: str
    explanation: Explanation | None = Field(default=None, description="Only when asked for.")


class Class(BaseModel):
    """A label of the serving model."""

    class_id: int
    label: str
    threshold: float = Field(description="The confidence from which it is accepted.")
    alert: bool
    description: str | None = Field(description="In words, when the application has them.")


class Classes(BaseModel):
    """The labels in output order."""

    model_config = ConfigDict(protected_namespaces=())

    model_version: str
    classes: list[Class]


class ServingModel(BaseModel):
    """The version that answers."""

    version: str
    trained_at: str
    accuracy: float | None = Field(description="On its held-out clips.")
    classes: list[str]


class Training(BaseModel):
    """How far the next training is."""

    new_samples: int
    threshold: int
    active_run: str | None
    last_run: str | None
    last_state: str | None


class Status(BaseModel):
    """The state of the service."""

    name: str
    uptime_s: float
    model: ServingModel | None = Field(description="Null while there is no model.")
    predictions: int
    uncertain: int
    by_label: dict[str, int]
    training: Training
    refused_bundles: dict[str, str] = Field(
        description="Versions that did not verify, and why; they do not serve."
    )


class Refused(BaseModel):
    """An object that could not be used."""

    key: str
    code: str
    reason: str
    refused_at: str


class Import(BaseModel):
    """An archive that was, or is being, unpacked into samples."""

    key: str
    state: Literal["unpacking", "unpacked"]
    clips: int = Field(description="Put below `samples/`, each judged on its own afterwards.")
    size: int = Field(description="Of all clips, in bytes.")
    ignored: list[str] = Field(description="The first twenty files that are not audio.")
    ignored_total: int
    at: str = Field(description="UTC, ISO 8601.")


class Samples(BaseModel):
    """What has been learnt from, and what is missing for the next training."""

    labels: dict[str, int]
    total: int
    new_samples: int = Field(description="Since the last training was asked for.")
    threshold: int = Field(description="New samples that start a training.")
    recordings: int = Field(description="Unlabelled recordings received.")
    refused: list[Refused] = Field(description="The latest hundred.")
    imports: list[Import] = Field(description="The latest hundred archives that were unpacked.")


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


class RunSummary(BaseModel):
    """A training run in the list."""

    run: str
    state: Literal["requested", "running", "promoted", "rejected", "failed"]
    reason: str
    requested_at: str
    finished_at: str | None
    stage: str
    progress: float = Field(description="From 0 to 1.")
    version: str | None


class Run(RunSummary):
    """A training run."""

    started_at: str | None
    samples: int = Field(description="Samples in the catalog when it was asked for.")
    parent: str | None
    error: str | None
    curve: list[dict[str, Any]] = Field(description="One row per candidate and fold.")
    metrics: dict[str, Any]
    gates: list[dict[str, Any]] = Field(description="What each gate said.")
    notes: list[str]


class Runs(BaseModel):
    """Training runs, the newest first."""

    runs: list[RunSummary]


class RetrainRequest(BaseModel):
    """Ask for a training."""

    reason: str = Field(default="asked for by hand", max_length=500)
    min_new_samples: int = Field(default=0, ge=0, description="Refuse when fewer samples are new.")
