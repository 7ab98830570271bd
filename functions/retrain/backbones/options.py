"""An application's ``backbone_options``, checked against what a computed backbone can be told."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from earshot.audio import MIN_DURATION_S
from earshot.errors import BadApplication

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import DataclassInstance

S = TypeVar("S", bound="DataclassInstance")


def configured(defaults: S, options: Mapping[str, Any]) -> S:
    """``defaults`` with an application's choices; raises BadApplication naming a wrong one.

    All but the sample rate may be chosen, and each choice is of its default's kind.
    """
    known = {field.name: getattr(defaults, field.name) for field in fields(defaults)}
    known.pop("sample_rate")
    for name, value in options.items():
        if name not in known:
            raise BadApplication(
                f"backbone_options: there is no {name!r} here; known are {', '.join(known)}."
            )
        if not _is_like(value, known[name]):
            raise BadApplication(
                f"backbone_options: {name} must be like its default {known[name]!r}, not {value!r}."
            )
    chosen = {name: tuple(v) if isinstance(v, list) else v for name, v in options.items()}
    return replace(defaults, **chosen)


def _is_like(value: object, default: object) -> bool:
    if isinstance(default, tuple):
        return (
            isinstance(value, list)
            and len(value) > 0
            and all(_is_like(one, default[0]) for one in value)
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value > 0 and (isinstance(value, int) or not isinstance(default, int))


def check_hearing(
    sample_rate: int, n_fft: int, needed: int, fmin: float, fmax: float | None
) -> None:
    """Raise BadApplication unless a band is left to hear and the shortest recording is enough.

    ``needed`` samples are the fewest that the graph can take.
    """
    top = sample_rate / 2 if fmax is None else fmax
    if not (sample_rate / n_fft < top - fmin and top <= sample_rate / 2):
        raise BadApplication(
            f"backbone_options: {fmin:g} to {top:g} Hz cannot be heard at {sample_rate} Hz with an "
            f"n_fft of {n_fft}: fmax lies below {sample_rate / 2:g} Hz, fmin well below fmax."
        )
    if needed > MIN_DURATION_S * sample_rate:
        raise BadApplication(
            f"backbone_options: {needed} samples would be needed at least, but a recording may "
            f"have {MIN_DURATION_S:g} s, which are {int(MIN_DURATION_S * sample_rate)} at "
            f"{sample_rate} Hz: choose a smaller n_fft or hop."
        )
