"""A model version: one ONNX file that hears, and the card that describes it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from earshot.errors import BadBundle

if TYPE_CHECKING:
    from pathlib import Path

MODEL_FILE = "model.onnx"
CARD_FILE = "card.json"
EVALUATION_FILE = "evaluation.json"
MANIFEST_FILE = "manifest.csv"
EMBEDDINGS_FILE = "embeddings.npz"


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
        """Read a card; raises BadBundle when it is not one."""
        try:
            content = json.loads(text)
            content["labels"] = tuple(content["labels"])
            card = cls(**{name.name: content[name.name] for name in fields(cls)})
        except (ValueError, TypeError, KeyError) as error:
            raise BadBundle(f"{CARD_FILE} is not a model card: {error!r}.") from error
        if len(card.labels) < 2 or set(card.thresholds) != set(card.labels):
            raise BadBundle(
                f"{CARD_FILE} of {card.version} needs two labels or more, with a threshold each."
            )
        return card


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
