"""An application: what a deployment listens for, read from one TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from earshot.errors import BadApplication, UnknownLabel

if TYPE_CHECKING:
    from pathlib import Path


# A label with fewer recordings to learn from can hardly be cross-validated.
MIN_RECORDINGS = 5


@dataclass(frozen=True)
class Application:
    """Labels and the way of listening.

    ``open_labels``: whether a label that is not in ``labels`` may be added by a sample.
    ``alert_labels``: labels that must not be missed.
    ``silence_label``: what silence is taught as, so that a dead microphone raises no alarm.
    ``min_recordings``: a label with fewer to learn from is reported and left out of a training.
    ``descriptions``: a label in words, for people.
    ``examples``: a label as a sound, in a file beside the application's: not a setting of it.
    ``sample_rate`` in Hz, ``window_s`` and ``hop_s`` in seconds, ``backbone`` a row of the
    retrain function's table or an imported network, ``backbone_options`` what a computed backbone
    is told (the retrain function checks them).
    """

    name: str
    labels: tuple[str, ...]
    sample_rate: int
    window_s: float
    hop_s: float
    backbone: str
    alert_labels: tuple[str, ...] = ()
    open_labels: bool = False
    silence_label: str | None = None
    min_recordings: int = MIN_RECORDINGS
    descriptions: dict[str, str] = field(default_factory=dict)
    backbone_options: dict[str, Any] = field(default_factory=dict)
    examples: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.labels)) != len(self.labels):
            raise BadApplication(f"Application {self.name}: a label is named twice.")
        if strangers := set(self.alert_labels) - set(self.labels):
            raise BadApplication(
                f"Application {self.name}: alert_labels names {sorted(strangers)}, "
                "which are not among its labels."
            )
        if self.silence_label not in (None, *self.labels):
            raise BadApplication(
                f"Application {self.name}: silence_label {self.silence_label!r} is not among its "
                "labels."
            )
        if strangers := set(self.descriptions) - set(self.labels):
            raise BadApplication(
                f"Application {self.name}: descriptions has {sorted(strangers)}, which are not "
                "among its labels."
            )
        if len(self.labels) < 2 and not self.open_labels:
            raise BadApplication(
                f"Application {self.name}: nothing can be told apart with fewer than two labels. "
                "Name them, or set open_labels."
            )
        if self.min_recordings < 2:
            raise BadApplication(
                f"Application {self.name}: min_recordings must be 2 or more, to learn from one "
                f"recording and try it on another, not {self.min_recordings}."
            )
        if not 0 < self.hop_s <= self.window_s:
            raise BadApplication(
                f"Application {self.name}: hop_s must lie between 0 and window_s "
                f"({self.window_s}), not {self.hop_s}."
            )

    def check_label(self, label: str) -> None:
        """Raises UnknownLabel for a label that is neither among ``labels`` nor may be added."""
        if label not in self.labels and not self.open_labels:
            raise UnknownLabel(
                f"{label!r} is not a label of {self.name}: use one of {', '.join(self.labels)}."
            )

    def heard_by(self, backbone: str) -> Application:
        """The same application with another backbone, to which its options mean nothing."""
        if backbone == self.backbone:
            return self
        return replace(self, backbone=backbone, backbone_options={})

    @classmethod
    def load(cls, path: Path) -> Application:
        """Read an application file; raises BadApplication naming what is wrong with it."""
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise BadApplication(f"There is no application file {path}.") from error
        except tomllib.TOMLDecodeError as error:
            raise BadApplication(f"{path} is not valid TOML: {error}.") from error
        known = {setting.name for setting in fields(cls)} - {"name", "examples"}
        if unknown := set(content) - known:
            raise BadApplication(f"{path}: unknown settings {sorted(unknown)}.")
        for name in ("labels", "alert_labels"):
            if name in content:
                content[name] = tuple(content[name])
        try:
            return cls(name=path.stem, **content, examples=_examples(path))
        except TypeError as error:
            raise BadApplication(f"{path}: {error}.") from error


def _examples(path: Path) -> dict[str, Path]:
    """The sounds ``examples/<application>/<label>.<suffix>`` beside an application's file."""
    return {file.stem: file for file in sorted((path.parent / "examples" / path.stem).glob("*.*"))}
