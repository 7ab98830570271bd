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

    from earshot.drift.log import DriftReport, SiteDrift
    from earshot.recording import Prediction, Verdict
    from earshot.runs import Run
    from earshot.shadow.comparison import Comparison

    from examples.season.cloud import Cloud
    from examples.season.world import Samples, Sound, World

SITES = ("harbour", "market")
# What a site's recorder sends in a week, every four hours, and what people ask the API.
HEARD = 42
ASKED = 175
# What a person listens to in a week, and in one in which a site drifts.
REVIEWED = 8
REVIEWED_MORE = 30
ORACLE = "Ada"


@dataclass(frozen=True)
class Plan:
    """How long it is, and the weeks in which something happens.

    In ``breaks`` water comes into the harbour's microphone; in ``spoilt`` somebody puts a version
    into service that is none.
    """

    weeks: int = 10
    breaks: int = 5
    spoilt: int = 9


@dataclass(frozen=True)
class Week:
    """How right the champion was, by site: shares of what was heard there; what was reviewed."""

    right: dict[str, float]
    uncertain: dict[str, float]
    reviewed: int


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
    plan: Plan
    weeks: list[Week] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    drift: list[DriftReport] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    comparison: Comparison | None = None


class Story:
    """Plays a season in a world on a cloud; ``tell`` is told what happens as it does."""

    def __init__(
        self,
        plan: Plan,
        world: World,
        cloud: Cloud,
        random: np.random.Generator,
        tell: Callable[[str], None],
    ) -> None:
        self._world, self._cloud, self._random, self._tell = world, cloud, random, tell
        self._truth: dict[str, str] = {}
        self._week = 0
        self._season = Season(world.source, plan)

    def play(self) -> Season:
        """All weeks."""
        self._begin()
        for week in range(1, self._season.plan.weeks + 1):
            self._week = week
            self._season.weeks.append(self._live())
        self._season.runs = self._cloud.services.ledger.runs()[::-1]
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

    def _live(self) -> Week:
        """A week: recordings and questions day and night, and a sweep each evening."""
        plan = self._season.plan
        if self._week == plan.breaks:
            self._note("Water comes into the microphone at the harbour.")
        if self._week == plan.spoilt:
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
        reviewed = self._review()
        self._sweep()
        return Week(
            right={site: float(np.mean(ones)) for site, ones in right.items()},
            uncertain={site: float(np.mean(ones)) for site, ones in unsure.items()},
            reviewed=reviewed,
        )

    def _record(self, site: str, sound: Sound) -> Prediction:
        """A recorder sends what it heard; answers what the champion makes of it."""
        broken = site == "harbour" and self._week >= self._season.plan.breaks
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

    def _review(self) -> int:
        """Somebody who knows listens to what is asked first; answers to how much."""
        reviews = self._cloud.services.reviews
        drifts = any(one.state == "drifting" for one in self._sites())
        waiting = reviews.waiting(REVIEWED_MORE if drifts else REVIEWED)
        for asked in waiting:
            truth = self._truth[asked.key]
            right = truth == asked.doubt.label
            verdict: Verdict = "confirm" if right else "correct"
            decided = reviews.decide(asked.review, verdict, None if right else truth, ORACLE)
            assert decided.sample
            self._cloud.services.receive(decided.sample)
        return len(waiting)

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
                    numpy_helper.from_array(0.02 * numpy_helper.to_array(tensor), tensor.name)
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
        for sentence in self._cloud.sweep():
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
            detail = event["detail"]
            reason = detail.get("summary") or detail["reason"]
            said = any(entry.text == reason for entry in self._season.entries)
            self._note(f"Event {event['detail-type']}{'.' if said else f': {reason}'}")

    def _sites(self) -> tuple[SiteDrift, ...]:
        return self._season.drift[-1].sites if self._season.drift else ()

    def _note(self, text: str) -> None:
        self._season.entries.append(Entry(self._week, datetime.now(UTC), text))
        self._tell(f"week {self._week:2}  {datetime.now(UTC):%a %d %b %H:%M}  {text}")
