"""What is noticed by itself: that a site does not sound as what was learnt."""

from __future__ import annotations

from dataclasses import replace

from conftest import DEFAULT_BUNDLE, clip
from earshot.application import DriftRule
from earshot.bundle import EVALUATION_FILE
from earshot.evaluation import read
from earshot.moments import later, now
from earshot.recording import Observation
from earshot.services import Services
from earshot.services.drift import NEW_SAMPLES
from usecase import UseCase, trained_once
from world import World


class WatchDrift(UseCase):
    """A site drifts: it comes first in review, and somebody is told."""

    name = "notice drift"

    def prepare(self, world: World) -> None:
        services = world.use_cases(self.threshold)
        reference = read((DEFAULT_BUNDLE / EVALUATION_FILE).read_bytes()).reference
        assert reference is not None
        version = services.serving.detector().card.version
        heard = [
            replace(one, novelty=one.novelty + 0.5 + number / 1e6)
            for number, one in enumerate(reference.windows)
        ]
        services.drift.observations.keep(
            "ridge",
            [
                Observation(later(now(), -3600 * number), one.label, version, one)
                for number, one in enumerate(heard)
            ],
        )

    def act(self, services: Services) -> None:
        services.drift.watch()

    def check(self, world: World) -> None:
        services = world.use_cases(self.threshold)
        (episode,) = services.drift.log.episodes()
        assert episode.site == "ridge"
        assert episode.told is not None
        report = services.drift.latest()
        assert report is not None
        assert [(one.site, one.state) for one in report.sites] == [("ridge", "drifting")]
        assert report.sites[0].since == episode.since


class TrainForDrift(WatchDrift):
    """What was labelled since a site drifts asks for one training."""

    name = "train for a drift"

    def prepare(self, world: World) -> None:
        super().prepare(world)
        services = world.use_cases(self.threshold)
        services.drift.compare()
        for number in range(NEW_SAMPLES):
            world.drop(f"samples/siren/{number}.wav", clip("siren", number))
        world.deliver(services)

    def act(self, services: Services) -> None:
        rule = DriftRule(retrain=True)
        application = replace(services.drift.application, drift=rule)
        replace(services.drift, application=application).watch()

    def check(self, world: World) -> None:
        super().check(world)
        trained_once(world)
