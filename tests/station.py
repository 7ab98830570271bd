"""Sites that are heard, and a clock that is moved by hand: what tests of drift begin with."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from conftest import DEFAULT_BUNDLE, Aws
from earshot.application import DriftRule
from earshot.bundle import EVALUATION_FILE
from earshot.drift.log import DriftLog, DriftReport, SiteDrift
from earshot.drift.observations import ASKED, Observations
from earshot.evaluation import read
from earshot.moments import moment
from earshot.recording import Observation
from earshot.statistics import Statistics

if TYPE_CHECKING:
    from earshot.services import Services
    from earshot.services.drift import Drift

DAY_S = 86_400
# Noon of this day, for recordings are received by the true clock.
START = time.time() // DAY_S * DAY_S + DAY_S / 2
VERSION = json.loads((DEFAULT_BUNDLE / "card.json").read_text())["version"]


class Station:
    """Sites that are heard, and a clock that is moved by hand."""

    def __init__(self, services: Services, aws: Aws) -> None:
        self.now = float(START)
        self.services, self.aws = services, aws
        self.random = np.random.default_rng(1)
        clock = self.clock
        self.observations = Observations(aws.dynamodb, "earshot", clock)
        self.log = DriftLog(aws.dynamodb, "earshot")
        self.statistics = Statistics(aws.dynamodb, "earshot", clock)
        self.drift: Drift = replace(
            services.drift, observations=self.observations, statistics=self.statistics, clock=clock
        )
        reference = read((DEFAULT_BUNDLE / EVALUATION_FILE).read_bytes()).reference
        assert reference is not None
        self.reference = reference

    def clock(self) -> float:
        return self.now

    def rule(self, **settings: Any) -> None:
        application = replace(self.drift.application, drift=DriftRule(**settings))
        self.drift = replace(self.drift, application=application)

    def later(self, days: float = 1.0) -> None:
        self.now += days * DAY_S

    def hear(
        self,
        site: str = "ridge",
        n: int = 40,
        *,
        novelty: float = 0.0,
        version: str = VERSION,
        since: float | None = None,
    ) -> None:
        """So many answers of the last days, drawn from the reference, and more novel by so much."""
        answers = self.reference.clips if site == ASKED else self.reference.windows
        chosen = self.random.choice(len(answers), n)
        began = self.now - 2 * DAY_S if since is None else since
        self.observations.keep(
            site,
            [
                Observation(
                    moment(began + 3600 * place),
                    f"{place}",
                    version,
                    replace(
                        answers[number],
                        novelty=answers[number].novelty
                        + novelty
                        # No two sounds are the same.
                        + 1e-5 * float(self.random.standard_normal()),
                    ),
                )
                for place, number in enumerate(chosen)
            ],
        )

    def look(self) -> DriftReport:
        self.drift.watch()
        found = self.drift.latest()
        assert found is not None
        return found

    def site(self, site: str = "ridge") -> SiteDrift:
        return next(one for one in self.look().sites if one.site == site)

    def told(self) -> list[dict[str, Any]]:
        """The events of drift since the last look."""
        return [e["detail"] for e in self.aws.published() if e["detail-type"] == "DriftDetected"]
