"""A model version: one ONNX file that hears, and the card that describes it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from earshot.errors import BadBundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODEL_FILE = "model.onnx"
CARD_FILE = "card.json"
EVALUATION_FILE = "evaluation.json"
MANIFEST_FILE = "manifest.csv"
EMBEDDINGS_FILE = "embeddings.npz"
# Under this name model.onnx carries its card in its metadata.
CARD_PROPERTY = "earshot_card"

VERSION = re.compile(r"[\w.-]{1,100}")


def embedding_id(backbone_sha256: str, window_s: float, hop_s: float) -> str:
    """What an embedding was made by: embeddings of one kind alone can be learnt from together."""
    return f"{backbone_sha256}/{window_s:g}/{hop_s:g}"


@dataclass(frozen=True)
class ModelCard:
    """What is known about a version.

    ``labels`` in output order; ``sample_rate`` in Hz; ``window_s`` and ``hop_s`` in seconds;
    ``thresholds`` the confidence from which a label is accepted, ``novelty_threshold`` the novelty
    up to which anything is; ``metrics`` held-out figures with their intervals; ``data`` the
    training data's manifest SHA-256 and counts.
    """

    version: str
    parent: str | None
    application: str
    labels: tuple[str, ...]
    sample_rate: int
    window_s: float
    hop_s: float
    thresholds: dict[str, float]
    novelty_threshold: float
    embedding_dim: int
    backbone: str
    backbone_sha256: str
    trained_at: str
    training_s: float
    metrics: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)
    model_sha256: str = ""

    @property
    def embedding_id(self) -> str:
        """What this version's embeddings are made by."""
        return embedding_id(self.backbone_sha256, self.window_s, self.hop_s)

    def to_json(self) -> str:
        """The card as text, keys in the order of the fields."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelCard:
        """Read a card; raises BadBundle when it is not one, or what it says makes no sense."""
        try:
            content = json.loads(text)
            values = {name.name: content[name.name] for name in fields(cls)}
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise BadBundle(f"{CARD_FILE} is not a model card: {error!r}.") from error
        for name, makes_sense in _MAKES_SENSE.items():
            if not makes_sense(values[name]):
                raise BadBundle(
                    f"{CARD_FILE} is not a model card: {name} cannot be {str(values[name])[:100]}."
                )
        labels, thresholds = values["labels"], values["thresholds"]
        if len(labels) < 2 or len(set(labels)) < len(labels) or set(thresholds) != set(labels):
            raise BadBundle(
                f"{CARD_FILE} of {values['version']} needs two labels or more, with a threshold "
                "each."
            )
        return cls(**{**values, "labels": tuple(labels)})


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_positive(value)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


# What has to hold for a card to be served by, and to be shown.
_MAKES_SENSE: dict[str, Callable[[Any], bool]] = {
    "version": lambda value: _is_text(value) and bool(VERSION.fullmatch(value)),
    "parent": lambda value: value is None or _is_text(value),
    "application": _is_text,
    "labels": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "sample_rate": _is_count,
    "window_s": _is_positive,
    "hop_s": _is_positive,
    "thresholds": lambda value: _is_mapping(value) and all(map(_is_number, value.values())),
    "novelty_threshold": _is_number,
    "embedding_dim": _is_count,
    "backbone": _is_text,
    "backbone_sha256": _is_text,
    "trained_at": _is_text,
    "training_s": _is_number,
    "metrics": _is_mapping,
    "calibration": _is_mapping,
    "data": _is_mapping,
    "libraries": _is_mapping,
    "model_sha256": _is_text,
}


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model version: its card, and the bytes of ``model.onnx``."""

    card: ModelCard
    model: bytes

    def __post_init__(self) -> None:
        found = hashlib.sha256(self.model).hexdigest()
        if found != self.card.model_sha256:
            raise BadBundle(
                f"{MODEL_FILE} of {self.card.version} has SHA-256 {found[:12]}…, its card says "
                f"{self.card.model_sha256[:12]}…: the file was altered or cut."
            )

    @classmethod
    def load(cls, folder: Path) -> Bundle:
        """Read and verify a bundle's folder; raises BadBundle."""
        try:
            card = (folder / CARD_FILE).read_bytes()
            model = (folder / MODEL_FILE).read_bytes()
        except OSError as error:
            raise BadBundle(f"{folder} is not a model bundle: {error}.") from error
        return cls(ModelCard.from_json(card), model)
