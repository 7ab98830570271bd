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

COOLDOWN_S = 300.0
# Incidents are looked for so far around a detection.
MAX_COOLDOWN_S = 86_400.0


@dataclass(frozen=True)
class AlertRule:
    """What somebody wants to be told of.

    Detections of ``label`` that peak at ``threshold`` or above, 0 to 1; None for the label's own,
    which every detection reaches. At ``site``, or at all sites that have no rule of their own for
    the label. What is heard within ``cooldown_s`` seconds of the same tells nobody anew.
    """

    label: str
    threshold: float | None = None
    site: str | None = None
    cooldown_s: float = COOLDOWN_S

    def __post_init__(self) -> None:
        for name, value, most in (
            ("threshold", self.threshold, 1.0),
            ("cooldown_s", self.cooldown_s, MAX_COOLDOWN_S),
        ):
            if value is None:
                continue
            # To Python true is a number, too.
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise BadApplication(f"A rule of alerts: {name} must be a number, not {value!r}.")
            if not 0 <= value <= most:
                raise BadApplication(
                    f"A rule of alerts: {name} must lie between 0 and {most:g}, not {value}."
                )
        if not isinstance(self.label, str) or not isinstance(self.site, str | None):
            raise BadApplication("A rule of alerts: label and site must be text.")


@dataclass(frozen=True)
class DriftRule:
    """How drift is looked for: whether what is heard still sounds as what was learnt.

    The last ``days`` that a site was heard on are looked at, if they have ``min_units`` independent
    answers. When nothing has changed anywhere, a day raises a false alarm with a probability of
    ``false_alarms`` at most. ``retrain``: whether drift asks for a training.
    """

    days: float = 7.0
    false_alarms: float = 0.01
    min_units: int = 20
    retrain: bool = False

    def __post_init__(self) -> None:
        for name, low, high in (
            ("days", 0.04, 90),
            ("false_alarms", 1e-4, 0.5),
            ("min_units", 5, 1_000),
        ):
            value = getattr(self, name)
            # To Python true is a number, too.
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not low <= value <= high:
                raise BadApplication(
                    f"drift: {name} must be a number from {low:g} to {high:g}, not {value!r}."
                )
        if not isinstance(self.retrain, bool):
            raise BadApplication(f"drift: retrain must be true or false, not {self.retrain!r}.")


@dataclass(frozen=True)
class Application:
    """Labels and the way of listening.

    ``open_labels``: whether a label that is not in ``labels`` may be added by a sample.
    ``alert_labels``: labels that must not be missed.
    ``alerts``: what somebody is told of; None for a rule for each of ``alert_labels``.
    ``drift``: how it is told that what is heard sounds otherwise than what was learnt.
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
    alerts: tuple[AlertRule, ...] | None = None
    drift: DriftRule = DriftRule()
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
        for rule in self.alerts or ():
            self._check_rule(rule)
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

    def _check_rule(self, rule: AlertRule) -> None:
        whose = f"Application {self.name}: a rule of alerts"
        if rule.label not in self.labels and not self.open_labels:
            raise BadApplication(f"{whose} names {rule.label!r}, which is not among its labels.")
        if rule.label == self.silence_label:
            raise BadApplication(f"{whose} is for the silence_label, which is never detected.")
        alike = [one for one in self.rules if (one.label, one.site) == (rule.label, rule.site)]
        if len(alike) > 1:
            raise BadApplication(f"{whose} for {rule.label!r} is there twice.")

    @property
    def rules(self) -> tuple[AlertRule, ...]:
        """What somebody is told of."""
        if self.alerts is None:
            return tuple(AlertRule(label) for label in self.alert_labels)
        return self.alerts

    def rules_at(self, site: str) -> tuple[AlertRule, ...]:
        """Those of a site, one for a label at most: the site's own, else that of all sites."""
        found = {rule.label: rule for rule in self.rules if rule.site is None}
        found |= {rule.label: rule for rule in self.rules if rule.site == site}
        return tuple(found.values())

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
            if "alerts" in content:
                content["alerts"] = tuple(AlertRule(**rule) for rule in content["alerts"])
            if "drift" in content:
                content["drift"] = DriftRule(**content["drift"])
            return cls(name=path.stem, **content, examples=_examples(path))
        except TypeError as error:
            raise BadApplication(f"{path}: {error}.") from error


def _examples(path: Path) -> dict[str, Path]:
    """The sounds ``examples/<application>/<label>.<suffix>`` beside an application's file."""
    return {file.stem: file for file in sorted((path.parent / "examples" / path.stem).glob("*.*"))}
