"""What happens, week by week; whatever Earshot does of it, it does by itself."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import onnx
from earshot.bundle import MODEL_FILE
from earshot.recording import Waveform
from onnx import numpy_helper

from examples.season import world as sounds
from retrain import export

if TYPE_CHECKING:
    from collections.abc import Callable

    from earshot.driftlog import DriftReport, SiteDrift
    from earshot.recording import Prediction, Review
    from earshot.runs import Run
    from earshot.shadow import Comparison

    from examples.season.cloud import Cloud
    from examples.season.world import Samples, Sound, World

SITES = ("harbour", "market")
WEEKS = 10
# In this week water comes into the harbour's microphone,
BREAKS = 5
# and in this one somebody puts a version into service that is none.
SPOILT = 9
# What a site's recorder sends in a week, every four hours, and what people ask the API.
HEARD = 42
ASKED = 175
# What a person listens to in a week, and in one in which a site drifts.
REVIEWED = 8
REVIEWED_MORE = 30
ORACLE = "Ada"


@dataclass
class Week:
    """How right the champion was at each site: shares of what was heard there."""

    right: dict[str, float] = field(default_factory=dict)
    uncertain: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """Something that happened, and in which week."""

    week: int
    at: datetime
    text: str


@dataclass
class Season:
    """What is told of it in the end."""

    source: str
    weeks: list[Week] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    drift: list[DriftReport] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    comparison: Comparison | None = None
    reviewed: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    found_by_drift: dict[str, int] = field(default_factory=dict)


class Story:
    """Plays a season in a world on a cloud; ``tell`` is told what happens as it does."""

    def __init__(
        self,
        world: World,
        cloud: Cloud,
        random: np.random.Generator,
        tell: Callable[[str], None],
    ) -> None:
        self._world, self._cloud, self._random, self._tell = world, cloud, random, tell
        self._truth: dict[str, str] = {}
        self._week = 0
        self._season = Season(world.source)

    def play(self) -> Season:
        """All weeks."""
        self._begin()
        for week in range(1, WEEKS + 1):
            self._week = week
            self._live()
        services = self._cloud.services
        self._season.runs = services.ledger.runs()[::-1]
        return self._season

    # --- a season --------------------------------------------------------------------------

    def _begin(self) -> None:
        """Label what is there, and train the first model."""
        for sound in self._world.labelled:
            wav = sounds.wav(sounds.good_microphone(sound.samples, self._random))
            name = hashlib.sha256(wav).hexdigest()[:8]
            self._cloud.drop(f"samples/{sound.label}/{sound.group}/{name}.wav", wav)
        self._note(f"{len(self._world.labelled)} labelled recordings come in.")
        self._sweep()

    def _live(self) -> None:
        """A week: recordings and questions day and night, and a sweep each evening."""
        season, week = self._season, Week()
        if self._week == BREAKS:
            self._note("Water comes into the microphone at the harbour.")
        if self._week == SPOILT:
            self._spoil()
        heard = {site: [*self._world.week(HEARD, self._random)] for site in SITES}
        asked = [*self._world.week(ASKED, self._random)]
        right: dict[str, list[bool]] = defaultdict(list)
        unsure: dict[str, list[bool]] = defaultdict(list)
        for n in range(HEARD):
            self._cloud.wait(7 * 24 / HEARD)
            for site in SITES:
                sound = heard[site][n]
                told = self._record(site, sound)
                right[site].append(told.label == sound.label)
                unsure[site].append(told.decision == "uncertain")
            for sound in asked[n::HEARD]:
                self._ask(sound)
            if (n + 1) % (HEARD // 7) == 0:
                self._sweep()
        week.right = {site: float(np.mean(ones)) for site, ones in right.items()}
        week.uncertain = {site: float(np.mean(ones)) for site, ones in unsure.items()}
        season.weeks.append(week)
        self._review()
        self._sweep()

    def _record(self, site: str, sound: Sound) -> Prediction:
        """A recorder sends what it heard; answers what the champion makes of it."""
        broken = site == "harbour" and self._week >= BREAKS
        microphone = sounds.broken_microphone if broken else sounds.good_microphone
        samples: Samples = microphone(sound.samples, self._random)
        wav = sounds.wav(samples)
        name = hashlib.sha256(wav).hexdigest()[:8]
        key = f"recordings/{site}/week-{self._week:02}-{name}.wav"
        self._truth[key] = sound.label
        self._cloud.drop(key, wav)
        detector = self._cloud.services.serving.detector()
        return detector.classify(Waveform(samples, sounds.RATE))

    def _ask(self, sound: Sound) -> None:
        wav = sounds.wav(sounds.good_microphone(sound.samples, self._random))
        self._cloud.services.classify(wav, request_id=hashlib.sha256(wav).hexdigest()[:32])

    # --- people ----------------------------------------------------------------------------

    def _review(self) -> None:
        """Somebody who knows listens to what is asked first."""
        reviews = self._cloud.services.reviews
        drifts = any(one.state == "drifting" for one in self._sites())
        for asked in reviews.waiting(REVIEWED_MORE if drifts else REVIEWED):
            truth = self._truth[asked.key]
            if truth == asked.doubt.label:
                decided = reviews.decide(asked.review, "confirm", None, ORACLE)
            else:
                decided = reviews.decide(asked.review, "correct", truth, ORACLE)
            self._take_in(decided)
            self._season.reviewed[self._week] += 1

    def _take_in(self, decided: Review) -> None:
        """The event of the sample that a review has made."""
        if decided.sample:
            self._cloud.services.receive(decided.sample)

    def _spoil(self) -> None:
        """Somebody exports the champion with a wrong temperature, and serves it in a hurry."""
        services = self._cloud.services
        champion = services.serving.detector().bundle
        model = onnx.load_model_from_string(champion.model)
        last = max(
            (one.name for one in model.graph.initializer if one.name.startswith("head_weights_")),
            key=lambda name: int(name.rpartition("_")[2]),
        )
        for tensor in model.graph.initializer:
            if tensor.name in (last, last.replace("weights", "bias")):
                tensor.CopyFrom(
                    numpy_helper.from_array(0.1 * numpy_helper.to_array(tensor), tensor.name)
                )
        card = replace(champion.card, version="in-a-hurry", parent=champion.card.version)
        graph = export.with_card(model.SerializeToString(), replace(card, model_sha256=""))
        card = replace(card, model_sha256=hashlib.sha256(graph).hexdigest())
        services.registry.publish(card, {MODEL_FILE: graph})
        services.models.promote_by_hand(card.version, by="Max", reason="it has to go out today")
        self._note(f"Max puts the version {card.version} into service: its temperature is wrong.")

    # --- what comes of it ------------------------------------------------------------------

    def _sweep(self) -> None:
        services = self._cloud.services
        before = {run.run: run.state for run in services.ledger.runs()}
        shadow = services.shadows.current()
        for sentence in self._cloud.tick():
            self._note(sentence)
        for run in services.ledger.runs():
            if before.get(run.run) != run.state:
                self._note(f"Run {run.run} ({run.reason}): {run.state}. {run.error or ''}".strip())
        if shadow and services.shadows.current() != shadow:
            past = services.shadows.of_version(shadow.version)
            self._season.comparison = services.shadows.comparison(past)
        report = services.drift.latest()
        if report and (not self._season.drift or self._season.drift[-1].day != report.day):
            self._season.drift.append(report)
        for event in self._cloud.events():
            if event["detail-type"] in ("DriftDetected", "ModelPromoted"):
                detail = event["detail"]
                self._note(
                    f"Event {event['detail-type']}: {detail.get('summary') or detail['reason']}"
                )

    def _sites(self) -> tuple[SiteDrift, ...]:
        return self._season.drift[-1].sites if self._season.drift else ()

    def _note(self, text: str) -> None:
        self._season.entries.append(Entry(self._week, datetime.now(UTC), text))
        self._tell(f"week {self._week:2}  {datetime.now(UTC):%a %d %b %H:%M}  {text}")
