"""Settings: read once from the environment, EARSHOT_ before each name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from earshot.errors import BadSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

N = TypeVar("N", int, float)

# As browsers write the header Origin: no path, not even a slash.
_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^\s/,?#*]+")


@dataclass(frozen=True)
class Settings:
    """What a deployment is told; the template's Environment sections hold the same names.

    ``application`` is a TOML file, ``default_bundle`` a folder that need not exist,
    ``retrain_threshold`` counts samples, ``reload_s`` is in seconds, ``backbone`` replaces the
    application's unless it is empty. ``auth`` says whether the API asks for tokens, and pages from
    ``cors_origins`` may call it; ``*`` is any page.

    A training's challenger is compared with the champion ``shadow_predictions`` times before it
    serves, on a ``shadow_share`` (0 to 1) of the traffic; by 0 it serves at once. A champion that
    does far worse than the one before is taken back, unless ``automatic_rollback`` is off.
    """

    recordings_bucket: str
    artifacts_bucket: str
    table: str
    event_bus: str
    application: Path
    default_bundle: Path
    retrain_threshold: int
    reload_s: float
    backbone: str = ""
    auth: Literal["token", "off"] = "token"
    cors_origins: tuple[str, ...] = ()
    shadow_predictions: int = 0
    shadow_share: float = 0.1
    automatic_rollback: bool = True

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read every setting; raises BadSettings naming the variable that is missing or wrong.

        EARSHOT_BACKBONE and EARSHOT_CORS_ORIGINS need not be set: AWS has its own mind on empty
        variables. Nor need EARSHOT_AUTH: nobody opens an API by forgetting it; nor what says how a
        challenger comes into service, EARSHOT_SHADOW_PREDICTIONS, EARSHOT_SHADOW_SHARE and
        EARSHOT_AUTOMATIC_ROLLBACK.
        """

        def read(name: str) -> str:
            variable = f"EARSHOT_{name.upper()}"
            try:
                return environment[variable]
            except KeyError:
                raise BadSettings(f"The environment variable {variable} is not set.") from None

        def positive(name: str, number: type[N]) -> N:
            text = read(name)
            try:
                value = number(text)
            except ValueError:
                value = number(0)
            if not 0 < value < float("inf"):
                raise BadSettings(
                    f"EARSHOT_{name.upper()} must be {number.__name__} above 0, not {text!r}."
                )
            return value

        def auth() -> Literal["token", "off"]:
            match environment.get("EARSHOT_AUTH", "token"):
                case "token" | "off" as value:
                    return value
                case other:
                    raise BadSettings(f"EARSHOT_AUTH must be token or off, not {other!r}.")

        def origins() -> tuple[str, ...]:
            parts = environment.get("EARSHOT_CORS_ORIGINS", "").split(",")
            named = tuple(part.strip() for part in parts if part.strip())
            for origin in named:
                if not _ORIGIN.fullmatch(origin):
                    raise BadSettings(
                        "EARSHOT_CORS_ORIGINS must be * or origins such as https://example.org, "
                        f"separated by commas; {origin!r} is none."
                    )
            return named

        def predictions() -> int:
            text = environment.get("EARSHOT_SHADOW_PREDICTIONS", "0")
            if not text.isdecimal():
                raise BadSettings(
                    f"EARSHOT_SHADOW_PREDICTIONS must be a whole number, 0 for none, not {text!r}."
                )
            return int(text)

        def share() -> float:
            text = environment.get("EARSHOT_SHADOW_SHARE", "0.1")
            try:
                value = float(text)
            except ValueError:
                value = 0.0
            if not 0 < value <= 1:
                raise BadSettings(
                    f"EARSHOT_SHADOW_SHARE must be above 0 and at most 1, not {text!r}."
                )
            return value

        def rolls_back() -> bool:
            match environment.get("EARSHOT_AUTOMATIC_ROLLBACK", "on"):
                case "on" | "off" as value:
                    return value == "on"
                case other:
                    raise BadSettings(
                        f"EARSHOT_AUTOMATIC_ROLLBACK must be on or off, not {other!r}."
                    )

        return cls(
            recordings_bucket=read("recordings_bucket"),
            artifacts_bucket=read("artifacts_bucket"),
            table=read("table"),
            event_bus=read("event_bus"),
            application=Path(read("application")),
            default_bundle=Path(read("default_bundle")),
            retrain_threshold=positive("retrain_threshold", int),
            reload_s=positive("reload_s", float),
            backbone=environment.get("EARSHOT_BACKBONE", ""),
            auth=auth(),
            cors_origins=origins(),
            shadow_predictions=predictions(),
            shadow_share=share(),
            automatic_rollback=rolls_back(),
        )
