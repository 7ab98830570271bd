"""What a prediction is in JSON; ``schemas.predict.Prediction`` describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from earshot.moments import now

if TYPE_CHECKING:
    from earshot.recording import Prediction

TOP = 5


def prediction(heard: Prediction, request_id: str, top_k: int = TOP) -> dict[str, Any]:
    """The members of an answer, the explanation only if there is one."""
    answer = {
        "label": heard.label,
        "class_id": heard.class_id,
        "confidence": heard.confidence,
        "decision": heard.decision,
        "probabilities": heard.probabilities,
        "top": [{"label": label, "confidence": p} for label, p in heard.top(top_k)],
        "segments": [vars(segment) for segment in heard.segments],
        "model_version": heard.model_version,
        "duration_s": heard.duration_s,
        "processing_ms": heard.processing_ms,
        "timestamp": now(),
        "request_id": request_id,
    }
    if heard.explanation:
        # Of ln(p / (1 - p)), by hiding one cell after another.
        answer["explanation"] = {**vars(heard.explanation), "unit": "nats", "method": "occlusion"}
    return answer
